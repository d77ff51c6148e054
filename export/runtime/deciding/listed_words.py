"""Word forms of a list, looked for in texts whatever their case, accents and apostrophes are."""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from typing import Final

from distill.export.runtime.reading.words_of import UNSPACED

# what may be written or left out without another word: accents of Latin, Greek and Cyrillic, points of Hebrew and
# Arabic, variants of emoji. Vowels of Indic scripts, Thai and others are marks too, and stay.
_ACCENTS = re.compile(
    "[\u0300-\u036f\u0483-\u0489\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u0610-\u061a\u0640\u064b-\u065f"
    "\u0670\u06d6-\u06dc\u06df-\u06e4\u06e7\u06e8\u06ea-\u06ed\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff"
    "\ufe00-\ufe0f\ufe20-\ufe2f]"
)

# soft hyphens, characters of no width, directions: inside of a word or between two
_INVISIBLE = re.compile("[\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff]")

# letters that are written in two ways and have no accent that could be taken off
_LETTERS: Final = str.maketrans(
    {
        "ß": "ss",
        "æ": "ae",
        "œ": "oe",
        "ø": "o",
        "ł": "l",
        "đ": "d",
        "ı": "i",
        "ς": "σ",
        "ى": "ي",
        "ی": "ي",
        "ة": "ه",
        "ک": "ك",
        **dict.fromkeys("`‘’‛ʼʹ′", "'"),
    }
)

_WORDS = re.compile(r"[^\W_]+")

_APOSTROPHE = re.compile("(?<=[^\\W_])['`](?=[^\\W_])")


def _folded(text: str) -> str:
    """Return a text in lower case without accents; characters that are not seen stay."""
    if text.isascii():
        return text.lower()
    plain = _ACCENTS.sub("", unicodedata.normalize("NFKD", text))
    return unicodedata.normalize("NFC", plain).lower().translate(_LETTERS)


def _words(plain: str) -> list[str]:
    if plain.isascii():
        return _WORDS.findall(plain)
    letters = (one if one.isalnum() or unicodedata.category(one).startswith("M") else " " for one in plain)
    return "".join(letters).split()


def words_in(text: str) -> list[str]:
    """Return a text's words in lower case, without accents and without what is not seen."""
    return _words(_INVISIBLE.sub("", _folded(text)))


def _readings(text: str) -> Iterator[list[str]]:
    """Yield a text's words: what is not seen is inside of a word, and is between two."""
    plain = _folded(text)
    hidden = None if plain.isascii() else _INVISIBLE.search(plain)
    yield _words(plain if hidden is None else _INVISIBLE.sub("", plain))
    if hidden is not None:
        yield _words(_INVISIBLE.sub(" ", plain))


class WordFinder:
    """Word forms, or sequences of them, that are looked for in texts.

    A form with an apostrophe is also found without it (don't, dont), but not the other way round: ill is not i'll.
    """

    def __init__(self, forms: Iterable[str]) -> None:
        self._anywhere: list[str] = []
        self._by_first: dict[str, list[str]] = {}
        for form in forms:
            plain = _INVISIBLE.sub("", _folded(form))
            if UNSPACED.search(form):  # is looked for anywhere in a text
                self._anywhere.append("".join(_words(plain)))
                continue
            for variant in dict.fromkeys((plain, _APOSTROPHE.sub("", plain))):
                words = _words(variant)
                if words:
                    self._by_first.setdefault(words[0], []).append(f" {' '.join(words)} ")

    def found_in(self, texts: str | tuple[str, ...]) -> bool:
        """Return whether a text, or one of several, has one of the forms."""
        several = (texts,) if isinstance(texts, str) else texts
        return any(self._found(words) for text in several for words in _readings(text))

    def _found(self, words: list[str]) -> bool:
        first = self._by_first.keys() & set(words)
        if first:
            joined = f" {' '.join(words)} "
            if any(form in joined for word in first for form in self._by_first[word]):
                return True
        if not self._anywhere:
            return False
        squeezed = "".join(words)
        return not squeezed.isascii() and any(form in squeezed for form in self._anywhere)
