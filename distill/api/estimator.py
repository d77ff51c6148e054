"""A scikit-learn estimator: `fit` carries a recipe out on texts and labels at hand, and keeps the bundle."""

import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from distill.api.training import train
from distill.corpora.guessing.labels import PROPOSED
from distill.export.runtime import Classifier, InputError, load
from distill.export.runtime.reading.given import Given, items_of
from distill.files.extras import need

need("train", "sklearn")
from sklearn.base import BaseEstimator, ClassifierMixin  # noqa: E402

ROWS_FILE = "rows.jsonl"

# a run needs test rows; the estimator's own test is whatever scikit-learn holds back
TEST_SHARE = 0.05


class DistilledClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A distilled text classifier that scikit-learn can clone, search, and put into a Pipeline.

    `X` is a list or a column of texts. `y` has one label per text, or is a 0/1 matrix ``(N, C)`` where a text may
    have several. A part of the rows becomes validation, on which calibration and thresholds are fitted.

    Args:
        recipe: a `Recipe`, the path of a TOML file, or the name of a packaged recipe; its [corpus] is replaced.
        overrides: recipe values by key, such as {"student.epochs": 2}.
        label_names: names of the columns of a matrix `y`; their numbers by default.
        validation: share of the rows for validation.
        folder: folder of the run, which keeps the texts and the bundle. By default a temporary one that is
            removed with the estimator.
        quiet: whether no progress is shown on stderr.

    Attributes:
        classes_: the labels ``(C,)``.
        bundle_: the folder of the bundle; it ships like any other.
        classifier_: the bundle, opened.
    """

    def __init__(
        self,
        recipe: Any = "quickstart",
        *,
        overrides: Mapping[str, Any] | None = None,
        label_names: Sequence[str] | None = None,
        validation: float = 0.15,
        folder: str | Path | None = None,
        quiet: bool = True,
    ) -> None:
        self.recipe = recipe
        self.overrides = overrides
        self.label_names = label_names
        self.validation = validation
        self.folder = folder
        self.quiet = quiet

    def fit(self, X: Any, y: ArrayLike) -> "DistilledClassifier":
        """Distil a classifier from texts and labels; several minutes, as any run of the recipe."""
        texts, gold = list(items_of(X)), np.asarray(y)
        if len(texts) != len(gold):
            raise InputError(
                f"y: The labels have {len(gold)} rows, and X has {len(texts)}. Pass one label for each text."
            )
        if self.folder is None:
            self._temporary = tempfile.TemporaryDirectory(prefix="distill-")
        place = Path(self._temporary.name if self.folder is None else self.folder).absolute()
        place.mkdir(parents=True, exist_ok=True)
        self.classes_ = self._classes(gold)
        self._names = tuple(map(str, self.classes_.tolist()))
        _write_rows(place / ROWS_FILE, texts, _named(gold, self.classes_, self._names))
        self._several = gold.ndim == 2
        corpus = {
            "source": str(place / ROWS_FILE),
            "task": PROPOSED[self._several],
            "label_names": list(self._names),
            "label_form": "names",
            "delimiter": None,
            "split": [1 - self.validation - TEST_SHARE, self.validation, TEST_SHARE],
            "duplicates": "keep",
            "leaks": "keep",
        }
        overrides = {**(self.overrides or {}), **{f"corpus.{key}": value for key, value in corpus.items()}}
        run = train(self.recipe, overrides=overrides, runs=place / "runs", until="export", quiet=self.quiet)
        self.bundle_ = run.bundle
        self.classifier_: Classifier = load(self.bundle_)
        return self

    def predict(self, X: Any) -> NDArray[Any]:
        """Return the label of each text ``(N,)``, or a 0/1 matrix ``(N, C)``, by the bundle's own decisions."""
        texts = list(items_of(X))
        if not self._several:
            best = self.classifier_.predict_proba(texts).argmax(axis=1)
            return np.asarray(self.classes_[best])
        decided = [prediction.labels for prediction in self.classifier_.predict(texts)]
        return np.array([[name in labels for name in self._names] for labels in decided], dtype=np.int64)

    def predict_proba(self, X: Any) -> NDArray[np.float32]:
        """Return calibrated scores ``(N, C)`` in the order of `classes_`."""
        return self.classifier_.predict_proba(items_of(X))

    def __getstate__(self) -> dict[str, Any]:
        # the estimator that made the temporary folder removes it
        return {key: value for key, value in super().__getstate__().items() if key != "_temporary"}

    def _classes(self, gold: NDArray[Any]) -> NDArray[Any]:
        """Return the labels of a column, or of a matrix's columns."""
        if gold.ndim == 1:
            return np.asarray(np.unique(gold))
        if gold.ndim != 2 or not np.isin(gold, (0, 1)).all():
            raise InputError("y: The labels must be one per text, or a matrix of 0 and 1 with a column per label.")
        if self.label_names is not None and len(self.label_names) != gold.shape[1]:
            raise InputError(
                f"label_names: There are {len(self.label_names)} names, and y has {gold.shape[1]} columns. Give "
                "one for each column."
            )
        return np.arange(gold.shape[1]) if self.label_names is None else np.asarray(self.label_names)


def _write_rows(file: Path, texts: Sequence[Given], labels: Sequence[Sequence[str]]) -> None:
    with file.open("w", encoding="utf-8") as stream:
        for text, names in zip(texts, labels, strict=True):
            stream.write(json.dumps({"text": text, "labels": list(names)}) + "\n")


def _named(gold: NDArray[Any], classes: NDArray[Any], names: Sequence[str]) -> list[list[str]]:
    """Return the names of each row's labels."""
    chosen = gold == 1 if gold.ndim == 2 else gold[:, None] == classes
    return [[name for name, yes in zip(names, row, strict=True) if yes] for row in chosen.tolist()]
