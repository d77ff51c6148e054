"""What is in a tokenizer.json, read before the tokenizers package opens it.

That package does what the file says: one step can make gigabytes of a text, look for a pattern for hours, drop
pieces at random, or panic, and a panic prints to the standard error, past every handler, what may be a part of a
text. So a file is refused that holds a step outside the list, a pattern of its own, or numbers that no tokenizer
of a supported body has.
"""

import base64
import binascii
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from distill.export.runtime.errors import BundleError
from distill.export.runtime.untrusted.charsmap import check_charsmap
from distill.export.runtime.untrusted.fields import is_integer
from distill.export.runtime.untrusted.strict_json import parse_json

KEYS = "version truncation padding added_tokens normalizer pre_tokenizer post_processor decoder model"

NORMALIZERS = """
BertNormalizer ByteLevel Lowercase NFC NFD NFKC NFKD Nmt Precompiled Prepend Replace Sequence Strip StripAccents
"""

PRE_TOKENIZERS = """
BertPreTokenizer ByteLevel CharDelimiterSplit Digits Metaspace Punctuation Sequence Split UnicodeScripts Whitespace
WhitespaceSplit
"""

POST_PROCESSORS = "BertProcessing ByteLevel RobertaProcessing Sequence TemplateProcessing"

DECODERS = "BPEDecoder ByteFallback ByteLevel Fuse Metaspace Replace Sequence Strip WordPiece"

STEPS = {
    "normalizer": frozenset(NORMALIZERS.split()),
    "pre_tokenizer": frozenset(PRE_TOKENIZERS.split()),
    "post_processor": frozenset(POST_PROCESSORS.split()),
    "decoder": frozenset(DECODERS.split()),
}

INNER = {
    "normalizer": "normalizers",
    "pre_tokenizer": "pretokenizers",
    "post_processor": "processors",
    "decoder": "decoders",
}

MODELS = ("BPE", "Unigram", "WordLevel", "WordPiece")

