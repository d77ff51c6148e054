"""Floors that a recipe asks of named labels, and of answers: whether they can be shown, and were kept."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from distill.evaluation.binomial import floor_attainable, trials_needed
from distill.evaluation.certificates import split_confidence
from distill.evaluation.decided import DecidedRows
from distill.evaluation.decision import Decision
from distill.evaluation.evaluator import Evaluator, Groups
from distill.evaluation.thresholds import least_rows
from distill.evaluation.trials import parts_of
from distill.evaluation.workload import FloorRows, Workload, workload_curve
from distill.export.gate import Check
from distill.export.runtime.deciding.kinds.ordinal import AT_OR_ABOVE
from distill.export.runtime.deciding.scores import Bools
from distill.export.runtime.errors import CheckFailedError, InputError
from distill.export.runtime.manifest.promises import PRECISION, FittedFloor
from distill.recipe.floors import FLOOR_KEYS, CertifiedFloor
from distill.recipe.shipping import DecisionsRecipe


@dataclass(frozen=True)
class WantedFloor:
    """A floor of a recipe for one label; `metric` is one of `FLOOR_KEYS`.

    `confidence` is its own part of what several floors share, None where the floor is not certified.
    """

    label: str
    metric: str
    floor: float
    confidence: float | None = None


@dataclass(frozen=True)
class KeptFloor:
    """A floor with what was measured on validation, where it has to hold, and on test, where it may not.

    `certificate` is what shows it for new texts, None where it is not certified. `workload` is that of its
    threshold and of others on test; a floor of precision has none.
    """

    label: str
    metric: str
    floor: float
    validation: float
    test: float
    certificate: FittedFloor | None = None
    workload: tuple[Workload, ...] = ()

    @property
    def missing(self) -> float:
        """The distance from what has to hold up to the floor: validation's value, or the certified bound."""
        certificate = self.certificate
        reached = self.validation if certificate is None else certificate.bound or 0.0
        return max(0.0, self.floor - reached)


def floors_of(policy: DecisionsRecipe) -> Iterator[WantedFloor]:
    """Return the recipe's floors."""
    certified = policy.certified_floors
    for metric, table in policy.floors.items():
        for label, floor in table.items():
            if isinstance(floor, CertifiedFloor):
                yield WantedFloor(label, metric, floor.at_least, split_confidence(floor.confidence, certified))
            else:
                yield WantedFloor(label, metric, floor)


def check_floors(
    policy: DecisionsRecipe, evaluator: Evaluator, validation: NDArray[np.float32], groups: Groups = None
) -> None:
    """Check that validation has enough rows for what the recipe asks, before anything is trained.

    Args:
        policy: the recipe's.
        evaluator: the task's.
        validation: gold, ``(N, C)``.
        groups: the numbers of the rows' groups, ``(N,)``.

    Raises:
        InputError: a label is unknown, or has so few rows that no threshold could show the floor.
    """
    labels, rows = evaluator.task.labels, evaluator.floor_rows(validation)
    parts = parts_of(validation, groups, policy.certifying_share)
    for wanted in floors_of(policy):
        key = f"decisions.{FLOOR_KEYS[wanted.metric]}"
        if wanted.label not in labels:
            raise InputError(f"{key}: The label {wanted.label!r} is unknown. The labels are {', '.join(labels)}.")
        if wanted.metric == AT_OR_ABOVE and wanted.label == labels[0]:
            raise InputError(
                f"{key}: {wanted.label!r} is the lowest level, so that every row is at it or above, and the floor "
                "says nothing. Remove it, or correct corpus.label_names, which begin with the lowest level."
            )
        of_label = rows[:, labels.index(wanted.label)]
        if wanted.confidence is not None:
            trials, has = len(parts.trials(of_label)), f"{wanted.label!r} has"
            _check_trials(key, has, trials, wanted.floor, wanted.confidence, grouped=groups is not None)
            continue
        positives, least = int(of_label.sum()), least_rows(wanted.floor)
        if positives < least:
            raise InputError(
                f"{key}: {wanted.label!r} has {positives} validation rows, and {wanted.floor:g} cannot be shown "
                f"with fewer than {least}. Lower the floor, or add validation rows with this label."
            )
    every = len(parts.trials(np.ones(len(validation), dtype=np.bool_)))
    if policy.answer_when_right is not None:
        key, floor = "decisions.answer_when_right", policy.answer_when_right
        _check_trials(key, "There are", every, floor, policy.confidence, grouped=groups is not None)
    if policy.sets is not None and every < (least := least_rows(policy.sets) - 1):
        raise InputError(
            f"decisions.sets: Validation has {every} rows that certify, and with fewer than {least} sets of "
            f"{policy.sets:g} would hold every label. Lower it, or give validation more rows."
        )


