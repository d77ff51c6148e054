"""Tokenizers of teachers and students, loaded without running code."""

from pathlib import Path

from tokenizers import Tokenizer as BackendTokenizer
from transformers import AutoTokenizer

from distill.export.runtime.errors import InputError
from distill.export.runtime.reading.encoder import failed
from distill.export.runtime.untrusted.tokenizer_file import check_tokenizer_file
from distill.teachers.protocols import Tokenizer
from distill.teachers.weights import LOCAL


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
            f"{path}: No tokenizer can be loaded ({type(error).__name__}). Check the folder's tokenizer.json and "
            "tokenizer_config.json."
        ) from error
    if not tokenizer.is_fast:
        raise InputError(f"{path}: There is no fast tokenizer (tokenizer.json), which the bundle needs. Add one.")
    check_tokenizer_file(tokenizer.backend_tokenizer.to_str().encode(), f"{path}: its tokenizer")
    return tokenizer


def without_truncation(tokenizer: Tokenizer) -> BackendTokenizer:
    """Return a copy of a fast tokenizer's backend that neither cuts nor pads."""
    plain = BackendTokenizer.from_str(tokenizer.backend_tokenizer.to_str())
    plain.no_truncation()
    plain.no_padding()
    return plain


def require_rows(tokenizer: Tokenizer, rows: int, where: str | Path) -> None:
    """Refuse a tokenizer with token ids beyond the rows of an embedding table.

    Args:
        tokenizer: a fast tokenizer.
        rows: the number of rows.
        where: the model's folder, which begins the message.

    Raises:
        InputError: it has such ids.
    """
    vocabulary = tokenizer.backend_tokenizer.get_vocab(with_added_tokens=True)
    most = max(vocabulary.values(), default=-1)
    if most >= rows:
        raise InputError(
            f"{where}: Its tokenizer has token ids up to {most}, but its embedding table has {rows} rows. Give "
            "the tokenizer of this model, or enlarge the table (resize_token_embeddings) and save the model."
        )
