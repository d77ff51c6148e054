"""Texts that have the name of their own label in them, as exports of training data for language models do."""

from __future__ import annotations

import re
from collections.abc import Callable

from distill.corpora.corpus import Split
from distill.corpora.targets import CODECS
from distill.export.runtime.deciding.task import Task
from distill.export.runtime.reading.inputs import segments_of

# texts that are looked at, and the fewest that show anything
SEEN, ENOUGH = 2000, 20

# a shorter name is in many words
MIN_CHARS = 3

# the share of texts that tell their label, at least; another label's name is in half as many at most
TOLD = 0.5


def count_told_labels(train: Split, task: Task) -> dict[str, int]:
    """Return, as notes, how many of the first train texts have the name of their label in them, if many do."""
    texts = [" ".join(segments_of(row)).casefold() for row in train.texts[:SEEN]]
    found = {place: _finder(name) for place, name in enumerate(task.labels) if _is_word(name)}
    if train.targets is None or len(texts) < ENOUGH or not found:
        return {}
    labels = CODECS[task.kind].decode(train.targets[: len(texts)])
    told = others = 0
    for row, text in enumerate(texts):
        own = set(labels.ids(row))
        named = {place for place, is_in in found.items() if is_in(text)}
        told += bool(named & own)
        others += bool(named - own)
    if told < TOLD * len(texts) or others > TOLD * told:
        return {}
    return {"texts_with_their_label": told, "texts_searched_for_labels": len(texts)}


def _is_word(name: str) -> bool:
    return not name.isascii() or (len(name) >= MIN_CHARS and any(map(str.isalpha, name)))


def _finder(name: str) -> Callable[[str], object]:
    """Return a test for a name in a text: as a word of its own where its script has blanks."""
    plain = name.casefold()
    if not plain.isascii():
        return lambda text: plain in text
    return re.compile(rf"(?<![^\W_]){re.escape(plain)}(?![^\W_])").search
