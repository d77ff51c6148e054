"""Write docs/browser/tokenizer/unicode.js: the tables of characters that the tokenizers package was built with.

    python -m tests.browser.tables

A browser's own tables are of another version of Unicode, so that a character that is punctuation for one is none
for the other, and a word would be split elsewhere.
"""

import unicodedata
from collections.abc import Callable, Iterable, Iterator

from tokenizers import normalizers, pre_tokenizers

from tests.support.command import ROOT

FILE = ROOT / "docs/browser/tokenizer/unicode.js"

HEAD = """// Characters as the tokenizers package sorts them, whose version of Unicode is none of a browser's.
// Written by `python -m tests.browser.tables`.

const inRanges = (ranges) => new RegExp(`^[${ranges}]$`, "u");
"""

# the last of these planes holds private characters alone, as the one before it does
PRIVATE = ((0xE000, 0xF8FF), (0xF0000, 0xFFFFD), (0x100000, 0x10FFFD))

Is = Callable[[str], bool]


def removed_by(normalizer: normalizers.Normalizer) -> Is:
    """Return whether a normalizer removes a character."""
    return lambda char: bool(normalizer.normalize_str(f"a{char}b") == "ab")


def bert(**chosen: bool) -> normalizers.Normalizer:
    none = dict.fromkeys(("clean_text", "handle_chinese_chars", "strip_accents", "lowercase"), False)
    return normalizers.BertNormalizer(**none | chosen)


def punctuation(char: str) -> bool:
    return len(pre_tokenizers.BertPreTokenizer().pre_tokenize_str(f"a{char}b")) == 3


def not_decomposed(char: str) -> bool:
    """Return whether a character has a compatible form for Python, but not for the package."""
    return unicodedata.normalize("NFKC", char) != char == normalizers.NFKC().normalize_str(char)


TABLES: dict[str, tuple[str, Is]] = {
    "PUNCTUATION": ("Punctuation, at which a word of BERT ends.", punctuation),
    "CONTROL": ("Characters that BERT's normalizer removes.", removed_by(bert(clean_text=True))),
    "NON_SPACING": ("Marks that BERT's normalizer removes.", removed_by(bert(strip_accents=True))),
    "MARK": ("Marks that `StripAccents` removes.", removed_by(normalizers.StripAccents())),
    "NOT_DECOMPOSED": ("Characters without a compatible form.", not_decomposed),
}


def characters() -> Iterator[int]:
    """Yield the assigned characters but ideographs, syllables and private ones, of which no table has any."""
    for code in [*range(0x20000), *range(0xE0000, 0xE0200)]:
        if unicodedata.category(chr(code)) not in ("Cn", "Cs", "Co") and not unicodedata.name(
            chr(code), ""
        ).startswith(("CJK UNIFIED", "HANGUL SYLLABLE", "TANGUT", "EGYPTIAN HIEROGLYPH-", "NUSHU")):
            yield code


def ranges(codes: Iterable[int]) -> str:
    """Return codes as the inside of a character class."""
    found: list[list[int]] = []
    for code in codes:
        if found and found[-1][1] == code - 1:
            found[-1][1] = code
        else:
            found.append([code, code])
    shown = [f"\\\\u{{{first:x}}}" + (f"-\\\\u{{{last:x}}}" if last > first else "") for first, last in found]
    return "".join(shown)


def file() -> str:
    """Return the file's content."""
    parts = [HEAD]
    codes = list(characters())
    for name, (meaning, belongs) in TABLES.items():
        found = [code for code in codes if belongs(chr(code))]
        if name == "CONTROL":
            found = sorted({*found, *(code for first, last in PRIVATE for code in range(first, last + 1))})
        parts.append(f'/** {meaning} */\nexport const {name} = inRanges(\n  "{ranges(found)}",\n);\n')
    return "\n".join(parts)


if __name__ == "__main__":
    FILE.write_text(file(), encoding="utf-8")
