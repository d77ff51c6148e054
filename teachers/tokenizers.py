"""Tokenizers of teachers and students, loaded without running code."""

from pathlib import Path

from tokenizers import Tokenizer as BackendTokenizer
from transformers import AutoTokenizer

from distill.export.runtime.encoder import failed
from distill.export.runtime.errors import InputError
from distill.export.runtime.untrusted.tokenizer_file import check_tokenizer_file
from distill.teachers.checkpoints import LOCAL
from distill.teachers.protocols import Tokenizer


def load_tokenizer(path: str | Path) -> Tokenizer:
    """Load the fast tokenizer in a folder.

    Raises:
        InputError: none can be loaded, or it is not a fast one.
        BundleError: it has parts that no bundle may ship; checked here, before the training.
    """
    try:
        tokenizer: Tokenizer = AutoTokenizer.from_pretrained(str(path), use_fast=True, **LOCAL)
    except BaseException as error:
        if not failed(error):
            raise
        raise InputError(
            f"{path}: no tokenizer can be loaded ({type(error).__name__}). Check the folder's "
            "tokenizer.json and tokenizer_config.json."
        ) from error
    if not tokenizer.is_fast:
        raise InputError(f"{path}: has no fast tokenizer (tokenizer.json), which the bundle needs. Add one.")
    check_tokenizer_file(tokenizer.backend_tokenizer.to_str().encode(), f"{path}: its tokenizer")
    return tokenizer


def without_truncation(tokenizer: Tokenizer) -> BackendTokenizer:
    """Return a copy of a fast tokenizer's backend that neither cuts nor pads."""
    plain = BackendTokenizer.from_str(tokenizer.backend_tokenizer.to_str())
    plain.no_truncation()
    plain.no_padding()
    return plain
