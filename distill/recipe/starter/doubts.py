"""The points of a starter recipe that its author should check, and the refusals where no reading is likely."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from distill.corpora.assembly.spec import CorpusSpec
from distill.corpora.guessing.alike import alike_columns
from distill.corpora.guessing.columns import NEARLY_ALL, Column, is_missing, share_constant
from distill.corpora.guessing.hints import broken_characters, group_hints, split_hints
from distill.corpora.guessing.joined import WEAK_DELIMITERS
from distill.corpora.guessing.labels import PROPOSED, LabelGuess
from distill.corpora.guessing.refusals import (
    first_word_labels,
    has_sentences,
    label_beside_text,
    marked_columns,
    parallel_cells,
    people_only,
    texts_in_words,
    token_tags,
    votes_in_lists,
)
from distill.corpora.guessing.rows import annotator_column
from distill.corpora.guessing.votes import shares_around, votes_around, why_no_labels
from distill.corpora.reading.cells.cells import SPELT_MISSING
from distill.corpora.reading.rows import listed, sentence
from distill.export.runtime.errors import InputError
from distill.recipe.kinds import KINDS
from distill.recipe.starter.ask import levels_of
from distill.recipe.starter.lengths import Lengths
from distill.recipe.starter.text import quoted, value_of

NOT_READ = 0.02

CUT = 0.05

# share of texts that look like printed lists above which a comment says so
MANY = 0.5

# share of texts with what a program wrote in place of characters above which a comment says so
ESCAPED = 0.02

_ESCAPES = re.compile(r"_comma_|_period_|&(?:amp|lt|gt|quot|#\d+);|<br ?/?>|\\n|\\u[0-9a-f]{4}")


def likely_labels(path: Path, text: Column | None, guesses: Sequence[LabelGuess], rest: list[Column]) -> None:
    """Refuse a table without a likely text and labels, with the reason.

    Args:
        path: named in the error.
        text: the column of texts, if any.
        guesses: the labels, the likeliest first.
        rest: the columns that may hold labels.
    """
    if (why := texts_in_words(text, [*rest, *([] if text is None else [text])])) is not None:
        raise InputError(f"{path}: {sentence(why)}.")
    if text is None:
        raise InputError(f"{path}: No column looks like texts. The columns need a text and a label.")
    best = guesses[0] if guesses else None
    reasons = (
        None if best else why_no_labels(rest),
        None if best is None else shares_around(best, rest),
        marked_columns(rest, best),
        people_only(guesses),
        alike_columns(rest, best),
        token_tags(best),
        None if guesses or len(rest) > 0 else label_beside_text(text) or first_word_labels(text),
        *(parallel_cells(text, column) for column in rest),
        votes_in_lists(best, rest),
    )
    why = next((reason for reason in reasons if reason is not None), None)
    if why is not None:
        raise InputError(f"{path}: {sentence(why)}.")
    votes = votes_around(guesses[0], rest) if guesses else None
    if votes is not None:
        raise InputError(
            f"{path}: The columns {listed(votes)} hold numbers of votes or ratings, but here a row either has a "
            "label or does not. Convert them to 0 and 1, or name another column in your own recipe."
        )
    if best is None:
        raise InputError(
            f"{path}: No column looks like labels: few different values, short and repeated. The columns need a "
            "text and a label."
        )


def without_sentences(guesses: list[LabelGuess]) -> list[LabelGuess]:
    """Return the guesses whose values are not sentences."""
    return [guess for guess in guesses if not has_sentences(guess)]


def doubts_about(
    columns: Sequence[Column],
    text: Column,
    label: LabelGuess,
    rivals: Sequence[LabelGuess],
    lengths: Lengths,
    spec: CorpusSpec,
) -> Iterator[str]:
    """Yield the points that the recipe's author should check.

    Args:
        columns: of the table.
        text: the column with the longest texts.
        label: the chosen labels.
        rivals: other columns that may be labels.
        lengths: counts of the texts' tokens.
        spec: the proposal.
    """
    for rival in rivals:
        labels = value_of(rival.columns[0] if len(rival.columns) == 1 else list(rival.columns))
        yield f"labels = {labels} would be {len(rival.tokens)} labels, {rival.task}"
    annotator = annotator_column(columns)
    if annotator is not None:
        yield f"{quoted(annotator.name)} looks like the annotator of a row ({len(annotator.counts)} of them)"
    used = {*spec.read_columns}
    rest = [column for column in columns if column.name not in used]
    if isinstance(spec.split, tuple):
        yield from split_hints(rest)
    if label.several and label.delimiter in WEAK_DELIMITERS:
        one = quoted(PROPOSED[False])
        yield f"labels are split at {quoted(label.delimiter)}: task = {one} reads each cell as one label"
    if spec.group is None and spec.row_id is None:
        yield from group_hints([column for column in rest if column is not annotator], text)
    groups = next((column for column in columns if column.name == spec.group), None)
    of_label = next((column for column in columns if (column.name,) == label.columns), None)
    if groups is not None and of_label is not None and _is_of_groups(of_label, text, groups):
        whole = quoted("conversation")
        yield f"all rows of a group have the same label: predict = {whole} in [corpus.context] decides it once"
    levels = levels_of(label)
    if levels is not None and not KINDS[spec.task].ordered:
        kind = next(name for name, keys in KINDS.items() if keys.ordered)
        yield f"task = {quoted(kind)} if these are levels; label_names = {value_of(levels)} from the lowest"
    if spec.missing is not None:
        shown = listed(list(label.missing))
        yield f"{shown} among the labels may be a missing value or a name: see missing"
    yield from _about_texts(text, lengths)


def _is_of_groups(label: Column, text: Column, groups: Column) -> bool:
    """Return whether a label is of whole groups, whose texts differ."""
    return share_constant(label, groups) >= NEARLY_ALL > share_constant(text, groups)


def _about_texts(text: Column, lengths: Lengths) -> Iterator[str]:
    texts = text.values
    if sum(str(text).strip()[:1] == "[" and str(text).strip()[-1:] == "]" for text in texts) > MANY * len(texts):
        yield f"the cells of {quoted(text.name)} look like printed lists; they are read as one text each"
    escaped = [match[0] for match in (_ESCAPES.search(str(value)) for value in texts) if match is not None]
    if len(escaped) > ESCAPED * len(texts):
        yield (
            f"{len(escaped) / len(texts):.0%} of the texts have {listed(sorted(set(escaped))[:3])} in place of "
            "characters: replace these in the file if the texts to predict do not have them"
        )
    if (broken := broken_characters(text)) is not None:
        yield broken
    share = lengths.cut_share(lengths.max_tokens)
    if share > CUT:
        yield f"{share:.0%} of the texts are longer than max_tokens and would be cut"
    if lengths.unknown is not None and lengths.unknown > NOT_READ:
        yield (
            f"{lengths.unknown:.0%} of the pieces are unknown to this teacher, which reads English: name an "
            "encoder of the corpus's language, or a multilingual one, in teacher.model"
        )
    if any(is_missing(cell) for cell in text.cells):
        yield "some rows have no text"
    spelt = Counter(str(value).strip() for value in texts if str(value).strip() in SPELT_MISSING)
    if spelt.total() > 1:
        yield (
            f"{spelt.total()} texts are spelt {listed(sorted(spelt))}, as programs write a missing one: empty "
            "these cells if they are"
        )
