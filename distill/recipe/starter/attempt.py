"""Try a proposed recipe on its rows, the strictest form first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from distill.corpora.assembly.read import read_corpus
from distill.corpora.assembly.spec import CorpusSpec
from distill.corpora.corpus import Corpus
from distill.corpora.reading.places.locate import data_files
from distill.corpora.reading.places.source import source_path
from distill.export.runtime.errors import InputError
from distill.recipe.starter.text import Proposal

# A label with fewer rows cannot be in train, validation and test.
SPLITTABLE_ROWS = 3

SEED = 13

# the share of rows that a proposal may put aside
MOST_BAD = 0.2


# reasons for bad rows that have no label, which may be meant
EMPTY = "0 labels where a single-label task has exactly 1"
WITHOUT_LABEL = ("the label is missing", EMPTY)

SEPARATOR = "A text that has the separator in it needs quotation marks."

REASONS = dict.fromkeys(WITHOUT_LABEL, 'Label them, or set `missing` = [""] to leave them out.')


def accepted(proposal: Proposal) -> tuple[Proposal, Corpus]:
    """Return the least lenient proposal that its rows allow, and its corpus; else raise the first error."""
    refusals: list[InputError] = []
    variants = list(_lenient(proposal.spec))
    for spec in variants:
        if spec.quoting != proposal.spec.quoting and not any("`quoting`" in str(error) for error in refusals):
            continue  # nothing speaks against the usual quoting
        try:
            corpus, bad = read_corpus(spec, seed=SEED)
        except InputError as error:
            refusals.append(error)
            continue
        if len(bad) > MOST_BAD * corpus.notes["rows_read"]:
            reason, count = bad.reasons.most_common(1)[0]
            if reason in WITHOUT_LABEL and spec.missing is None:
                variants.append(replace(spec, missing=("",), on_bad_row="quarantine", min_rows=SPLITTABLE_ROWS))
            remedy = SEPARATOR if " fields: " in reason else REASONS.get(reason, "Correct them in the file.")
            refusals.append(
                InputError(
                    f"{spec.source}: {len(bad)} of {corpus.notes['rows_read']} rows are bad, {count} of them with "
                    f"{reason}. {remedy}"
                )
            )
            continue
        needed = corpus.notes["labels_left_out"] > 0
        return replace(proposal, spec=spec if needed else replace(spec, min_rows=1)), corpus
    # that many rows are bad says more than the first of them
    raise next((error for error in refusals if "rows are bad, " in str(error)), refusals[0])


def _lenient(spec: CorpusSpec) -> Iterator[CorpusSpec]:
    """Yield variants of the spec, the strictest first."""
    unquoted: Sequence[bool | None] = (
        (None, False) if spec.quoting is None and _may_be_unquoted(spec) else (spec.quoting,)
    )
    for on_bad_row in ("error", "quarantine"):
        for quoting in unquoted:
            for min_rows in (SPLITTABLE_ROWS, 1):
                yield replace(spec, on_bad_row=on_bad_row, quoting=quoting, min_rows=min_rows)


def _may_be_unquoted(spec: CorpusSpec) -> bool:
    """Return whether the source is a csv whose quotation marks may belong to its texts."""
    files, _ = data_files(source_path(spec.source))
    return files["train"][0].suffix == ".csv"