def _check_trials(key: str, has: str, trials: int, floor: float, confidence: float, *, grouped: bool) -> None:
    needed = trials_needed(floor, confidence)
    if trials >= needed:
        return
    counted = "validation groups" if grouped else "validation rows"
    attainable = np.floor(floor_attainable(trials, confidence) * 1000) / 1000
    reach = f"With {trials} at most {attainable:.3f} can be. " if attainable > 0 else ""
    raise InputError(
        f"{key}: {has} {trials} {counted} that certify, and {floor:g} cannot be certified at a confidence of "
        f"{confidence:g} with fewer than {needed}. {reach}Lower the floor or the confidence, give validation "
        "more rows, or raise decisions.certify_share."
    )


def check_kept(
    policy: DecisionsRecipe, evaluator: Evaluator, decision: Decision, decisions: Bools, gold: NDArray[np.float32]
) -> tuple[Check, ...]:
    """Return checks for the gate: the distance by which validation's decisions ``(N, C)`` miss each floor."""
    both = {"validation": (decisions, gold), "test": (decisions, gold)}
    checks = [
        Check(f"shortfall from a {kept.metric} of {kept.floor:g} for {kept.label!r}", kept.missing, 0.0)
        for kept in measure_floors(policy, evaluator, decision, both)
    ]
    if decision.answers is not None:
        name = f"shortfall from {decision.answers.at_least:g} of the answers right"
        checks.append(Check(name, max(0.0, decision.answers.at_least - decision.answers.bound), 0.0))
    return tuple(checks)


def measure_floors(
    policy: DecisionsRecipe,
    evaluator: Evaluator,
    decision: Decision,
    decided: dict[str, tuple[Bools, NDArray[np.float32]]],
) -> list[KeptFloor]:
    """Return every floor with its values on validation and test, from decisions and gold ``(N, C)`` of both."""
    labels = evaluator.task.labels
    measured = {split: evaluator.floor_metrics(*both) for split, both in decided.items()}
    certificates = {(floor.kind, floor.label): floor for floor in decision.floors if floor.confidence is not None}
    return [
        KeptFloor(
            wanted.label,
            wanted.metric,
            wanted.floor,
            validation=float(measured["validation"][wanted.metric][labels.index(wanted.label)]),
            test=float(measured["test"][wanted.metric][labels.index(wanted.label)]),
            certificate=certificates.get((wanted.metric, wanted.label)),
        )
        for wanted in floors_of(policy)
    ]


def with_workload(
    kept: Iterable[KeptFloor],
    policy: DecisionsRecipe,
    evaluator: Evaluator,
    decision: Decision,
    rows: Mapping[str, DecidedRows],
    groups: Groups,
) -> list[KeptFloor]:
    """Return floors with the texts that a person reads for each, on test.

    Args:
        kept: the floors, in the order of the decision's.
        policy: the recipe's.
        evaluator: the task's.
        decision: the model's.
        rows: of validation and test.
        groups: the numbers of validation's groups.
    """
    parts = parts_of(rows["validation"].gold, groups, policy.certifying_share)
    fitted = {(floor.kind, floor.label): floor for floor in decision.floors}
    found = []
    for floor in kept:
        shipped = fitted.get((floor.metric, floor.label))
        if shipped is None or floor.metric == PRECISION:
            found.append(floor)
            continue
        at = evaluator.task.labels.index(floor.label)
        fit, test = (
            FloorRows(evaluator.floor_scores(split.scores)[:, at], evaluator.floor_rows(split.gold)[:, at])
            for split in (rows["validation"], rows["test"])
        )
        decided = evaluator.floor_rows(rows["test"].decisions.astype(np.float32))[:, at]
        curve = workload_curve(fit, parts.trials(fit.positive), test, decided, confidence=shipped.confidence)
        found.append(replace(floor, workload=curve))
    return found


def require_kept(floors: Iterable[KeptFloor], decision: Decision) -> None:
    """Refuse a model that misses a floor on validation, or whose answers are not certified to be right.

    Raises:
        CheckFailedError: names the label, what can be reached, and the remedy.
    """
    for floor in floors:
        if floor.missing:
            certified = floor.certificate is not None
            reached = "that can be certified" if certified else "that the student reaches"
            raise CheckFailedError(
                f"decisions.{FLOOR_KEYS[floor.metric]}: The best {floor.metric} {reached} for {floor.label!r} on "
                f"validation is {floor.floor - floor.missing:.3f}, below {floor.floor:g}. Lower the floor, or "
                "train a student that ranks this label better."
            )
    answers = decision.answers
    if answers is not None and answers.bound < answers.at_least:
        raise CheckFailedError(
            f"decisions.answer_when_right: Of the {answers.rows} answers that the student is surest of, "
            f"{answers.wrong} are wrong, which certifies {answers.bound:.3f} and not {answers.at_least:g}. Lower "
            "it, or train a better student."
        )
