"""Evaluation of a bundle on labelled rows, and comparison of two bundles on texts."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from distill.bundles.predict import predict_all
from distill.bundles.rows import Columns, labelled_rows, texts_of
from distill.evaluation.decided import decided_rows
from distill.evaluation.evaluators import evaluator_of
from distill.evaluation.metrics import Quality
from distill.evaluation.selective import SelectiveQuality, evaluate_selective
from distill.export.runtime import InputError, Prediction, load
from distill.export.runtime.cores import available_threads
from distill.runs.progress import Reporter


@dataclass(frozen=True)
class Evaluation:
    """The quality of a bundle on labelled rows.

    Attributes:
        rows: their number.
        truncated: the number of texts that were cut at the bundle's maximum length.
        abstained: the number of rows that the bundle's rule leaves to a person.
        quality: over all rows, as if the bundle never abstained.
        selective: quality under the bundle's rule to abstain.
    """

    rows: int
    truncated: int
    abstained: int
    quality: Quality
    selective: SelectiveQuality

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON, with the metrics of `quality` at the top."""
        return {
            "rows": self.rows,
            "truncated": self.truncated,
            "abstained": self.abstained,
            **self.quality.to_dict(),
            "selective": asdict(self.selective),
        }


@dataclass(frozen=True)
class Changes:
    """The number of decisions that the new bundle alone makes, and that it no longer makes."""

    gained: int
    lost: int


@dataclass(frozen=True)
class Comparison:
    """The decisions that differ between two bundles.

    Attributes:
        rows: the number of texts.
        rows_changed: the number of texts that are decided differently.
        changed_rows: these texts by number, from 1.
        abstained: rows that only the new bundle, or only the old one, leaves to a person.
        by_label: changes per label, on rows that both bundles decide.
    """

    rows: int
    rows_changed: int
    changed_rows: Sequence[int]
    abstained: Changes
    by_label: Mapping[str, Changes]

    def to_dict(self) -> dict[str, object]:
        """Return plain data for JSON."""
        return asdict(self)


def evaluate_bundle(bundle: Path, file: Path, columns: Columns, reporter: Reporter) -> Evaluation:
    """Evaluate a bundle on labelled rows.

    Raises:
        InputError: a row of the file cannot be used.
    """
    classifier = load(bundle, threads=available_threads())
    texts, gold = labelled_rows(file, columns, classifier)
    evaluator, policy = evaluator_of(classifier.task), classifier.manifest.policy
    with reporter.bar("evaluate", len(texts)) as advance:
        predictions = predict_all(classifier, texts, advance)
    scores = np.array([list(prediction.scores.values()) for prediction in predictions])  # (N, C)
    rows = decided_rows(scores, gold, policy, classifier.task)
    return Evaluation(
        rows=len(texts),
        truncated=sum(prediction.truncated for prediction in predictions),
        abstained=sum(prediction.abstained for prediction in predictions),
        quality=evaluator.evaluate(rows, policy),
        selective=evaluate_selective(rows, evaluator, policy.abstain_below),
    )


def compare_bundles(old: Path, new: Path, file: Path, columns: Columns, reporter: Reporter) -> Comparison:
    """Compare the decisions of two bundles on the texts of a file.

    Raises:
        InputError: the bundles have different labels, or a row of the file cannot be used.
    """
    before, after = (load(bundle, threads=available_threads()) for bundle in (old, new))
    if set(before.labels) != set(after.labels):
        raise InputError(f"{old} and {new} have different labels. Compare bundles of one task.")
    texts = texts_of(file, columns)
    with reporter.bar("compare", 2 * len(texts)) as advance:
        pairs = zip(predict_all(before, texts, advance), predict_all(after, texts, advance), strict=True)
    return _compare(list(pairs), before.labels)


def _compare(pairs: Sequence[tuple[Prediction, Prediction]], labels: Sequence[str]) -> Comparison:
    gained: Counter[str] = Counter()
    lost: Counter[str] = Counter()
    changed, abstained, answered = [], 0, 0
    for row, (old, new) in enumerate(pairs, 1):
        if old.abstained != new.abstained:
            abstained += new.abstained
            answered += old.abstained
        elif not old.abstained:
            gained.update(set(new.labels) - set(old.labels))
            lost.update(set(old.labels) - set(new.labels))
        if old.abstained != new.abstained or set(old.labels) != set(new.labels):
            changed.append(row)
    return Comparison(
        rows=len(pairs),
        rows_changed=len(changed),
        changed_rows=changed,
        abstained=Changes(abstained, answered),
        by_label={name: Changes(gained[name], lost[name]) for name in labels},
    )
