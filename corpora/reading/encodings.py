"""The encoding of a text file's bytes, guessed from what they decode to."""

from __future__ import annotations

import codecs
import re
import unicodedata
from collections import Counter
from itertools import islice

# the most frequent letters of texts in each encoding, one alphabet per language; the encoding of the alphabet
# whose letters occur most often fits, and the first one where several do
# fmt: off
_CHINESE = (
    "的一是不了在人有我他这个们中来上大为和国地到以说时要就出会"
    "可也你对生能而子那得于着下自之年过发后作里天好觉很",
)
_TAIWANESE = (
    "的一是不了在人有我他這個們中來上大為和國地到以說時要就出會"
    "可也你對生能而子那得於著下自之年過發後作裡天好覺很",
)
_JAPANESE = ("いうかきくけこさしすせそたちつてとなにのはまもやらりるれをんがでアイスタトラリルン、。ー",)
_KOREAN = ("이다는에을가의고지하어기나로도서한사은리를자아게시있그들해대니일만라정마요인면내수보것안오너무",)
_MARKS = "’‘“”„–—…€°«»"
# French, German, Spanish, Portuguese, Italian, Danish and its neighbours, Icelandic
_WESTERN = (
    "éèàçâêîôûëïüùœÉÀÇ£", "äöüßÄÖÜ", "áéíñóúü¿¡ÁÉÍÑÓÚ", "ãõáéíóúâêôçà", "àèéìòùÀÈ", "åæøäöéÅÆØ", "áéíóúýþæöð",
)
# Polish, Czech and Slovak, Hungarian, Romanian, Croatian and its neighbours
_CENTRAL = ("ąćęłńóśźżŁŚŻ", "áčďéěíňóřšťúůýžľĺôäŘŠČŽ", "áéíóöőúüűÁÉÖŐÜ", "ăâîşţ", "čćđšžČŠŽ")
# Russian, Ukrainian, Serbian
_CYRILLIC = (
    "оеаинтсрвлкмдпуяыьгзбчйхжшюцщэф", "оеаинтсрвлкмдпуяьгзбчйхжшюцщфіїєґ", "оеаинтсрвлкмдпугзбчјхжшцфљњђћџ",
)
_GREEK = ("αοιετσνρπκμλυςηωγδθάέίόήύώβζξφχψϊ",)
_HEBREW = ("יוהלאמרתבשםנדחעקפכטסגצזךןףץ",)
_ARABIC = ("اليمنوترهبدسفعقكحجشصطخغذزضثظةىأإآئءؤ", "ايدرنهومتبسشزلکخگپعجفقحصچغطضثژظذ")
_THAI = ("านรกอเงมยล่้ัวดทสตปบคิหะำไจพชีใขโแุูึืซญถธผฟภศษณ์็๊๋",)

FREQUENT = {
    "gb18030": _CHINESE,
    "big5": _TAIWANESE,
    "shift_jis": _JAPANESE,
    "euc_jp": _JAPANESE,
    "cp949": _KOREAN,
    "cp1252": tuple(letters + _MARKS for letters in _WESTERN),
    "cp1250": tuple(letters + _MARKS for letters in _CENTRAL),
    "cp1251": _CYRILLIC,
    "koi8-r": _CYRILLIC[:1],
    "cp1253": _GREEK,
    "cp1254": ("çğıöşüâîÇİÖŞÜ" + _MARKS,),
    "cp1255": _HEBREW,
    "cp1256": _ARABIC,
    "cp874": _THAI,
    "iso8859-2": _CENTRAL,
    "iso8859-15": ("éèàçâêîôûëïüùœ€",),
    "cp1257": ("ąčęėįšųūžĄČĘŠŪŽ" + _MARKS, "āčēģīķļņšūžĀČĒĪŠŽ" + _MARKS),
    "koi8-u": _CYRILLIC[1:2],
    "iso8859-5": _CYRILLIC,
    "iso8859-6": _ARABIC[:1],
    "cp866": _CYRILLIC[:1],
    "mac-cyrillic": _CYRILLIC,
    "cp850": _WESTERN,
    "mac-roman": tuple(letters + _MARKS for letters in _WESTERN),
}
# fmt: on

# two bytes per character: bytes hardly ever decode to such letters by chance, so these are tried first
WIDE = ("gb18030", "big5", "shift_jis", "euc_jp", "cp949")

# their letters stand among others of the alphabet, so that a lone one is a word's
LATIN = ("cp1252", "cp1250", "cp1254", "iso8859-2", "iso8859-15", "cp1257", "cp850", "mac-roman")

# encodings of old programs, whose letters are the marks of others: only where no other fits well
OLD = ("cp850", "mac-roman")

FITS_WELL = 0.6

# what switches between alphabets in bytes that are all ASCII
_ESCAPES = ((b"\x1b$", "iso2022_jp"), (b"\x1b$)C", "iso2022_kr"))

# the same without an escape character, which a text may also have by chance: its letters decide
_SHIFTS = ((re.compile(rb"~\{[\x21-\x7e]{2,}?~\}"), "hz"), (re.compile(rb"\+[A-Za-z0-9+/]{3,}"), "utf-7"))

