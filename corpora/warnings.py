"""Warnings of what may mislead in a corpus: one sentence each, from its counts alone. Never a text."""

from __future__ import annotations

from collections.abc import Iterator

from distill.corpora.assembly.unknown_labels import plain_name
from distill.corpora.describe import CorpusReport, SplitReport
from distill.corpora.reading.rows import listed

# with fewer, one more row decided right moves a score by more than models differ
FEW_ROWS = 100

# the share of a split, or of a file, that is worth a warning
MUCH = 0.05

FEW_GROUPS = 3


def corpus_warnings(report: CorpusReport) -> tuple[str, ...]:
    """Return what to look at before anything is trained; no tokenizer is needed for it."""
    return (
        *_of_splits(report),
        *_of_leaks(report),
        *_of_rows(report),
        *_of_labels(report),
    )


def _labelled(report: CorpusReport) -> list[SplitReport]:
    return [split for split in report.splits if split.labels is not None]


def _of_splits(report: CorpusReport) -> Iterator[str]:
    for split in _labelled(report):
        if not split.rows:  # out-of-fold quality needs no test split
            continue
        if split.rows < FEW_ROWS:
            yield f"{split.name} has {split.rows} rows, so scores on it vary by chance; give it more rows"
        labels = split.labels or {}
        without = [label for label, rows in labels.items() if not rows]
        if without:
            yield f"{split.name} has no row of {len(without)} labels ({listed(without)}), which count as F1 0"
        wanted = report.notes.get(f"{split.name}_rows_wanted")
        if wanted is not None:
            yield (
                f"{split.name} has {split.rows} rows where corpus.split asks for {wanted}, because rows of one "
                "group or text stay together; look at corpus.group, change corpus.split, or publish splits of "
                "your own"
            )
        if split.groups is not None and split.groups < FEW_GROUPS:
            yield (
                f"{split.name} has {split.groups} groups: too few for the shares of corpus.split; "
                "look at corpus.group, or publish splits of your own"
            )

    largest = report.notes.get("rows_of_largest_fold")
    if largest is not None:
        yield (
            f"the largest of {report.notes['folds']} folds has {largest} rows, because rows of one group or text "
            "stay together, so that fewer are left to learn from; look at corpus.group"
        )


def _of_leaks(report: CorpusReport) -> Iterator[str]:
    rows = {split.name: split.rows for split in report.splits}
    for leak in report.leaks:
        if leak.by == "context":  # short turns are in every conversation
            continue
        before = rows[leak.split] + leak.removed
        if leak.removed > MUCH * before:
            yield (
                f"{leak.removed} of {before} rows of {leak.split} share a {leak.by} with a held-out split and "
                "were removed"
            )
        if leak.kept > MUCH * before:
            yield (
                f"{leak.kept} of {before} rows of {leak.split} share a {leak.by} with a held-out split and "
                "stay, as corpus.leaks says"
            )


def _of_rows(report: CorpusReport) -> Iterator[str]:
    notes = report.notes
    read = notes.get("rows_read", 0)
    # several annotators of one turn are not repeats of it
    if notes.get("rows_merged", 0) > MUCH * read and not notes.get("turns_annotated_again"):
        yield f"{notes['rows_merged']} of {read} rows repeat another and were merged (corpus.duplicates)"
    if notes.get("test_rows_merged"):
        yield (
            f"{notes['test_rows_merged']} rows of the published test split were merged, so that scores are of "
            "another test set; corpus.merge_test = false leaves it as it is"
        )
    test_rows = next((split.rows for split in report.splits if split.name == "test"), 0)
    if notes.get("test_rows_repeated", 0) > MUCH * test_rows:
        yield (
            f"{notes['test_rows_repeated']} of {test_rows} rows of the published test split repeat another and "
            "stay, so that these count more than once; corpus.merge_test = true merges them"
        )
    if report.quarantined > MUCH * read:
        yield f"{report.quarantined} of {read} rows are bad and in quarantine; look at corpus.encoding and quoting"
    if notes.get("splits_ignored"):
        yield (
            f"{notes['splits_ignored']} data files or folders beside the splits have no split in their names and "
            "are not read; name a file train, validation, test or transfer if it belongs to the corpus"
        )
    if notes.get("rows_without_gold"):
        yield f"{notes['rows_without_gold']} rows have no label and are left out"
    if notes.get("texts_spelt_missing"):
        yield (
            f"{notes['texts_spelt_missing']} texts are spelt nan, None, null or the like and are read as texts; "
            "empty these cells if they are missing"
        )
    if notes.get("groups_in_several_splits"):
        yield (
            f"{notes['groups_in_several_splits']} group ids are in several published splits; where they are the "
            'same groups, set corpus.group_scope = "source", or test scores are too good'
        )
    if notes.get("files_that_look_quoted"):
        yield (
            f"{notes['files_that_look_quoted']} files seem to be written with quoting, and their quotation marks "
            "are read as text; set corpus.quoting = true, or false if they belong to the texts"
        )


def _of_labels(report: CorpusReport) -> Iterator[str]:
    if unknown := report.notes.get("held_out_rows_with_unknown_labels"):
        yield (
            f"{unknown} rows of published validation and test splits have a label that no row of train has and "
            "lose it (corpus.min_rows), so that scores are of another test set"
        )
    if told := report.notes.get("texts_with_their_label"):
        yield (
            f"{told} of the first {report.notes['texts_searched_for_labels']} train texts have the name of their "
            "label in them; remove it unless texts to predict have it too"
        )
    forms: dict[str, list[str]] = {}
    for label in report.labels:
        forms.setdefault(plain_name(label), []).append(label)
    for copies in forms.values():
        if len(copies) > 1:
            yield f"the labels {listed(copies)} are nearly the same name; write one of them everywhere"
