"""Evaluation of a bundle on labelled rows, and comparison of two bundles on texts."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from distill.bundles.floors import TestedFloor, tested_floors
from distill.bundles.predict import predict_all
from distill.bundles.rows import Columns, common_input, labelled_rows, read_rows
from distill.corpora.reading.cells.labels import MAX_LABEL_CHARS
from distill.evaluation.decided import decided_rows
from distill.evaluation.evaluators import evaluator_of
from distill.evaluation.metrics import Quality, labels_at_zero
from distill.evaluation.selective import SelectiveQuality, evaluate_selective
from distill.evaluation.sets import SetsQuality, evaluate_sets
from distill.export.runtime import InputError, Prediction, load
from distill.export.runtime.cores import available_threads
from distill.export.runtime.deciding.scores import Bools
from distill.export.runtime.deciding.task import REASONS
from distill.runs.progress import Reporter

# key of the number of names that are too long, or seen in one row alone
SEEN_ONCE = "(names seen once)"


@dataclass(frozen=True)
class Evaluation:
    """The quality of a bundle on labelled rows.

    Attributes:
        rows: their number.
        truncated: the number of texts that were cut at the bundle's maximum length.
        abstained: the number of rows that the bundle's rule leaves to a person.
        quality: over all rows, as if the bundle never abstained.
        selective: quality under the bundle's rule to abstain.
        rows_with_unknown_labels: the number of rows with a label that the bundle does not know.
        rows_left_out: the number of these that have no other label, and are not among `rows`.
        handed_over: rows per reason to hand a text over to a person.
        floors: the bundle's floors, tested on these rows.
        sets: how often the bundle's prediction sets hold the labels, and how large they are.
        unknown_labels: rows per such label; of names in one row alone only the number is kept, under
            `SEEN_ONCE`, because they may be texts of another column.
        texts_spelt_missing: the number of texts that are spelt nan, None, null or the like.
    """

    rows: int
    truncated: int
    abstained: int
    quality: Quality
    selective: SelectiveQuality
    handed_over: Mapping[str, int] = field(default_factory=dict)
    floors: tuple[TestedFloor, ...] = ()
    sets: SetsQuality | None = None
    rows_with_unknown_labels: int = 0
    rows_left_out: int = 0
    unknown_labels: Mapping[str, int] = field(default_factory=dict)
    texts_spelt_missing: int = 0

    @property
    def notes(self) -> tuple[str, ...]:
        """Return one sentence per floor, and per group of rows or labels that the numbers leave out."""
        notes = list(map(str, self.floors))
        empty = labels_at_zero(self.quality.per_label)
        if empty:
            notes.append(f"labels without rows, each of which counts 0 in macro_f1: {', '.join(empty)}")
        if self.rows_with_unknown_labels:
            counts = ", ".join(f"{name} ({rows})" for name, rows in self.unknown_labels.items())
            notes.append(
                f"{self.rows_with_unknown_labels} rows have labels that the bundle does not know: {counts}. "
                f"{self.rows_left_out} of them have no other label and are left out. "
                "Map a name that means one of its labels (--map NAME=LABEL, `mapping` in Python)."
            )
        if self.texts_spelt_missing > 1:
            notes.append(
                f"{self.texts_spelt_missing} texts are spelt nan, None, null or the like and are read as texts. "
                "Leave these rows out if they are missing."
            )
        return tuple(notes)

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON, with the metrics of `quality` at the top."""
        return {
            "rows": self.rows,
            "truncated": self.truncated,
            "abstained": self.abstained,
            **self.quality.to_dict(),
            "selective": asdict(self.selective),
            "handed_over": dict(self.handed_over),
            "floors": [{**asdict(floor), "broken": floor.broken} for floor in self.floors],
            "sets": None if self.sets is None else asdict(self.sets),
            "rows_with_unknown_labels": self.rows_with_unknown_labels,
            "rows_left_out": self.rows_left_out,
            "unknown_labels": dict(self.unknown_labels),
            "texts_spelt_missing": self.texts_spelt_missing,
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
        handed_over: changes per reason to hand a row over, whatever is decided; reasons without any are missing.
    """

    rows: int
    rows_changed: int
    changed_rows: Sequence[int]
    abstained: Changes
    by_label: Mapping[str, Changes]
    handed_over: Mapping[str, Changes] = field(default_factory=dict)

    def to_dict(self) -> dict[str, object]:
        """Return plain data for JSON."""
        return asdict(self)


def evaluate_bundle(bundle: Path, file: Path, columns: Columns, reporter: Reporter) -> Evaluation:
    """Evaluate a bundle on labelled rows.

    Raises:
        InputError: a row of the file cannot be used.
    """
    classifier = load(bundle, threads=available_threads())
    labelled = labelled_rows(file, columns, classifier)
    texts, gold = labelled.texts, labelled.gold
    evaluator, policy = evaluator_of(classifier.task), classifier.manifest.policy
    with reporter.bar("evaluate", len(texts)) as advance:
        predictions = predict_all(classifier, texts, advance)
    scores = np.array([list(prediction.scores.values()) for prediction in predictions])  # (N, C)
    rows = decided_rows(scores, gold, policy, classifier.task)
    reasons = Counter(reason for prediction in predictions for reason in prediction.handed_over)
    objects = classifier.manifest.objects
    answered = replace(rows, answered=np.array([not one.abstained for one in predictions], dtype=np.bool_))
    return Evaluation(
        rows=len(texts),
        truncated=sum(prediction.truncated for prediction in predictions),
        abstained=sum(prediction.abstained for prediction in predictions),
        quality=evaluator.evaluate(rows, policy),
        selective=evaluate_selective(rows, evaluator, policy.abstain_below),
        handed_over={reason: reasons[reason] for reason in REASONS if reasons[reason]},
        floors=tested_floors(objects, answered, evaluator, labelled.groups),
        sets=None if objects.sets is None else evaluate_sets(_possible(predictions, classifier.labels), gold),
        rows_with_unknown_labels=labelled.with_unknown,
        rows_left_out=labelled.left_out,
        unknown_labels=_shown(labelled.unknown),
        texts_spelt_missing=labelled.spelt_missing,
    )


def _possible(predictions: Sequence[Prediction], labels: Sequence[str]) -> Bools:
    """Return prediction sets as they were given, ``(N, C)``: nothing is excluded of an unreadable text."""
    return np.array([[label in (one.possible or ()) for label in labels] for one in predictions], dtype=np.bool_)


def _shown(unknown: Mapping[str, int]) -> dict[str, int]:
    """Return rows per unknown label, the most frequent first, names in one row alone under one key."""
    repeated = {name: rows for name, rows in unknown.items() if rows > 1 and len(name) <= MAX_LABEL_CHARS}
    shown = dict(sorted(repeated.items(), key=lambda item: (-item[1], item[0])))
    others = len(unknown) - len(repeated)
    return {**shown, SEEN_ONCE: others} if others else shown


def compare_bundles(old: Path, new: Path, file: Path, columns: Columns, reporter: Reporter) -> Comparison:
    """Compare the decisions of two bundles on the texts of a file.

    Raises:
        InputError: the bundles have different labels, or a row of the file cannot be used.
    """
    before, after = (load(bundle, threads=available_threads()) for bundle in (old, new))
    if set(before.labels) != set(after.labels):
        raise InputError(f"{old} and {new} have different labels. Compare bundles of one task.")
    reads = common_input([str(old), str(new)], [before.input, after.input], columns)
    texts = list(read_rows(file, columns, reads))
    with reporter.bar("compare", 2 * len(texts)) as advance:
        pairs = zip(predict_all(before, texts, advance), predict_all(after, texts, advance), strict=True)
    return _compare(list(pairs), before.labels)


def _compare(pairs: Sequence[tuple[Prediction, Prediction]], labels: Sequence[str]) -> Comparison:
    gained: Counter[str] = Counter()
    lost: Counter[str] = Counter()
    more: Counter[str] = Counter()
    fewer: Counter[str] = Counter()
    changed, abstained, answered = [], 0, 0
    for row, (old, new) in enumerate(pairs, 1):
        more.update(set(new.handed_over) - set(old.handed_over))
        fewer.update(set(old.handed_over) - set(new.handed_over))
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
        handed_over={
            reason: Changes(more[reason], fewer[reason]) for reason in REASONS if more[reason] or fewer[reason]
        },
    )