# characters that UTF-7 need not write as they are, though they are ASCII
_OPTIONAL = frozenset('!"#$%&*;<=>@[]^_`{|}+~\\')

MIN_SHIFTS = 3
SEEN_SHIFTS = 2000

MIN_FREQUENT = 0.25

# whole alphabets hold nearly all letters of a text
MIN_OF_ALPHABET = 0.4

# encodings whose shares are this near are told apart by few letters
NEAR = 0.1

# alphabets of one script take up the same bytes, and are told apart by their most frequent letters
MOST_FREQUENT = 10
LESS_FREQUENT = 0.1

_RUN = re.compile(r"[^\x00-\x7f]{2,}")

_BETWEEN_WORDS = re.compile(r"""[\s,;|"]+""")

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
    if _escaped(data):
        return "The file is not UTF-8 but switches alphabets by escape sequences"
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
    sure = _wide(data) or _escaped(data)
    if sure:
        return sure
    scores = _scores(data)
    best = max(scores, key=lambda name: scores[name])
    return best if scores[best] >= _least(best) else None


def _least(encoding: str) -> float:
    """Return the share of letters that shows an encoding."""
    return MIN_FREQUENT if encoding in WIDE else MIN_OF_ALPHABET


def possible_encodings(data: bytes) -> list[str]:
    """Return the encodings that bytes decode in, the likeliest first.

    Where letters decide, these are the ones that fit about as well as the best.
    """
    sure = _wide(data) or _escaped(data)
    if sure:
        return [sure]
    scores = _scores(data)
    best = max(scores, key=lambda name: scores[name])
    least = scores[best] - NEAR if scores[best] >= _least(best) else -1.0
    near = [name for name in scores if scores[name] >= least and _decodes(data, name)]
    return sorted(near, key=lambda name: -scores[name])


def _scores(data: bytes) -> dict[str, float]:
    """Return the share of frequent letters per encoding: of wide ones alone where one of them fits."""
    scores = {name: _share_of_frequent(data, name) for name in WIDE}
    if max(scores.values()) >= MIN_FREQUENT:
        return scores
    usual = [name for name in FREQUENT if name not in (*WIDE, *OLD)]
    scores = {name: _share_of_frequent(data, name) for name in usual} | scores
    if max(scores.values()) < FITS_WELL:
        scores |= {name: _share_of_frequent(data, name) for name in OLD}
    return scores


def _escaped(data: bytes) -> str | None:
    """Return the encoding that escape sequences show, in bytes that are all ASCII."""
    if not data.isascii():
        return None
    if b"\x1b" in data:
        return next((name for mark, name in reversed(_ESCAPES) if mark in data and _decodes(data, name)), None)
    return next((name for shift, name in _SHIFTS if _shifts(data, shift, name)), None)


def _shifts(data: bytes, shift: re.Pattern[bytes], encoding: str) -> bool:
    """Return whether sequences of ASCII stand for letters that are frequent in some language."""
    found = [match[0] for match in islice(shift.finditer(data), SEEN_SHIFTS)]
    if len(found) < MIN_SHIFTS or not _decodes(data, encoding):
        return False
    try:
        text = b" ".join(found).decode(encoding)
    except UnicodeDecodeError:
        return False
    letters = Counter(character for character in text if character != " " and character not in _OPTIONAL)
    frequent = (sum(letters[letter] for letter in alphabet) for some in FREQUENT.values() for alphabet in some)
    return max(frequent) >= MIN_FREQUENT * letters.total() and not any(map(str.isascii, letters))


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
    """Return the share of an alphabet's letters among the characters beyond ASCII; 0 where bytes do not decode."""
    try:
        text = codecs.getincrementaldecoder(encoding)().decode(data)
    except UnicodeDecodeError:
        return 0.0
    if encoding in (*WIDE, *LATIN):
        total = sum(not character.isascii() for character in text)
    else:
        total = sum(byte > 127 for byte in data)
    words = _BETWEEN_WORDS.split(text) if encoding not in WIDE else []
    if encoding in WIDE:
        counts = Counter(text)
    elif encoding in LATIN:
        # a letter stands alone in French and its neighbours only
        alone = encoding in ("cp1252", "iso8859-15", *OLD)
        counts = Counter("".join(word for word in words if alone or len(word) > 1 or not word.isalpha()))
    else:
        # a word of another script has no Latin letters inside, and lone characters are marks rather than words
        whole = (word for word in words if word.isascii() or not _ASCII_LETTER.search(word))
        counts = Counter("".join(run for word in whole for run in _RUN.findall(word)))
    return max(_share(counts, total, letters, encoding) for letters in FREQUENT[encoding])


def _share(counts: Counter[str], total: int, letters: str, encoding: str) -> float:
    """Return the share of one alphabet's letters; the most frequent ones count a little more in other scripts."""
    share = sum(counts[letter] for letter in letters) / max(total, 1)
    if encoding in (*WIDE, *LATIN):
        return share
    return share - LESS_FREQUENT * sum(counts[letter] for letter in letters[MOST_FREQUENT:]) / max(total, 1)
