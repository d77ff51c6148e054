"""Acceptance checks of calibration against the teacher's, on test: Brier skill, and reliability by bootstrap."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from distill.artifacts.model_report import ModelReport
from distill.artifacts.variant import GateCheck
from distill.evaluation.bootstrap import Bootstrap, row_weights
from distill.evaluation.reliability import bootstrap_ece_above_tenth
from distill.export.runtime.deciding.scores import Floats
from distill.export.runtime.deciding.task import Task
from distill.report.models import RunModel

# share of the teacher's mean Brier skill per label that a variant may lose
MAX_SKILL_LOSS = 0.05


def with_calibration(
    reports: Sequence[ModelReport],
    models: Mapping[str, RunModel],
    reference: str,
    gold: Floats,
    task: Task,
    *,
    seed: int,
) -> tuple[ModelReport, ...]:
    """Return the reports with each model's calibration compared with the teacher's, or with the ensemble's.

    `brier_skill_ratio` is the mean Brier skill over the teacher's; `ece_above_tenth_difference` is the paired
    bootstrap over test rows of the calibration error minus the teacher's, for scores of at least 0.1. A variant's
    `acceptance_checks` fail where it loses skill, or where the whole interval says that it is calibrated worse.

    Args:
        reports: without a comparison yet.
        models: the run's models by name; a baseline is not among them, for its logits are not kept.
        reference: the name of the teacher or the ensemble.
        gold: 0/1 of the test rows, ``(N, C)``.
        task: the kind and its labels.
        seed: of the bootstrap.
    """
    teacher_skill = next(report for report in reports if report.name == reference).test.brier_skill
    teacher_scores = models[reference].test_scores(task)
    weights = row_weights(len(gold), seed=seed)
    compared = []
    for model in reports:
        ratio = model.test.brier_skill / teacher_skill if teacher_skill > 0 else None
        report = replace(model, brier_skill_ratio=ratio)
        if report.name in models and report.name != reference:
            scores = models[report.name].test_scores(task)
            difference = bootstrap_ece_above_tenth(scores, teacher_scores, gold, weights)
            checks = _acceptance_checks(ratio, difference) if report.kind == "variant" else None
            report = replace(report, ece_above_tenth_difference=difference, acceptance_checks=checks)
        compared.append(report)
    return tuple(compared)


def _acceptance_checks(skill_ratio: float | None, difference: Bootstrap) -> tuple[GateCheck, ...]:
    # without a teacher's skill there is nothing to lose
    skill_loss = 0.0 if skill_ratio is None else 1 - skill_ratio
    return (
        GateCheck(
            "Brier skill lost against the teacher", skill_loss, MAX_SKILL_LOSS, skill_loss <= MAX_SKILL_LOSS
        ),
        GateCheck("calibration error above the teacher's, low end", difference.low, 0.0, difference.low <= 0.0),
    )
