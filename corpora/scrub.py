"""Personal data that has a shape: e-mail addresses, links, handles, telephone and other long numbers.

What it finds it replaces by a mark, in the manner of GoEmotions' [NAME]. Names, places and stories have no shape:
a scrubbed corpus is less easy to search for people, and it is not anonymous.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

# In this order: an address holds what looks like a handle, a link what looks like a long number. Every repetition
# is bounded or ends at a character that its part excludes, so that no text takes more than linear time.
PATTERNS: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("url", re.compile(r"\b(?:https?|ftp)://[^\s<>\"]+|\bwww\.[^\s<>\"]+", re.IGNORECASE)),
    ("email", re.compile(r"(?<![\w.+-])[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}")),
    ("handle", re.compile(r"(?<![\w@/])@\w{2,50}|(?<![\w/])/?u/[\w-]{3,30}\b")),
    # at least 7 digits in groups that single blanks, dots, dashes, slashes or brackets join
    ("phone", re.compile(r"(?<![\w.])(?:\+|\(|00)?\d{1,8}(?:\)?[ .\-/]\(?\d{1,8}){1,6}(?![\w])")),
    ("number", re.compile(r"(?<!\w)\+?\d{6,}(?!\w)")),
)
MIN_PHONE_DIGITS = 7
# a day or a year's span is written with as many digits as a telephone number, and tells nobody apart
DATE = re.compile(
    r"\d{4}[ .\-/]\d{1,2}[ .\-/]\d{1,2}|\d{1,2}[ .\-/]\d{1,2}[ .\-/](?:\d{4}|\d{2})|\d{4}[ \-/]\d{4}"
)


def scrub(text: str) -> tuple[str, Counter[str]]:
    """A text with marks such as [EMAIL] for what was found, and how often each kind was."""
    found: Counter[str] = Counter()
    for kind, pattern in PATTERNS:

        def mark(match: re.Match[str], kind: str = kind) -> str:
            if kind == "phone" and not _is_phone(match[0]):
                return match[0]
            found[kind] += 1
            return f"[{kind.upper()}]"

        text = pattern.sub(mark, text)
    return text, found


def scrub_value(value: Any) -> Any:
    """A cell, or what is nested in it, with every string scrubbed."""
    if isinstance(value, str):
        return scrub(value)[0]
    if isinstance(value, dict):
        return {scrub_value(key): scrub_value(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [scrub_value(item) for item in value]
    if isinstance(value, int) and not isinstance(value, bool):
        return scrub_value(str(value)) if abs(value) >= 10**5 else value
    return value


def _is_phone(text: str) -> bool:
    digits = sum(character.isdigit() for character in text)
    return digits >= MIN_PHONE_DIGITS and DATE.fullmatch(text) is None
