"""A scikit-learn estimator: `fit` carries a recipe out on texts and labels at hand, and keeps the bundle."""

import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from distill.api.targets import classes_of, matrix_of, named_rows, names_of, several_in
from distill.api.training import train
from distill.corpora.guessing.labels import PROPOSED
from distill.export.runtime import Classifier, InputError, load
from distill.export.runtime.reading.given import items_of
from distill.export.runtime.reading.inputs import ONE_TEXT
from distill.files.extras import need

need("train", "sklearn")
from sklearn.base import BaseEstimator, ClassifierMixin  # noqa: E402
from sklearn.utils.validation import check_is_fitted  # noqa: E402

if TYPE_CHECKING:
    from distill.recipe.recipe import Recipe

ROWS_FILE = "rows.jsonl"

# what a recipe says of texts of any corpus; the rest of [corpus] is about a file that is not read here
KEPT = ("max_tokens", "scrub", "rows", "transfer", "language")

# a run needs test rows; the estimator's own test is whatever scikit-learn holds back
TEST_SHARE = 0.05


class DistilledClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A distilled text classifier that scikit-learn can clone, search, and put into a Pipeline.

    `X` is a list or a column of texts. `y` has one label per text, or is a 0/1 matrix ``(N, C)``, an array, a
    sparse one or a DataFrame, where a text may have several. A part of the rows becomes validation, on which
    calibration and thresholds are fitted.

    Args:
        recipe: a `Recipe`, the path of a TOML file, or the name of a packaged recipe; of its [corpus] only what is
            about any texts is kept, such as `max_tokens` and `scrub`.
        overrides: recipe values by key, such as {"student.epochs": 2}.
        label_names: names of the columns of a matrix `y`; by default a DataFrame's own, or their numbers.
        validation: share of the rows for validation.
        folder: folder of the run, which keeps the texts and the bundle. By default a temporary one that is
            removed with the estimator; name one for a model that is pickled to a file, or fitted in one process
            after another. Fits into one folder follow each other, and the last one's bundle stays.
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
        """Distil a classifier from texts and labels; several minutes, as any run of the recipe.

        Raises:
            InputError: a text or a label is missing or of another kind, or an argument is out of its bounds.
            CheckFailedError: the student misses a floor, or a check of the export.
        """
        if not isinstance(self.validation, int | float) or not 0 < self.validation < 1 - TEST_SHARE:
            raise InputError(f"validation: The share must be above 0 and below {1 - TEST_SHARE}.")
        texts, gold = _texts(X), matrix_of(y)
        if len(texts) != len(gold):
            raise InputError(
                f"y: The labels have {len(gold)} rows, and X has {len(texts)}. Pass one label for each text."
            )
        self.classes_ = classes_of(gold, self.label_names if self.label_names is not None else names_of(y))
        self._names = tuple(map(str, self.classes_.tolist()))
        self._several = several_in(gold)
        if self.folder is None:
            self._temporary = tempfile.TemporaryDirectory(prefix="distill-")
        place = Path(self._temporary.name if self.folder is None else self.folder).absolute()
        place.mkdir(parents=True, exist_ok=True)
        _write_rows(place / ROWS_FILE, texts, named_rows(gold, self.classes_, self._names))
        recipe = self._recipe(place / ROWS_FILE)
        run = train(recipe, runs=place / "runs", until="export", quiet=self.quiet)
        self.bundle_ = run.bundle
        self.classifier_: Classifier = load(self.bundle_)
        return self

    def predict(self, X: Any) -> NDArray[Any]:
        """Return the label of each text ``(N,)``, or a 0/1 matrix ``(N, C)``, by the bundle's own decisions."""
        check_is_fitted(self, "classifier_")
        texts = list(items_of(X))
        if not self._several:
            best = self.classifier_.predict_proba(texts).argmax(axis=1)
            return np.asarray(self.classes_[best])
        decided = [prediction.labels for prediction in self.classifier_.predict(texts)]
        return np.array([[name in labels for name in self._names] for labels in decided], dtype=np.int64)

    def predict_proba(self, X: Any) -> NDArray[np.float32]:
        """Return calibrated scores ``(N, C)`` in the order of `classes_`."""
        check_is_fitted(self, "classifier_")
        return self.classifier_.predict_proba(items_of(X))

    def __getstate__(self) -> dict[str, Any]:
        # the estimator that made the temporary folder removes it
        return {key: value for key, value in super().__getstate__().items() if key != "_temporary"}

    def _recipe(self, rows: Path) -> "Recipe":
        """Return the recipe with its own values where they are about any texts, and [corpus] about these rows."""
        from distill.recipe.load import parse_recipe, recipe_data, set_value

        data, where = recipe_data(self.recipe)
        theirs, task = data.get("corpus", {}), PROPOSED[self._several]
        if not isinstance(self.recipe, str | Path) and theirs.get("task") != task:
            data.get("decisions", {}).pop("calibration", None)  # a Recipe has that of its task written out
        data["corpus"] = {key: theirs[key] for key in KEPT if key in theirs}
        for key, value in (self.overrides or {}).items():
            set_value(data, key, value, f"overrides[{key!r}]")
        data["corpus"] |= {
            "source": str(rows),
            "task": task,
            "label_names": list(self._names),
            "label_form": "names",
            "delimiter": None,
            "split": [1 - self.validation - TEST_SHARE, self.validation, TEST_SHARE],
            "duplicates": "keep",
            "leaks": "keep",
        }
        return parse_recipe(data, where)


def _texts(X: Any) -> list[str]:
    """Return texts as a list.

    Raises:
        InputError: one is not a string, or is empty; the message has its number.
    """
    texts = [ONE_TEXT.row(text, f"X[{number}]") for number, text in enumerate(items_of(X))]
    empty = next((number for number, text in enumerate(texts) if not text.strip()), None)
    if empty is not None:
        raise InputError(f"X[{empty}]: The text is empty. Drop such rows.")
    return texts


def _write_rows(file: Path, texts: Sequence[str], labels: Sequence[Sequence[str]]) -> None:
    with file.open("w", encoding="utf-8") as stream:
        for text, names in zip(texts, labels, strict=True):
            stream.write(json.dumps({"text": text, "labels": list(names)}) + "\n")
