"""Check of a tokenizer.json, before the tokenizers package opens it.

The package does whatever the file says: one step can turn a text into gigabytes, search for a pattern for hours,
drop tokens at random, or panic; a panic prints to the standard error, past every handler, possibly with part of a
text. So this module refuses a file with a step outside the list, a pattern of its own, or numbers that no
tokenizer of a supported architecture has.
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

# The patterns of XLM-R and GPT-2. No others are allowed: a pattern can take hours on a short text.
PATTERNS = frozenset(
    [" {2,}", r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"],
)

MAX_STEPS = 32  # in one chain

MAX_NESTED = 8  # sequences in sequences

MAX_GROWTH = 16  # factor by which all steps together may lengthen a text

MAX_TOKEN = 512  # characters; the time to split a word grows with the longest token

MAX_WORD = 200  # longest word in characters that WordPiece splits; BERT's is 100, and time grows with its square

MAX_ADDED = 10_000  # tokens outside the vocabulary; the time to add them grows with the square of their number

MAX_ID = 2**31 - 1


class _Refused(Exception):
    """A file holds something that it must not; the message says what."""


@dataclass(frozen=True)
class _Step:
    """One step of a chain."""

    type: str
    data: dict[str, Any]


def check_tokenizer_file(content: bytes, where: str | Path) -> None:
    """Refuse a tokenizer.json with more in it than a tokenizer like BERT's, RoBERTa's or XLM-R's needs.

    Args:
        content: the file's bytes.
        where: the file's path, which begins every message.

    Raises:
        BundleError: it has a step, pattern or number that no bundle needs, or is not a tokenizer.
    """
    data = parse_json(content, where)
    try:
        _check(data)
    except _Refused as refused:
        raise BundleError(
            f"{where}: The tokenizer {refused}. A bundle's tokenizer must not have that: use another one."
        ) from None


def _check(data: object) -> None:
    if not isinstance(data, dict) or "model" not in data:
        raise _Refused("is not a tokenizer, because it has no model")
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
    """Yield the steps of a chain, including those inside sequences."""
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
        raise _Refused(f"holds a {part} that is not a list of steps")
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
    """Bound the growth of a text, since each step can lengthen the result of the one before."""
    growth = 1.0
    for step in chain:
        if step.type == "ByteLevel":  # one character per byte, each of which takes two bytes
            growth *= 2
        if step.type == "Prepend":
            growth += len(str(step.data.get("prepend", "")))
        if step.type == "Replace":
            pattern = step.data.get("pattern")
            text = pattern.get("String", "  ") if isinstance(pattern, dict) else " "
            growth *= max(1.0, len(str(step.data.get("content", ""))) / len(text))
    if growth > MAX_GROWTH:
        raise _Refused(f"makes a text over {MAX_GROWTH} times longer")


def _check_precompiled(value: object) -> None:
    try:
        check_charsmap(base64.b64decode(value if isinstance(value, str) else "", validate=True))
    except (binascii.Error, ValueError):
        raise _Refused("holds a broken map of characters") from None


def _check_template(data: dict[str, Any]) -> None:
    """Check that the special tokens of a template exist; without them the package panics at the first text."""
    special = data.get("special_tokens")
    if not isinstance(special, dict):
        raise _Refused("holds a template without its special tokens")
    for key, texts in (("single", ("A",)), ("pair", ("A", "B"))):
        parts = data.get(key)
        if not isinstance(parts, list) or len(parts) > MAX_STEPS:
            raise _Refused(f"holds a template that is not a list of at most {MAX_STEPS} parts")
        known = {"SpecialToken": special, "Sequence": texts}
        if not all(_is_part(part, known) for part in parts):
            raise _Refused("holds a template with a special token or a text that is not there")
    for entry in special.values():
        ids, tokens = (entry.get(key) if isinstance(entry, dict) else None for key in ("ids", "tokens"))
        if not isinstance(ids, list) or not isinstance(tokens, list) or len(ids) != len(tokens):
            raise _Refused("holds a special token without one id per token")
        if not 0 < len(ids) <= MAX_STEPS or not all(map(_is_id, ids)):
            raise _Refused("holds an id that is out of range")


def _is_part(part: object, known: Mapping[str, Collection[str]]) -> bool:
    """Return whether a part of a template names a known special token or text."""
    if not isinstance(part, dict) or len(part) != 1:
        return False
    ((kind, value),) = part.items()
    name = value.get("id") if isinstance(value, dict) else None
    return isinstance(name, str) and name in known.get(kind, ())


def _check_added(added: object) -> None:
    tokens = added if isinstance(added, list) else []
    if len(tokens) > MAX_ADDED:
        raise _Refused(f"holds more than {MAX_ADDED} added tokens")
    for token in tokens:
        content = token.get("content") if isinstance(token, dict) else None
        if not isinstance(content, str) or not 0 < len(content) <= MAX_TOKEN:
            raise _Refused(f"holds an added token that does not have 1 to {MAX_TOKEN} characters")
        if not _is_id(token.get("id")):
            raise _Refused("holds an id that is out of range")


def _check_model(model: object) -> None:
    kind = model.get("type") if isinstance(model, dict) else None
    if not isinstance(model, dict) or not isinstance(kind, str) or kind not in MODELS:
        raise _Refused(f"holds the model {str(kind)[:80]!r}")
    if model.get("dropout"):
        raise _Refused("drops tokens at random")
    word = model.get("max_input_chars_per_word", 0)
    if not is_integer(word) or not 0 <= word <= MAX_WORD:
        raise _Refused(f"splits words of more than {MAX_WORD} characters")
    if kind == "BPE" and model.get(
        "continuing_subword_prefix"
    ):  # the package removes it by bytes, possibly inside a character
        raise _Refused("holds a BPE model with a prefix of continuing tokens")
    vocabulary = model.get("vocab")
    if kind == "Unigram":
        tokens = [row[0] if isinstance(row, list) and row else None for row in _list(vocabulary)]
        unknown = model.get("unk_id")
        if not is_integer(unknown) or not 0 <= unknown < len(tokens):
            raise _Refused("has no token for unknown words")
    else:
        if not isinstance(vocabulary, dict) or not all(map(_is_id, vocabulary.values())):
            raise _Refused("holds a vocabulary in which a token has no id in range")
        tokens = list(vocabulary)
        if kind != "BPE" and model.get("unk_token") not in tokens:
            raise _Refused("has no token for unknown words")
    if not all(isinstance(token, str) and len(token) <= MAX_TOKEN for token in tokens):
        raise _Refused(f"holds tokens of more than {MAX_TOKEN} characters")


def _list(value: object) -> list[Any]:
    if not isinstance(value, list):
        raise _Refused("holds a vocabulary that is not a list of tokens")
    return value


def _is_id(value: object) -> bool:
    return type(value) is int and 0 <= value <= MAX_ID
