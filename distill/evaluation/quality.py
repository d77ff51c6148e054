"""The quality of a model from its raw logits: calibration and thresholds, then every metric.

Kept apart from training, so that a different policy evaluates a model again without training it.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from distill.corpora.corpus import Corpus, label_matrix
from distill.evaluation.decided import DecidedRows, decided_logits
from distill.evaluation.decision import Decision, Logits
from distill.evaluation.evaluators import evaluator_of
from distill.evaluation.floors import KeptFloor, measure_floors, with_workload
from distill.evaluation.selective import evaluate_selective
from distill.evaluation.sets import evaluate_sets
from distill.recipe.shipping import DecisionsRecipe

EVALUATED = ("validation", "test")


@dataclass(frozen=True)
class ModelQuality:
    """The quality of a model under one decision: metrics per split by name, and its floors."""

    validation: Mapping[str, Any]
    test: Mapping[str, Any]
    floors: tuple[KeptFloor, ...]
    decision: Decision


def quality_of(
    logits: Mapping[str, Logits], corpus: Corpus, policy: DecisionsRecipe, out_of_fold: DecidedRows | None = None
) -> ModelQuality:
    """Return the quality of raw logits ``(N, C)`` under the decision that is fitted to their validation split.

    Args:
        logits: of validation, and of test where there is such a split.
        corpus: gold of both.
        policy: rule of calibration and thresholds.
        out_of_fold: every row as decided by models that did not see its fold; replaces a test split.
    """
    gold = label_matrix(corpus.validation, corpus.task)
    decision = evaluator_of(corpus.task).fit(logits["validation"], gold, policy, corpus.validation.groups)
    return assess(logits, corpus, decision, policy, out_of_fold)


def assess(
    logits: Mapping[str, Logits],
    corpus: Corpus,
    decision: Decision,
    policy: DecisionsRecipe,
    out_of_fold: DecidedRows | None = None,
) -> ModelQuality:
    """Return the quality of raw logits ``(N, C)`` under a decision: metrics of both splits, floors, risk.

    The arguments are those of `quality_of`.
    """
    evaluator, splits = evaluator_of(corpus.task), dict(corpus.splits())

    def decided(split: str) -> DecidedRows:
        if split == "test" and out_of_fold is not None:
            return out_of_fold
        return decided_logits(logits[split], label_matrix(splits[split], corpus.task), decision, corpus.task)

    rows = {split: decided(split) for split in EVALUATED}
    metrics: dict[str, dict[str, object]] = {}
    for split in EVALUATED:
        selective = evaluate_selective(rows[split], evaluator, decision.abstain_below)
        quality = evaluator.evaluate(rows[split], decision.policy)
        metrics[split] = {**quality.to_dict(), "selective": asdict(selective)}
        if (possible := rows[split].possible) is not None:
            metrics[split]["sets"] = asdict(evaluate_sets(possible, rows[split].gold))
    splits_decided = {split: (one.decisions, one.gold) for split, one in rows.items()}
    floors = measure_floors(policy, evaluator, decision, splits_decided)
    floors = with_workload(floors, policy, evaluator, decision, rows, corpus.validation.groups)
    return ModelQuality(metrics["validation"], metrics["test"], tuple(floors), decision)
