"""Write a starter recipe for a data file: guess the meaning of its columns, and comment on each line."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from distill.corpora.assembly.spec import SEGMENTS, CorpusSpec
from distill.corpora.guessing.columns import Column, is_missing, split_column
from distill.corpora.guessing.labels import (
    LabelGuess,
    label_guesses,
    where_labelled,
)
from distill.corpora.guessing.rows import (
    MANY_REPEATS,
    annotator_column,
    can_be_split,
    group_columns,
    repeats,
    row_id_columns,
)
from distill.corpora.guessing.texts import belong_together, pair_of_texts, text_column, texts_of_label
from distill.corpora.reading.places.source import read_label_names, source_path
from distill.corpora.reading.rows import listed
from distill.export.runtime.errors import InputError
from distill.recipe.keys import recipe_keys
from distill.recipe.kinds import KINDS
from distill.recipe.starter.ask import Ask, asked_task, chosen, levels_of
from distill.recipe.starter.attempt import accepted
from distill.recipe.starter.doubts import doubts_about, likely_labels, without_sentences
from distill.recipe.starter.forms import Looked, held_out, look
from distill.recipe.starter.lengths import count_tokens
from distill.recipe.starter.text import Proposal, quoted, to_toml

MAX_RIVALS = 4

# files that name labels, one per line
NAME_FILES = ("labels.txt", "label_names.txt", "emotions.txt", "classes.txt")


@recipe_keys()
def propose_recipe(path: Path, ask: Ask | None = None) -> str:
    """Return the text of a recipe for a data file or folder, which is tried on the file.

    Args:
        path: the file or folder.
        ask: decides what is unclear; the likeliest reading is taken where it is None.

    Raises:
        InputError: no column looks like texts or labels, or no recipe reads the file.
    """
    proposal, corpus = accepted(_guess(path, ask))
    return to_toml(proposal, corpus, _recipe_name(path))


def _recipe_name(path: Path) -> str:
    """Return the file's name without the characters that a recipe's name may not have."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", path.stem).strip("._-") or "my-corpus"


@dataclass(frozen=True)
class _Roles:
    """The guessed meaning of the columns of a source."""

    columns: list[Column]
    texts: tuple[Column, ...]
    label: LabelGuess
    rivals: list[LabelGuess]
    split: Column | None
    groups: list[Column]
    task: str

    @property
    def text(self) -> Column:
        """Return the column with the longest texts."""
        return max(self.texts, key=lambda column: column.mean_length)


def _guess(path: Path, ask: Ask | None) -> Proposal:
    """Guess the columns' meaning from their names and values."""
    source = str(path)
    if source == "sample" or source.startswith(("hub:", "~")):
        source = f"./{source}"
    looked = look(source, ask)
    roles = _columns(path, looked, ask)
    where = _where(roles)
    if where is not None:
        roles = _kept(roles, *where)
    published = looked.published or roles.split is not None
    group, doubts = _group(roles, published=published)
    row_id = row_id_columns(roles.columns, roles.text, group) if annotator_column(roles.columns) else None
    if group is not None and row_id == (group.name,):
        group = None  # its rows are merged into one
    leaks, duplicates = _repeats(roles, group, row_id, published=published)
    levels = levels_of(roles.label) if KINDS[roles.task].ordered else None
    names = _names_file(source, roles.label) if levels is None else tuple(levels)
    pair = pair_of_texts(roles.columns, roles.texts, roles.label.columns)
    is_pair = pair is not None and belong_together(pair)
    texts = pair if pair is not None and is_pair else tuple(column.name for column in roles.texts)
    lengths = count_tokens(_joined([column for column in roles.columns if column.name in texts]))
    spec = CorpusSpec(
        source=source,
        task=roles.task,
        text=texts,
        joiner=SEGMENTS if is_pair else CorpusSpec.joiner,
        labels=roles.label.columns[0] if len(roles.label.columns) == 1 else roles.label.columns,
        label_names=names,
        delimiter=roles.label.delimiter,
        label_form=roles.label.form,
        missing=_missing(roles.label) if where is None else None,
        group=None if group is None else group.name,
        where=None if where is None else dict([where]),
        columns=looked.form.columns,
        encoding=looked.form.encoding,
        quoting=looked.form.quoting,
        split=roles.split.name if roles.split else CorpusSpec.split,
        row_id=row_id,
        leaks=leaks,
        duplicates=duplicates,
    )
    doubts += [f"encoding = {quoted(name)} would read the files too" for name in looked.encodings[:MAX_RIVALS]]
    doubts += [
        f"{quoted(name)} is not read: name it validation if a model is chosen by it, test if it is for scores"
        for name in held_out(source)
    ]
    deeper = [f"text = {quoted(path)} would be one row per element of its list" for path in looked.deeper]
    rivals = roles.rivals[:MAX_RIVALS]
    doubts += [*deeper, *doubts_about(roles.columns, roles.text, roles.label, rivals, lengths, spec)]
    used = {*spec.read_columns}
    others = tuple(column.name for column in roles.columns if column.name not in used)
    ids = (
        names is None
        and spec.labels_from not in looked.named
        and all(str(token).isdigit() for token in roles.label.tokens)
    )
    return Proposal(
        spec,
        lengths.max_tokens,
        others,
        ids,
        tuple(doubts),
        roles.label.reasons,
        len(looked.records),
        pair=pair,
        published=published,
    )


