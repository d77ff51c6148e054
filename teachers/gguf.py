"""GGUF files: what transformers reads wrongly of a tokenizer in one is set here from the file's own metadata.

transformers 4.57 takes the token that begins a text for the one that ends it, knows no padding, and puts a first
token before every text although the file says that none belongs there.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from distill.export.runtime.errors import InputError

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
        InputError: the gguf package is missing, or the file is not whole.
    """
    try:
        from gguf import GGUFReader
    except ModuleNotFoundError as error:
        raise InputError(
            f"{path}: A GGUF file needs the package gguf. Install it with `pip install gguf`, or give `model` as "
            "a folder with safetensors."
        ) from error
    try:
        fields = GGUFReader(path).fields
        found = {name: _value(fields, f"tokenizer.ggml.{name}") for name in _NAMES}
    except Exception as error:  # the reader raises whatever a broken file leads it to
        raise InputError(
            f"{path}: The file is not a whole GGUF file ({type(error).__name__}). Download it again."
        ) from error
    bos, eos, pad, add_bos = (found[name] for name in _NAMES)
    return SpecialTokens(bos, eos, eos if pad is None else pad, bool(add_bos))


_NAMES = ("bos_token_id", "eos_token_id", "padding_token_id", "add_bos_token")


def _value(fields: Any, name: str) -> int | None:
    field = fields.get(name)
    return None if field is None else int(field.contents())
