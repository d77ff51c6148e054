"""Cells that say whether a label applies: 0 and 1, and words for no and yes."""

from __future__ import annotations

import re
from collections.abc import Collection

# words for 0 and 1, in languages that corpora and surveys are written in
_FLAG_WORDS = tuple(
    (frozenset(no.split()), frozenset(yes.split()))
    for no, yes in (
        ("0", "1"),
        ("false", "true"),
        ("falsch", "wahr"),
        ("faux", "vrai"),
        ("falso", "verdadero verdadeiro vero"),
        ("n", "y"),
        ("no", "yes"),
        ("no", "sí si sì"),
        ("nein", "ja"),
        ("nee nej nei", "ja"),
        ("non", "oui"),
        ("não nao", "sim"),
        ("nie", "tak"),
        ("ne", "ano da"),
        ("nem", "igen"),
        ("ei", "kyllä"),
        ("nu", "da"),
        ("hayır", "evet"),
        ("нет", "да"),
        ("ні", "так"),
        ("όχι", "ναι"),
        ("لا", "نعم"),
        ("不是 否", "是"),
        ("いいえ", "はい"),
        ("아니요 아니오", "예 네"),
        ("नहीं", "हाँ हां"),
    )
)

FLAGS = {word: bool(is_yes) for pair in _FLAG_WORDS for is_yes, words in enumerate(pair) for word in words}

# 0 and 1 as numbers, with a point or, where spreadsheets write one, a comma
_FLAG_NUMBER = re.compile(r"([01])(?:[.,]0*(?:e[+-]?00)?)", re.ASCII)


def plain_flag(text: str) -> str:
    """Return a cell of 0 and 1 in its plain spelling: lower case, and 1.0 or 1,0 as 1."""
    text = text.strip().lower()
    number = _FLAG_NUMBER.fullmatch(text)
    return number[1] if number else text


def is_one_spelling(keys: Collection[str]) -> bool:
    """Return whether one way to write no and yes has all of the words."""
    return any(no | yes >= set(keys) for no, yes in _FLAG_WORDS)
