"""The encoding of a text file's bytes, guessed from what they decode to."""

from __future__ import annotations

import codecs
import re
import unicodedata
from collections import Counter

# the most frequent letters of texts in each encoding; the encoding whose letters occur most often fits
# fmt: off
FREQUENT = {
    "gb18030": "的一是不了在人有我他这个们中来上大为和国地到以说时要就出会"
    "可也你对生能而子那得于着下自之年过发后作里天好觉很",
    "big5": "的一是不了在人有我他這個們中來上大為和國地到以說時要就出會"
    "可也你對生能而子那得於著下自之年過發後作裡天好覺很",
    "shift_jis": "いうかきくけこさしすせそたちつてとなにのはまもやらりるれをんがでアイスタトラリルン、。ー",
    "euc_jp": "いうかきくけこさしすせそたちつてとなにのはまもやらりるれをんがでアイスタトラリルン、。ー",
    "cp949": "이다는에을가의고지하어기나로도서한사은리를자아게시있그들해대니일만라정마요인면내수보것안오너무",
    "cp1252": "éèàçâêîôûëïüöäßñóíáúåæøÉÖÄÜ’‘“”–—…£€°",
    "cp1250": "ąćęłńóśźżčěřšžýůáíéťďňőű",
    "cp1251": "оеаинтсрвлкмдпуяыьгзбчйхжшюцщэф",
    "koi8-r": "оеаинтсрвлкмдпуяыьгзбчйхжшюцщэф",
    "cp1253": "αοιετσνρπκμλυςηωγδθάέίόήύώ",
    "cp1254": "ışğçöüİŞĞÇÖÜ",
    "cp1255": "אבגדהוזחטיכלמנסעפצקרשתםןךףץ",
    "cp1256": "ابتثجحخدذرزسشصضطظعغفقكلمنهويةى",
    "cp874": "กขคงจชซดตถทนบปผพฟภมยรลวสหอะาิีึืุูเแโใไ่้",
}
# fmt: on

# two bytes per character: bytes hardly ever decode to such letters by chance, so these are tried first
WIDE = ("gb18030", "big5", "shift_jis", "euc_jp", "cp949")

LATIN = ("cp1252", "cp1250", "cp1254")

MIN_FREQUENT = 0.25

# encodings whose shares are this near are told apart by few letters
NEAR = 0.1

_RUN = re.compile(r"[^\x00-\x7f]{2,}")

_ASCII_LETTER = re.compile(r"[A-Za-z]")

# a broken byte in a row or two is a bad row, not another encoding
MIN_BROKEN_LINES = 3

# wide encodings without a byte order mark, and the bytes that show them
UNMARKED = ("utf-32-le", "utf-32-be", "utf-16-le", "utf-16-be")

SEEN_BYTES = 20_000

MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def utf8_problem(data: bytes) -> str | None:
    """Return why the beginning of a file cannot be UTF-8; None where it is, except for single bytes at most.

    A header that is not UTF-8, or several lines without one line that shows UTF-8's own sequences, are another
    encoding; a broken line among good ones is that row's fault.
    """
    if _wide(data):
        return "The file is not UTF-8 but a wide encoding, with zero bytes"
    broken = good = 0
    for number, line in enumerate(data.split(b"\n")[: None if data.endswith(b"\n") else -1] or [data]):
        if line.isascii():
            continue
        try:
            line.decode()
        except UnicodeDecodeError:
            broken += 1
            if number == 0:
                return "The file's first row is not UTF-8"
        else:
            good += 1
    if broken >= MIN_BROKEN_LINES and not good:
        return "The file is not UTF-8"
    return None


def likely_encoding(data: bytes) -> str | None:
    """Return the encoding whose most frequent letters the bytes decode to; None where none fits."""
    wide = _wide(data)
    if wide:
        return wide
    scores = _scores(data)
    best = max(scores, key=lambda name: scores[name])
    return best if scores[best] >= MIN_FREQUENT else None


def possible_encodings(data: bytes) -> list[str]:
    """Return the encodings that bytes decode in, the likeliest first.

    Where letters decide, these are the ones that fit about as well as the best.
    """
    wide = _wide(data)
    if wide:
        return [wide]
    scores = _scores(data)
    best = max(scores.values())
    least = best - NEAR if best >= MIN_FREQUENT else -1.0
    near = [name for name in scores if scores[name] >= least and _decodes(data, name)]
    return sorted(near, key=lambda name: -scores[name])


def _scores(data: bytes) -> dict[str, float]:
    """Return the share of frequent letters per encoding: of wide ones alone where one of them fits."""
    scores = {name: _share_of_frequent(data, name) for name in WIDE}
    if max(scores.values()) < MIN_FREQUENT:
        scores = {name: _share_of_frequent(data, name) for name in FREQUENT if name not in WIDE} | scores
    return scores


def _decodes(data: bytes, encoding: str) -> bool:
    try:
        codecs.getincrementaldecoder(encoding)().decode(data)
    except UnicodeDecodeError:
        return False
    return True


def _wide(data: bytes) -> str | None:
    """Return the wide encoding that a byte order mark or the places of zero bytes show."""
    for mark, name in MARKS:
        if data.startswith(mark):
            return name
    if len(data) < 8 or b"\0" not in data:
        return None
    # line feeds and separators of any script have zero bytes; in the other order they decode to unassigned ones
    return next((name for name in UNMARKED if _is_text_in(data[:SEEN_BYTES], name)), None)


def _is_text_in(data: bytes, encoding: str) -> bool:
    """Return whether bytes decode to lines of assigned characters, without control characters."""
    try:
        text = codecs.getincrementaldecoder(encoding)().decode(data)
    except UnicodeDecodeError:
        return False
    kinds = Counter(unicodedata.category(character) for character in text if character not in "\t\r\n")
    return "\n" in text and not kinds.keys() & {"Cc", "Cn", "Co"} and kinds["Lo"] + kinds["Lu"] + kinds["Ll"] > 0


def _share_of_frequent(data: bytes, encoding: str) -> float:
    """Return the share of frequent letters among the characters beyond ASCII; 0 where the bytes do not decode."""
    try:
        text = codecs.getincrementaldecoder(encoding)().decode(data)
    except UnicodeDecodeError:
        return 0.0
    if encoding not in (*WIDE, *LATIN):
        # a word of another script has no Latin letters inside, and lone characters are marks rather than words
        words = (word for word in text.split() if not (_ASCII_LETTER.search(word) and not word.isascii()))
        text = " ".join(run for word in words for run in _RUN.findall(word))
    letters = set(FREQUENT[encoding])
    foreign = sum(not character.isascii() for character in text)
    total = foreign if encoding in (*WIDE, *LATIN) else sum(byte > 127 for byte in data)
    return sum(character in letters for character in text) / max(total, 1)
