"""The labels that scikit-learn passes as `y`: a column, or a 0/1 matrix, with the names of its classes."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from distill.export.runtime import InputError

SEVERAL = (
    "y: Lists of labels are not read. Pass a matrix of 0 and 1, as MultiLabelBinarizer().fit_transform(y) has it."
)


def matrix_of(y: ArrayLike) -> NDArray[Any]:
    """Return labels as an array ``(N,)``, or ``(N, C)`` of 0 and 1 where a text may have several.

    Raises:
        InputError: there are none, one is missing, or they are neither a column nor such a matrix.
    """
    given: Any = y
    for name in ("toarray", "to_pylist"):  # of a sparse matrix, as a multi-label binarizer may make it; of pyarrow
        given = getattr(given, name)() if callable(getattr(given, name, None)) else given
    if isinstance(given, Iterable) and getattr(given, "ndim", 1) == 1:
        given = list(given)
        _check_column(given)
    try:
        gold = np.asarray(given)
    except ValueError:
        raise InputError(SEVERAL) from None
    if gold.ndim == 2 and gold.shape[1] == 1:
        return matrix_of(gold[:, 0])
    if gold.ndim not in (1, 2):
        raise InputError("y: This is not a column of labels. Pass one label for each text.")
    if gold.ndim == 2 and not (gold.dtype.kind in "biuf" and np.isin(gold, (0, 1)).all()):
        raise InputError(
            "y: The labels must be one per text, or a matrix of 0 and 1 with a column per label. "
            "MultiLabelBinarizer().fit_transform(y) makes one of lists of labels."
        )
    if gold.ndim == 1 and gold.dtype.kind == "f" and (gold != np.round(gold)).any():
        raise InputError("y: The labels are numbers with fractions, and classes are learned. Pass labels.")
    return gold


def _check_column(labels: list[Any]) -> None:
    """Refuse what numpy would make another label of: beside strings, a missing value becomes the string "nan".

    Raises:
        InputError: a label is missing, or is a list of labels.
    """
    missing = next((row for row, label in enumerate(labels) if _is_missing(label)), None)
    if missing is not None:
        raise InputError(f"y[{missing}]: The label is missing. Drop such rows.")
    if any(isinstance(label, tuple | set | frozenset | dict) for label in labels):
        raise InputError(SEVERAL)


def several_in(gold: NDArray[Any]) -> bool:
    """Return whether a text may have several labels."""
    return gold.ndim == 2


def names_of(y: object) -> list[str] | None:
    """Return the names of a DataFrame's columns; None where `y` is none, or has a single column."""
    columns: Any = getattr(y, "columns", None)
    return list(map(str, columns)) if isinstance(columns, Iterable) and len(list(columns)) > 1 else None


def classes_of(gold: NDArray[Any], names: Sequence[str] | None) -> NDArray[Any]:
    """Return the labels of a column, or of a matrix's columns: their `names`, or their numbers.

    Raises:
        InputError: there are fewer than two, as many names as columns are not there, or one stands twice.
    """
    if gold.ndim == 1:
        try:
            classes = np.asarray(np.unique(gold))
        except TypeError:
            raise InputError("y: Some labels are strings and some are not. Pass labels of one kind.") from None
    else:
        if names is not None and len(names) != gold.shape[1]:
            raise InputError(
                f"label_names: There are {len(names)} names, and y has {gold.shape[1]} columns. Give "
                "one for each column."
            )
        classes = np.arange(gold.shape[1]) if names is None else np.asarray(names)
    if len(set(map(str, classes.tolist()))) != len(classes):
        raise InputError("label_names: A name is there twice. Give each column its own.")
    if len(classes) < 2:
        raise InputError(
            f"y: The number of labels is {len(classes)}, and at least 2 can be told apart. Pass more."
        )
    return classes


def named_rows(gold: NDArray[Any], classes: NDArray[Any], names: Sequence[str]) -> list[list[str]]:
    """Return the names of each row's labels."""
    chosen = gold == 1 if gold.ndim == 2 else gold[:, None] == classes
    return [[name for name, yes in zip(names, row, strict=True) if yes] for row in chosen.tolist()]


def _is_missing(label: object) -> bool:
    is_nan = isinstance(label, float) and label != label
    is_blank = isinstance(label, str) and not label.strip()
    return is_nan or is_blank or type(label).__name__ in {"NoneType", "NAType", "NaTType"}
