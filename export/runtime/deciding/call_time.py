"""Arguments of one call: other thresholds than the bundle's, and only the best scores."""

import dataclasses
import operator
from collections.abc import Mapping, Sequence
from numbers import Real
from typing import SupportsIndex

from distill.export.runtime.deciding.task import Policy, Prediction, Task
from distill.export.runtime.errors import InputError

# one for all labels, one for each in the order of the labels, or some of them by label
Thresholds = float | Sequence[float] | Mapping[str, float]


def policy_with(task: Task, policy: Policy, thresholds: Thresholds) -> Policy:
    """Return a policy with the caller's thresholds in place of the bundle's.

    Labels that a mapping does not name keep the bundle's. A pandas Series is a mapping by its index.

    Raises:
        InputError: the task has no thresholds, a label or their number is wrong, or one is not from 0 to 1.
    """
    if policy.thresholds is None:
        raise InputError(
            f"thresholds: A {task.kind} bundle has none, because it takes the best label. Choose by the scores "
            "of predict_proba."
        )
    return dataclasses.replace(policy, thresholds=_checked(task, policy.thresholds, thresholds))


def _checked(task: Task, fitted: tuple[float, ...], given: Thresholds) -> tuple[float, ...]:
    thresholds = _plain(given)
    if isinstance(thresholds, Mapping):
        own = dict(zip(task.labels, fitted, strict=False)) if len(fitted) == task.num_labels else {}
        if not thresholds.keys() <= own.keys():  # the name may be a text
            raise InputError(
                "thresholds: A name in the mapping is not a label with a threshold. Those are "
                f"{', '.join(own) or 'none, pass a list'}."
            )
        return tuple(_number(value) for value in {**own, **thresholds}.values())
    if isinstance(thresholds, Real):
        return (_number(thresholds),) * len(fitted)
    if not isinstance(thresholds, list | tuple) or len(thresholds) != len(fitted):
        raise InputError(
            f"thresholds: The argument must be one number, a list of {len(fitted)}, or a mapping from labels to "
            "numbers."
        )
    return tuple(map(_number, thresholds))


def _plain(given: object) -> object:
    """Return numbers, lists and mappings of numpy and pandas as those of Python; no package is imported for it."""
    labelled = hasattr(given, "index") and not callable(given.index)  # of a Series, whose order is its own
    for name in ("to_dict",) if labelled else ("to_pylist", "tolist"):
        if callable(getattr(given, name, None)):
            return getattr(given, name)()
    return given


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, Real) or not 0 <= float(value) <= 1:
        raise InputError("thresholds: Each must be a number from 0 to 1.")
    return float(value)


def whole(value: SupportsIndex, name: str, most: int | None = None) -> int:
    """Return a whole number of at least 1 as Python's own; numpy has others.

    Raises:
        InputError: it is none, or more than `most`; the message begins with the argument's name.
    """
    try:
        number = 0 if isinstance(value, bool) else operator.index(value)
    except TypeError:
        number = 0
    if number < 1 or (most is not None and number > most):
        bounds = "of at least 1" if most is None else f"from 1 to {most}"
        raise InputError(f"{name}: The number must be a whole one {bounds}.")
    return number


def with_best(prediction: Prediction, top_k: int) -> Prediction:
    """Return the same decision with its `top_k` highest scores alone, highest first."""
    best = sorted(prediction.scores.items(), key=lambda item: -item[1])[:top_k]
    return dataclasses.replace(prediction, scores=dict(best))
