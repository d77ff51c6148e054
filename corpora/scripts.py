"""The writing system of a letter, by the name that Unicode gives to it, and of a text."""

import unicodedata
from collections import Counter
from functools import lru_cache
from itertools import islice

# letters whose names begin with the script's own name; those of others count as "other"
NAMED = (
    *("Latin", "Cyrillic", "Greek", "Arabic", "Hebrew", "Devanagari", "Bengali", "Tamil", "Telugu", "Gujarati"),
    *("Gurmukhi", "Kannada", "Malayalam", "Sinhala", "Thai", "Lao", "Khmer", "Myanmar", "Hangul", "Tibetan"),
    *("Armenian", "Georgian", "Ethiopic", "Mongolian"),
)

# the first word of a letter's name -> its script
SCRIPTS = {name.upper(): name for name in NAMED} | {"HIRAGANA": "Kana", "KATAKANA": "Kana", "CJK": "Han"}

# written with Han characters among their own letters
BESIDE_HAN = ("Kana", "Hangul")

# letters at the beginning of a text that tell its script
TELLING = 200

WIDTHS = ("FULLWIDTH", "HALFWIDTH")


@lru_cache(maxsize=65_536)
def script_of(character: str) -> str | None:
    """Return the script of a letter; None for digits, marks, punctuation and symbols such as emoji."""
    if not unicodedata.category(character).startswith("L"):
        return None
    words = unicodedata.name(character, "").split(" ", 2)
    first = words[1] if words[0] in WIDTHS and len(words) > 1 else words[0]
    return SCRIPTS.get(first, "other")


def script_of_text(text: str) -> str | None:
    """Return the script of most letters of a text, Kana or Hangul where it has some; None without letters."""
    letters = (script for script in map(script_of, text) if script is not None)
    counts = Counter(islice(letters, TELLING))
    for script in BESIDE_HAN:
        if script in counts:
            counts[script] += counts.pop("Han", 0)
    return max(counts, key=lambda script: counts[script]) if counts else None