# A pattern can be written that takes hours on a short text. These are XLM-R's and GPT-2's.
PATTERNS = frozenset(
    [" {2,}", r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"],
)

MAX_STEPS = 32  # in one chain

MAX_NESTED = 8  # sequences in sequences

MAX_GROWTH = 16  # how many times longer all steps may make a text

MAX_PIECE = 512  # characters; the time to split a word grows with its longest piece

MAX_WORD = 200  # characters of a word that WordPiece looks into; BERT has 100, and the time grows with its square

MAX_ADDED = 10_000  # tokens beside the vocabulary; the time to add them grows with their square

MAX_ID = 2**31 - 1


class _Refused(Exception):
    """What a file holds that it must not."""


@dataclass(frozen=True)
class _Step:
    """One step of a chain."""

    type: str
    data: dict[str, Any]


def check_tokenizer_file(content: bytes, where: str | Path) -> None:
    """Refuse a tokenizer.json that holds more than a tokenizer of BERT's, RoBERTa's or XLM-R's kind needs.

    Args:
        content: the file's bytes.
        where: its path, which opens each complaint.

    Raises:
        BundleError: a step, pattern or number that no bundle needs, or no tokenizer.
    """
    data = parse_json(content, where)
    try:
        _check(data)
    except _Refused as refused:
        raise BundleError(
            f"{where}: {refused}; a bundle's tokenizer must not have that: use another one"
        ) from None


def _check(data: object) -> None:
    if not isinstance(data, dict) or "model" not in data:
        raise _Refused("is not a tokenizer, for it has no model")
    for key in sorted(data.keys() - set(KEYS.split())):
        raise _Refused(f"holds the unknown key {key[:80]!r}")
    chains = {part: list(_steps(part, data.get(part), depth=0)) for part in STEPS}
    for part, chain in chains.items():
        if len(chain) > MAX_STEPS:
            raise _Refused(f"holds more than {MAX_STEPS} steps as its {part}")
        for step in chain:
            _check_step(part, step)
    _check_growth([*chains["normalizer"], *chains["pre_tokenizer"]])
    _check_added(data.get("added_tokens"))
    _check_model(data["model"])


def _steps(part: str, value: object, *, depth: int) -> Iterator[_Step]:
    """The steps of a chain, those inside of sequences too."""
    if depth > MAX_NESTED:
        raise _Refused(f"holds sequences in sequences as its {part}, more than {MAX_NESTED} deep")
    if value is None:
        return
    kind = value.get("type") if isinstance(value, dict) else None
    if not isinstance(value, dict) or not isinstance(kind, str) or kind not in STEPS[part]:
        raise _Refused(f"holds the {part} {str(kind)[:80]!r}")
    yield _Step(kind, value)
    inner = value.get(INNER[part], []) if kind == "Sequence" else []
    if not isinstance(inner, list):
        raise _Refused(f"holds a {part} that is no list of steps")
    for item in inner:
        yield from _steps(part, item, depth=depth + 1)


def _check_step(part: str, step: _Step) -> None:
    pattern = step.data.get("pattern")
    if isinstance(pattern, dict):
        regex, text = pattern.get("Regex"), pattern.get("String")
        if "Regex" in pattern and regex not in PATTERNS:
            raise _Refused(f"holds a pattern of its own in its {part}")
        if "Regex" not in pattern and not (isinstance(text, str) and text):
            raise _Refused(f"holds an empty pattern in its {part}")
    if step.type == "Precompiled":
        _check_precompiled(step.data.get("precompiled_charsmap"))
    if step.type == "TemplateProcessing":
        _check_template(step.data)


def _check_growth(chain: list[_Step]) -> None:
    """Each step can lengthen what the one before made."""
    growth = 1.0
    for step in chain:
        if step.type == "ByteLevel":  # a character for each byte, of two bytes itself
            growth *= 2
        if step.type == "Prepend":
            growth += len(str(step.data.get("prepend", "")))
        if step.type == "Replace":
            pattern = step.data.get("pattern")
            text = pattern.get("String", "  ") if isinstance(pattern, dict) else " "
            growth *= max(1.0, len(str(step.data.get("content", ""))) / len(text))
    if growth > MAX_GROWTH:
        raise _Refused(f"makes a text more than {MAX_GROWTH} times longer")


def _check_precompiled(value: object) -> None:
    try:
        check_charsmap(base64.b64decode(value if isinstance(value, str) else "", validate=True))
    except (binascii.Error, ValueError):
        raise _Refused("holds a broken map of characters") from None


def _check_template(data: dict[str, Any]) -> None:
    """What is set around a text must be there, or the package panics at the first text."""
    special = data.get("special_tokens")
    if not isinstance(special, dict):
        raise _Refused("holds a template without its special tokens")
    for key, texts in (("single", ("A",)), ("pair", ("A", "B"))):
        pieces = data.get(key)
        if not isinstance(pieces, list) or len(pieces) > MAX_STEPS:
            raise _Refused(f"holds a template that is no list of at most {MAX_STEPS} pieces")
        known = {"SpecialToken": special, "Sequence": texts}
        if not all(_is_piece(piece, known) for piece in pieces):
            raise _Refused("holds a template with a special token or a text that is not there")
    for entry in special.values():
        ids, tokens = (entry.get(key) if isinstance(entry, dict) else None for key in ("ids", "tokens"))
        if not isinstance(ids, list) or not isinstance(tokens, list) or len(ids) != len(tokens):
            raise _Refused("holds a special token without an id for each of its pieces")
        if not 0 < len(ids) <= MAX_STEPS or not all(map(_is_id, ids)):
            raise _Refused("holds an id that is out of range")


def _is_piece(piece: object, known: Mapping[str, Collection[str]]) -> bool:
    """Whether a template's piece names something that is known of its kind."""
    if not isinstance(piece, dict) or len(piece) != 1:
        return False
    ((kind, value),) = piece.items()
    name = value.get("id") if isinstance(value, dict) else None
    return isinstance(name, str) and name in known.get(kind, ())


def _check_added(added: object) -> None:
    tokens = added if isinstance(added, list) else []
    if len(tokens) > MAX_ADDED:
        raise _Refused(f"holds more than {MAX_ADDED} added tokens")
    for token in tokens:
        content = token.get("content") if isinstance(token, dict) else None
        if not isinstance(content, str) or not 0 < len(content) <= MAX_PIECE:
            raise _Refused(f"holds an added token that is not of 1 to {MAX_PIECE} characters")
        if not _is_id(token.get("id")):
            raise _Refused("holds an id that is out of range")


def _check_model(model: object) -> None:
    kind = model.get("type") if isinstance(model, dict) else None
    if not isinstance(model, dict) or not isinstance(kind, str) or kind not in MODELS:
        raise _Refused(f"holds the model {str(kind)[:80]!r}")
    if model.get("dropout"):
        raise _Refused("drops pieces at random")
    word = model.get("max_input_chars_per_word", 0)
    if not is_integer(word) or not 0 <= word <= MAX_WORD:
        raise _Refused(f"looks into words of more than {MAX_WORD} characters")
    if kind == "BPE" and model.get("continuing_subword_prefix"):  # cut off by bytes, wherever they end
        raise _Refused("holds a BPE model with a prefix of continued pieces")
    vocabulary = model.get("vocab")
    if kind == "Unigram":
        pieces = [row[0] if isinstance(row, list) and row else None for row in _list(vocabulary)]
        unknown = model.get("unk_id")
        if not is_integer(unknown) or not 0 <= unknown < len(pieces):
            raise _Refused("has no piece for unknown words")
    else:
        if not isinstance(vocabulary, dict) or not all(map(_is_id, vocabulary.values())):
            raise _Refused("holds a vocabulary that does not give each piece an id in range")
        pieces = list(vocabulary)
        if kind != "BPE" and model.get("unk_token") not in pieces:
            raise _Refused("has no piece for unknown words")
    if not all(isinstance(piece, str) and len(piece) <= MAX_PIECE for piece in pieces):
        raise _Refused(f"holds pieces of more than {MAX_PIECE} characters")


def _list(value: object) -> list[Any]:
    if not isinstance(value, list):
        raise _Refused("holds a vocabulary that is no list of pieces")
    return value


def _is_id(value: object) -> bool:
    return type(value) is int and 0 <= value <= MAX_ID