def _joined(columns: Sequence[Column]) -> list[str]:
    """Return the texts of several columns, joined per row, to count their tokens."""
    rows = zip(*(column.cells for column in columns), strict=True)
    return [" ".join(str(cell) for cell in row if not is_missing(cell)) for row in rows]


def _columns(path: Path, looked: Looked, ask: Ask | None) -> _Roles:
    """Guess the meaning of each column."""
    names = dict.fromkeys(name for record in looked.records for name in record.fields)
    columns = [Column.of(name, looked.records) for name in names]
    text = text_column(columns)
    split = split_column(columns)
    rest = [column for column in columns if column is not text and column is not split]
    groups = group_columns(rest)
    guesses = [] if text is None else label_guesses(rest, groups[0] if groups else None, text)
    guesses = without_sentences(guesses)
    likely_labels(path, text, guesses, rest)
    assert text is not None
    label, *rivals = chosen(ask, "Which labels should be learnt?", guesses[: 1 + MAX_RIVALS], _shown)
    groups = [column for column in groups if column.name not in label.columns]
    if groups:
        question = "Rows with the same value stay in one split. Which column has these groups?"
        first = chosen(
            ask, question, [*groups[:MAX_RIVALS], None], lambda column: column.name if column else "none"
        )
        groups = [] if first[0] is None else [column for column in first if column is not None]
    texts = texts_of_label(columns, text, label, groups[0] if groups else None)
    label, task = asked_task(ask, label)
    return _Roles(columns, texts, label, rivals, split, groups, task)


def _shown(guess: LabelGuess) -> str:
    return f"{listed(guess.columns)}: {len(guess.tokens)} labels, {guess.task}"


def _where(roles: _Roles) -> tuple[str, str | list[str]] | None:
    """Return a filter that keeps labelled rows, if some values of the label column mean no label."""
    if not roles.label.missing or len(roles.label.columns) > 1:
        return None
    candidates = [column for column in roles.columns if column not in roles.texts and column is not roles.split]
    return where_labelled(roles.label, candidates)


def _kept(roles: _Roles, column: str, values: str | list[str]) -> _Roles:
    """The roles, with the rows that a filter keeps."""
    keys = next(other for other in roles.columns if other.name == column).keys
    wanted = {values} if isinstance(values, str) else set(values)
    rows = [row for row, key in enumerate(keys) if key in wanted]
    columns = {other.name: Column(other.name, [other.cells[row] for row in rows]) for other in roles.columns}
    return replace(
        roles,
        columns=list(columns.values()),
        texts=tuple(columns[text.name] for text in roles.texts),
        split=None if roles.split is None else columns[roles.split.name],
        groups=[columns[group.name] for group in roles.groups],
    )


def _missing(label: LabelGuess) -> tuple[str, ...] | None:
    """Return the values that count as missing, if the column has any that may be."""
    if not label.missing:
        return None
    # None as a label: either others are capitalised too, or it is a mood like them
    named = {"None", "NA", "na"}
    return tuple(value for value in label.missing if value not in named)


def _group(roles: _Roles, *, published: bool) -> tuple[Column | None, list[str]]:
    """Return the column of groups, and the reasons why others were left out."""
    doubts: list[str] = []
    for group in roles.groups:
        if published or can_be_split(group):
            return group, doubts
        doubts.append(
            f"{quoted(group.name)} may be a group, but {len(group.counts)} groups are too few for the shares "
            "of split"
        )
    return None, doubts


def _repeats(
    roles: _Roles, group: Column | None, row_id: tuple[str, ...] | None, *, published: bool
) -> tuple[str, str]:
    """Return the policies for leaks and for duplicates."""
    between = repeats(roles.text, group) if group is not None else 0.0
    leaks = (
        "groups" if between > MANY_REPEATS and len(roles.texts) == 1 and roles.text.mean_length < 200 else "remove"
    )
    share = repeats(roles.text)
    if row_id is not None:
        return leaks, "majority"
    keep = leaks == "groups" or (published and share < MANY_REPEATS)
    return leaks, "keep" if keep else "majority"


def _names_file(source: str, label: LabelGuess) -> str | None:
    """Return a file beside the data that names the labels, if these are ids that it has names for."""
    if not all(str(token).isdigit() for token in label.tokens) or len(label.columns) > 1:
        return None
    path = source_path(source)
    folder = path if path.is_dir() else path.parent
    for name in NAME_FILES:
        if (folder / name).is_file():
            try:
                names = read_label_names(source, name)
            except InputError:
                continue
            highest = max(int(token) for token in label.tokens)
            if len(set(names)) == len(names) and highest < len(names) <= 2 * highest + 2:
                return name
    return None
