"""The split that a name has as a word: of a file, a folder, a sheet or a key."""

from __future__ import annotations

import re

SPLIT_NAMES = {
    "train": "train",
    "training": "train",
    "validation": "validation",
    "valid": "validation",
    "dev": "validation",
    "devel": "validation",
    "development": "validation",
    "val": "validation",
    "test": "test",
    "testing": "test",
    "transfer": "transfer",
    "unlabeled": "transfer",
    "unlabelled": "transfer",
    "unsupervised": "transfer",
}

# a file of several, as the hub numbers them; older ones have a hash behind the numbers
SHARD = re.compile(r"-(\d+)-of-(\d+)(?:-[0-9a-f]{8,})?$")

# words that are written together with a split's name, as in trainset.csv
_JOINED = re.compile(r"(?<=.)(?:sets?|data|split|file)$")

# letters of any script, and the places at which words are joined by their capitals, as in TrainSet
_WORD = re.compile(r"[^\W\d_]+")
_CAPITAL = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


def split_of(stem: str) -> str | None:
    """Return the split that a name has as a word; None where it has none, or several."""
    found = _WORD.findall(SHARD.sub("", stem))
    words = {word.lower() for joined in found for word in _CAPITAL.split(joined)}
    words |= {_JOINED.sub("", word) for word in words}
    splits = {SPLIT_NAMES[word] for word in words if word in SPLIT_NAMES}
    if "transfer" in splits:
        return "transfer"
    return splits.pop() if len(splits) == 1 else None


# the test sets of a Kaggle competition, whose public one is looked at while models are chosen, and short forms
_IN_CELLS = {"publictest": "validation", "privatetest": "test", "trn": "train", "vld": "validation", "tst": "test"}


def split_in_cell(value: str) -> str | None:
    """Return the split that a cell of a column of splits names: train, Dev set, test_2, PrivateTest."""
    letters = "".join(character for character in value.lower() if character.isalpha())
    return _IN_CELLS.get(letters) or split_named(value.strip())


def split_named(name: str) -> str | None:
    """Return the split that a folder, a sheet or a key is, or has in its name as a word."""
    return SPLIT_NAMES.get(name.lower()) or split_of(name)
