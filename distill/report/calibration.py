"""What calibration has to reach beside the teacher's, on test: Brier skill, and reliability by bootstrap."""

from dataclasses import asdict
from typing import Any

from distill.corpora.corpus import Corpus, label_matrix
from distill.evaluation.bootstrap import row_weights
from distill.evaluation.metrics import Floats
from distill.evaluation.reliability import bootstrap_ece_above_tenth
from distill.export.gate import Check
from distill.report.models import logits_and_decision
from distill.runs.context import Job

# of the teacher's mean Brier skill a label, what a variant may lose
MAX_SKILL_LOSS = 0.05


def add_bars(job: Job, corpus: Corpus, models: list[dict[str, Any]]) -> None:
    """Add to each model of the report how its calibration stands to the teacher's, or to the ensemble's.

    `brier_skill_ratio` is its mean Brier skill over the teacher's; `ece_above_tenth_difference` the paired
    bootstrap over test rows of its calibration error minus the teacher's, of scores of at least 0.1; `bars` what a
    variant has to reach. A variant is no worse than the teacher unless the whole interval says that it is.
    """
    teacher = next(model for model in models if model["name"] == job.reference)
    gold = label_matrix(corpus.test, corpus.task)
    theirs = _scores(job, corpus, teacher)
    weights = row_weights(len(gold), seed=job.recipe.seed)
    for model in models:
        skill, best = model["test"]["brier_skill"], teacher["test"]["brier_skill"]
        model["brier_skill_ratio"] = ratio = skill / best if best > 0 else None
        if model is teacher or model["kind"] == "baseline":  # whose logits are not kept
            continue
        ours = _scores(job, corpus, model)
        difference = bootstrap_ece_above_tenth(ours, theirs, gold, weights)
        model["ece_above_tenth_difference"] = asdict(difference)
        if model["kind"] == "variant":
            checks = (
                # without a teacher's skill there is nothing to lose
                Check("Brier skill lost against the teacher", 0.0 if ratio is None else 1 - ratio, MAX_SKILL_LOSS),
                Check("calibration error above the teacher's, low end", difference.low, 0.0),
            )
            model["bars"] = [check.to_dict() for check in checks]


def _scores(job: Job, corpus: Corpus, model: dict[str, Any]) -> Floats:
    """Calibrated test scores ``(N, C)``."""
    logits, decision = logits_and_decision(job, model["name"])
    return decision.scores(logits, corpus.task.kind)
