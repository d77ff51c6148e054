"""The quality of a model from the raw logits that it left: calibration and thresholds, then every metric.

Kept apart from training, so that another threshold policy judges a model anew without training it again.
"""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from distill.corpora.corpus import Corpus, label_matrix
from distill.evaluation.decision import Decision, Logits
from distill.evaluation.evaluator import evaluator_of
from distill.evaluation.floors import judge_floors
from distill.evaluation.selective import evaluate_selective
from distill.recipe.shipping import DecisionsRecipe

JUDGED = ("validation", "test")


def quality_of(logits: Mapping[str, Logits], corpus: Corpus, policy: DecisionsRecipe) -> dict[str, Any]:
    """Validation and test quality of raw logits ``(N, C)``, with the decision that was fitted on validation."""
    gold = label_matrix(corpus.validation, corpus.task)
    return assess(logits, corpus, evaluator_of(corpus.task).fit(logits["validation"], gold, policy), policy)


def assess(
    logits: Mapping[str, Logits], corpus: Corpus, decision: Decision, policy: DecisionsRecipe
) -> dict[str, Any]:
    """Quality of raw logits ``(N, C)`` of both splits under a decision: metrics, floors, risk and coverage."""
    task, splits = corpus.task, dict(corpus.splits())
    evaluator = evaluator_of(task)
    gold = {split: label_matrix(splits[split], task) for split in JUDGED}
    decided = {split: decision.decide(logits[split], task) for split in JUDGED}
    found: dict[str, Any] = {}
    for split in JUDGED:
        scores = decision.scores(logits[split], task)
        selective = evaluate_selective(scores, gold[split], task, decision.policy)
        quality = evaluator.evaluate(scores, gold[split], decision.policy)
        found[split] = {**quality.to_dict(), "selective": asdict(selective)}
    floors = judge_floors(policy, evaluator, {split: (decided[split], gold[split]) for split in JUDGED})
    return {
        **found,
        "floors": [{**asdict(floor), "kept": not floor.missing} for floor in floors],
        "decision": decision.to_dict(),
    }
