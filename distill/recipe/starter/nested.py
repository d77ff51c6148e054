"""Find the texts in nested records: the path that has one row per element, and the columns beside it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice

from distill.corpora.guessing.names import ANNOTATOR_NAME
from distill.corpora.guessing.texts import MIN_TEXT_CHARS
from distill.corpora.reading.json.nested import LIST, is_path, paths_in, unnested
from distill.corpora.reading.rows import BadRow, Record
from distill.export.runtime.errors import InputError

# records whose paths are looked at
SEEN_RECORDS = 200

# the share of them in which a list may have another length than the texts', and still be parallel to it
UNLIKE = 0.02

# characters of a label's name, and distinct labels per label, at most
MAX_LABEL_CHARS = 60
REPEATED = 0.3

# fields that say who gave a label
_PERSON = re.compile(rf"annotations?\[\]|user|{ANNOTATOR_NAME.pattern}", re.IGNORECASE)

# a field that says where a part of a text is
_SPAN = re.compile(r"[\].](?:start|begin|start_?offset|offset|span)$", re.IGNORECASE)

# a field of numbers that are labels
_LABEL_ID = re.compile(r"(?:^|[.\]_])(?:label|class|emotion|category)$", re.IGNORECASE)

Values = dict[str, list[object]]


@dataclass(frozen=True)
class Nested:
    """Rows from nested records.

    Attributes:
        records: the rows, with their columns by path.
        deeper: paths to other texts, which would give more rows.
    """

    records: list[Record]
    deeper: tuple[str, ...] = ()


def opened(records: Sequence[Record], most: int) -> Nested:
    """Return at most that many rows of records, unnested where the longest texts are in lists or objects."""
    paths: Values = {}
    for record in records[:SEEN_RECORDS]:
        for path, value in paths_in(record.fields).items():
            paths.setdefault(path, []).append(value)
    lead = _longest_texts(paths)
    if not any(is_path(path) and path not in records[0].fields for path in (lead, *paths)):
        return Nested(list(records))
    steps = lead.count(LIST)
    columns = [lead]
    for path in paths:
        parallel = f"{path}{LIST}"
        if steps and path.count(LIST) + 1 == steps and _are_lists(paths[path]) and _fits(records, lead, parallel):
            columns.append(parallel)
        elif path.count(LIST) <= steps and path != lead and _fits(records, lead, path):
            columns.append(path)
    if not steps and not any(_are_labels(paths[path]) for path in columns[1:]):
        below = _labels_below(paths)[:1]
        _refuse_several(records, below, paths)
        columns += below
    deeper = [path for path in paths if path.count(LIST) > steps and _mean_length(paths[path]) >= MIN_TEXT_CHARS]
    taken = islice(unnested(iter(records), columns), most)
    rows = [
        replace(row, fields={column: row.fields.get(column) for column in columns})
        for row in taken
        if isinstance(row, Record)
    ]
    return Nested(rows, tuple(deeper))


def _longest_texts(paths: Values) -> str:
    """Return the path to the longest texts: of strings, or of lists of strings where these are texts."""
    lengths = {path: _mean_length(values) for path, values in paths.items()}
    longest = max(lengths.values())
    for path, values in paths.items():
        items = [item for value in values if isinstance(value, list) for item in value]
        mean = _mean_length(items) if _are_lists(values) else 0.0
        # short turns of a dialogue are texts where no other string is one, and where they are not single words
        spoken = longest < MIN_TEXT_CHARS and sum(" " in str(item).strip() for item in items) > len(items) / 2
        if mean >= MIN_TEXT_CHARS or (mean and spoken):
            lengths[f"{path}{LIST}"] = max(mean, longest + 1) if spoken else mean
    return max(lengths, key=lambda path: lengths[path])


def _labels_below(paths: Values) -> list[str]:
    """Return the paths in lists that look like labels, as annotations of a text have them; most labels first."""
    below = [
        path
        for path, values in paths.items()
        if LIST in path and (_are_labels(values) or (_LABEL_ID.search(path) and _are_labels(_ids(values))))
    ]
    return sorted(below, key=lambda path: -len(set(_names(_ids(paths[path])))))


def _refuse_several(records: Sequence[Record], below: Sequence[str], paths: Values) -> None:
    """Refuse labels in a list of objects that may be several of a text, or one of each annotator.

    Args:
        records: the first ones.
        below: the path to the labels, if there is one.
        paths: every path, with its values.

    Raises:
        InputError: a text has different labels, and no field beside them says that somebody gave each.
    """
    for path in below:
        element = path.rpartition(LIST)[0] + LIST
        if any(other.startswith(element) and _SPAN.search(other) for other in paths):
            raise InputError(
                f"{records[0].file}: '{path}' are labels of parts of a text, which have a start and an end. "
                "Labels here are of whole texts: write one row per part, or one label per text."
            )
        start = path.rpartition(LIST)[0].partition(LIST)[0]
        people = any(other.startswith(start) and _PERSON.search(other) for other in paths)
        labels = (_names(_ids(_below(record, path))) for record in records[:SEEN_RECORDS])
        if not people and any(len(set(names)) > 1 for names in labels):
            raise InputError(
                f"{records[0].file}: Several '{path}' of a text may be its labels, or those of several "
                "annotators. Write its labels as one list of names, or one row per annotator with a `row_id`."
            )


def _below(record: Record, path: str) -> list[object]:
    """Return the values at a path of one record, those of lists one by one."""
    rows = [row.fields.get(path) for row in unnested(iter([record]), [path]) if isinstance(row, Record)]
    return [item for value in rows for item in (value if isinstance(value, list) else [value])]


def _ids(values: Sequence[object]) -> list[object]:
    """Return whole numbers as strings, other values as they are."""
    return [str(value) if isinstance(value, int) and not isinstance(value, bool) else value for value in values]


def _are_labels(values: Sequence[object]) -> bool:
    """Return whether values are short names, or lists of them, that are few and repeated."""
    names = _names(values)
    kinds = set(names)
    is_short = all(len(name) <= MAX_LABEL_CHARS for name in kinds)
    return len(names) >= len(values) > 0 and is_short and 1 < len(kinds) <= len(names) * REPEATED


def _names(values: Sequence[object]) -> list[str]:
    """Return all strings in values and lists of values; none where something else is among them."""
    items = [item for value in values for item in (value if isinstance(value, list) else [value])]
    names = [item for item in items if isinstance(item, str)]
    return names if len(names) == len(items) else []


def _mean_length(values: Sequence[object]) -> float:
    """Return the mean number of characters; 0 where a value is not a string."""
    texts = [value for value in values if isinstance(value, str)]
    return sum(map(len, texts)) / len(texts) if texts and len(texts) == len(values) else 0.0


def _are_lists(values: Sequence[object]) -> bool:
    """Return whether all values are lists of strings or numbers, and some have several."""
    lists = [value for value in values if isinstance(value, list)]
    scalars = all(isinstance(item, str | int | float) for value in lists for item in value)
    return len(lists) == len(values) and scalars and any(len(value) > 1 for value in lists)


def _fits(records: Sequence[Record], lead: str, column: str) -> bool:
    """Return whether a column has a value for each of the texts."""
    if column.count(LIST) < lead.count(LIST):
        return True
    rows = list(unnested(iter(records[:SEEN_RECORDS]), [lead, column]))
    return sum(isinstance(row, BadRow) for row in rows) <= UNLIKE * len(rows)
