"""The quality of a model from its raw logits: calibration and thresholds, then every metric.

Kept apart from training, so that a different policy evaluates a model again without training it.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from distill.corpora.corpus import Corpus, label_matrix
from distill.evaluation.decision import Decision, Logits
from distill.evaluation.evaluators import evaluator_of
from distill.evaluation.floors import KeptFloor, judge_floors
from distill.evaluation.selective import evaluate_selective
from distill.recipe.shipping import DecisionsRecipe

EVALUATED = ("validation", "test")


@dataclass(frozen=True)
class ModelQuality:
    """The quality of a model under one decision: metrics per split by name, and its floors."""

    validation: Mapping[str, Any]
    test: Mapping[str, Any]
    floors: tuple[KeptFloor, ...]
    decision: Decision


def quality_of(logits: Mapping[str, Logits], corpus: Corpus, policy: DecisionsRecipe) -> ModelQuality:
    """Return the quality of raw logits ``(N, C)`` under the decision that is fitted to their validation split."""
    gold = label_matrix(corpus.validation, corpus.task)
    return assess(logits, corpus, evaluator_of(corpus.task).fit(logits["validation"], gold, policy), policy)


def assess(
    logits: Mapping[str, Logits], corpus: Corpus, decision: Decision, policy: DecisionsRecipe
) -> ModelQuality:
    """Return the quality of raw logits ``(N, C)`` of both splits under a decision: metrics, floors, risk."""
    task, splits = corpus.task, dict(corpus.splits())
    evaluator = evaluator_of(task)
    gold = {split: label_matrix(splits[split], task) for split in EVALUATED}
    metrics: dict[str, dict[str, object]] = {}
    for split in EVALUATED:
        scores = decision.scores(logits[split], task)
        selective = evaluate_selective(scores, gold[split], evaluator, decision.policy)
        quality = evaluator.evaluate(scores, gold[split], decision.policy)
        metrics[split] = {**quality.to_dict(), "selective": asdict(selective)}
    decided = {split: (decision.decide(logits[split], task), gold[split]) for split in EVALUATED}
    floors = tuple(judge_floors(policy, evaluator, decided))
    return ModelQuality(metrics["validation"], metrics["test"], floors, decision)
