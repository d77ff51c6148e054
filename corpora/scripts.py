"""The writing system of a character, by the names that Unicode gives to letters."""

import unicodedata
from functools import lru_cache

# letters whose names begin with the script's own name; those of others count as "other"
NAMED = (
    *("Latin", "Cyrillic", "Greek", "Arabic", "Hebrew", "Devanagari", "Bengali", "Tamil", "Telugu", "Gujarati"),
    *("Gurmukhi", "Kannada", "Malayalam", "Sinhala", "Thai", "Lao", "Khmer", "Myanmar", "Hangul", "Tibetan"),
    *("Armenian", "Georgian", "Ethiopic", "Mongolian"),
)

# the first word of a letter's name -> its script
SCRIPTS = {name.upper(): name for name in NAMED} | {"HIRAGANA": "Kana", "KATAKANA": "Kana", "CJK": "Han"}

WIDTHS = ("FULLWIDTH", "HALFWIDTH")


@lru_cache(maxsize=65_536)
def script_of(character: str) -> str | None:
    """Return the script of a letter; None for digits, marks, punctuation and symbols such as emoji."""
    if not unicodedata.category(character).startswith("L"):
        return None
    words = unicodedata.name(character, "").split(" ", 2)
    first = words[1] if words[0] in WIDTHS and len(words) > 1 else words[0]
    return SCRIPTS.get(first, "other")
