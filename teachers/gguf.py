"""GGUF files: what transformers reads wrongly of a tokenizer in one is set here from the file's own metadata.

transformers 4.57 takes the token that begins a text for the one that ends it, knows no padding, and puts a first
token before every text although the file says that none belongs there.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from distill.export.runtime.errors import InputError, MissingExtraError, how_to_install

SUFFIX = ".gguf"

_MAGIC = b"GGUF"


@dataclass(frozen=True)
class SpecialTokens:
    """Ids of special tokens; None where a model has none.

    `add_bos` says whether `bos` belongs before every text.
    """

    bos: int | None
    eos: int | None
    pad: int | None
    add_bos: bool


def is_gguf(path: Path) -> bool:
    """Return whether a path is a file in the GGUF format, by its first bytes."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(len(_MAGIC)) == _MAGIC


def special_tokens(path: Path) -> SpecialTokens:
    """Return the special tokens that a file's metadata names.

    Raises:
        MissingExtraError: the gguf package is missing.
        InputError: the file is not whole.
    """
    try:
        from gguf import GGUFReader
    except ModuleNotFoundError as error:
        raise MissingExtraError(f"{path}: A GGUF file needs the gguf extra. {how_to_install('gguf')}") from error
    try:
        fields = GGUFReader(path).fields
        found = {name: _value(fields, f"tokenizer.ggml.{name}") for name in _NAMES}
        kind = fields.get("tokenizer.ggml.model")
        begins = kind is not None and kind.contents() in _BEGIN
    except Exception as error:  # the reader raises whatever a broken file leads it to
        raise InputError(
            f"{path}: The file is not a whole GGUF file ({type(error).__name__}). Download it again."
        ) from error
    bos, eos, pad, add_bos = (found[name] for name in _NAMES)
    return SpecialTokens(bos, eos, eos if pad is None else pad, begins if add_bos is None else bool(add_bos))


# vocabularies whose texts begin with a token where the file does not say otherwise, as llama.cpp reads them
_BEGIN = ("llama", "bert")

_NAMES = ("bos_token_id", "eos_token_id", "padding_token_id", "add_bos_token")


def _value(fields: Any, name: str) -> int | None:
    field = fields.get(name)
    return None if field is None else int(field.contents())
