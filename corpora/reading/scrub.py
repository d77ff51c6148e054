"""Personal data that has a shape: e-mail addresses, links, handles, telephone and other long numbers.

Every match is replaced by a mark, in the manner of GoEmotions' [NAME]. Names, places and stories have no shape:
a scrubbed corpus is less easy to search for people, and it is not anonymous.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from typing import Any

from distill.export.runtime.reading.inputs import Row, Window

# Scripts that put no blank between a word and what follows it: Thai to Burmese, Khmer, kana, Chinese, and Korean
# with its particles. A match in other letters ends where one of them begins: no sentence around it is masked too.
UNSPACED = (
    r"\u0e00-\u109f\u1100-\u11ff\u1780-\u17ff\u3005-\u3007\u3040-\u9fff\ua960-\ua97f\uac00-\ud7ff"
    r"\uf900-\ufaff\uff66-\uffdc\U00020000-\U0003ffff"
)
W = rf"[^\W{UNSPACED}]"  # a letter, digit or underscore of a script with blanks
LETTER = rf"[^\W\d_{UNSPACED}]"

# what a link holds: neither those scripts nor their punctuation, as on platforms where people post without blanks
LINK = rf"[^\s<>\"{UNSPACED}\u2018-\u201f\u3001-\u303f\uff01-\uff0f\uff1a-\uff20\uff3b-\uff40\uff5b-\uff65]"

AT, DOT = r"[@\uff20]", r"[.\uff0e]"
DOMAIN = rf"(?:(?:{W}|-)+(?:{DOT}(?:{W}|-)+)+|[\w\-]+(?:{DOT}[\w\-]+)+)"

# a separator between two groups of digits
JOINT = r"(?:[^\S\r\n]{1,2}|[.\-/\u2010-\u2015\u2212\u30fc\uff0d-\uff0f])"
OPEN, CLOSE, PLUS, COLON = r"[(\uff08]", r"[)\uff09]", r"[+\uff0b]", r"[:\uff1a]"

# In this order: an address holds what looks like a handle, a link what looks like a long number, and what is
# written in letters with blanks comes before what is not. Every match begins where its characters begin, so that
# no text takes more than linear time, and looks back only at what no later pattern removes, so that a scrubbed
# text is clean.
PATTERNS: tuple[tuple[str, re.Pattern[str]], ...] = (
    (
        "url",
        re.compile(
            rf"(?:(?:https?|ftp)://|(?<!{LETTER})www\.)(?:{LINK}+|(?=\w)[^\s<>\"]+)"
            rf"|(?<![.\-@\uff20])(?<!{W})(?:{W}|[.\-])+\.[a-z]{{2,10}}/(?:{LINK}+|(?=[{UNSPACED}]))",
            re.IGNORECASE,
        ),
    ),
    (
        "url",
        re.compile(rf"(?<![\w.\-@\uff20])[\w.\-]+\.[a-z]{{2,10}}/(?:{LINK}+|(?=[{UNSPACED}]))", re.IGNORECASE),
    ),
    ("email", re.compile(rf"(?<![.\uff0e+\-])(?<!{W})(?:{W}|[.\uff0e+\-])+{AT}{DOMAIN}")),
    ("email", re.compile(rf"(?<![\w.\uff0e+\-])[\w.\uff0e+\-]+{AT}{DOMAIN}")),
    (
        "handle",
        re.compile(
            rf"(?<!{AT}){AT}+(?:(?:{W}|[.\-])+{W}|(?=[{UNSPACED}])[\w.\-]+\w)"
            rf"|(?:/|(?<![^\W\d{UNSPACED}]))u/(?:(?:{W}|-){{3,}}|(?=[{UNSPACED}])[\w\-]{{3,}})"
        ),
    ),
    # groups of digits, except a minute as the first of them or an hour as a later one
    (
        "phone",
        re.compile(
            rf"(?<!\d)(?!(?:(?<=(?<!\d)\d{COLON})|(?<=(?<!\d)\d\d{COLON}))\d\d(?!\d))"
            rf"(?:{OPEN}(?={PLUS}?\d+{CLOSE}))?{PLUS}?\d+"
            rf"(?:(?:{CLOSE}?{JOINT}{OPEN}?|{CLOSE})(?!\d{{1,2}}{COLON}\d\d(?!\d))\d+){{1,15}}"
        ),
    ),
    # not the digits after a decimal point
    ("number", re.compile(rf"(?<!\d)(?<!\d\.){PLUS}?\d{{6,}}")),
)

MIN_PHONE_DIGITS = 7

# numbers with as many digits as a telephone number that identify nobody
PLAIN = re.compile(
    rf"\d{{4}}{JOINT}\d{{1,2}}{JOINT}\d{{1,2}}|\d{{1,2}}{JOINT}\d{{1,2}}{JOINT}(?:\d{{4}}|\d{{2}})"  # days
    rf"|(?:19|20)\d\d(?:{JOINT}(?:19|20)\d\d)+"  # years
    r"|(?:0|[1-9]\d{0,2})\.\d+"  # decimal numbers
    r"|[1-9]\d{0,2}(?:[^\S\r\n]\d{3})*[^\S\r\n]000"  # round numbers
    r"|[1-9]\d(?:[^\S\r\n]\d\d){1,3}"  # a few small ones
)


def scrub(text: str) -> tuple[str, Counter[str]]:
    """Return a text with marks such as [EMAIL] for personal data, and the number of marks per kind.

    A mark can uncover what stood beside its match, as in `a@b.c..d.ef/g`, so the text is searched until nothing
    is left. That ends, because every match holds a character that no mark has.
    """
    found: Counter[str] = Counter()
    while True:
        text, more = _scrub_once(text)
        if not more:
            return text, found
        found += more


def _scrub_once(text: str) -> tuple[str, Counter[str]]:
    found: Counter[str] = Counter()
    for kind, pattern in PATTERNS:

        def mark(match: re.Match[str], kind: str = kind) -> str:
            if kind == "phone" and not _is_phone(match[0]):
                return match[0]
            found[kind] += 1
            return f"[{kind.upper()}]"

        text = pattern.sub(mark, text)
    return text, found


def scrub_row(row: Row) -> tuple[Row, Counter[str]]:
    """Return a row with each of its texts scrubbed, and the number of marks per kind."""
    if isinstance(row, str):
        return scrub(row)
    if isinstance(row, Window):  # turns are scrubbed one by one, before windows are built
        raise TypeError("A row of turns cannot be scrubbed.")
    (first, in_first), (second, in_second) = map(scrub, row)
    return (first, second), in_first + in_second


def scrub_value(value: Any) -> Any:
    """Return a cell with every string in it scrubbed, nested ones too."""
    if isinstance(value, str):
        return scrub(value)[0]
    if isinstance(value, dict):
        return {scrub_value(key): scrub_value(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [scrub_value(item) for item in value]
    if isinstance(value, int | float) and not isinstance(value, bool) and 10**5 <= abs(value) < math.inf:
        return scrub(str(int(value)))[0]
    return value


def _is_phone(text: str) -> bool:
    digits = sum(character.isdigit() for character in text)
    return digits >= MIN_PHONE_DIGITS and PLAIN.fullmatch(text) is None
