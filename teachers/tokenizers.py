"""Tokenizers of teachers and students, loaded without running code."""

import json
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer as BackendTokenizer
from tokenizers import processors
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from distill.export.runtime.errors import InputError
from distill.export.runtime.reading.encoder import failed
from distill.export.runtime.untrusted.tokenizer_file import check_tokenizer_file
from distill.teachers.gguf import is_gguf, special_tokens
from distill.teachers.layer_places import is_causal_type
from distill.teachers.protocols import Tokenizer
from distill.teachers.sources import model_type_of
from distill.teachers.weights import LOCAL


def load_tokenizer(path: str | Path) -> Tokenizer:
    """Load the fast tokenizer in a folder, or that of one GGUF file.

    Raises:
        InputError: none can be loaded, or it is not a fast one.
        BundleError: it has parts that no bundle may ship; checked here, before the training. That of a decoder
            never ships, because no student starts from one.
    """
    path = Path(path)
    try:
        tokenizer = _of_gguf(path) if is_gguf(path) else _of_folder(path)
    except InputError:
        raise
    except BaseException as error:
        if not failed(error):
            raise
        raise InputError(
            f"{path}: No tokenizer can be loaded ({type(error).__name__}). Check the folder's tokenizer.json and "
            "tokenizer_config.json."
        ) from error
    if not tokenizer.is_fast:
        raise InputError(f"{path}: There is no fast tokenizer (tokenizer.json), which the bundle needs. Add one.")
    if not is_gguf(path) and not is_causal_type(model_type_of(path) or ""):
        check_tokenizer_file(tokenizer.backend_tokenizer.to_str().encode(), f"{path}: its tokenizer")
    return tokenizer


def _of_folder(folder: Path) -> Tokenizer:
    tokenizer: Tokenizer = AutoTokenizer.from_pretrained(str(folder), use_fast=True, **LOCAL)
    return tokenizer


def _of_gguf(file: Path) -> Tokenizer:
    """Return the tokenizer of a GGUF file, whose special tokens are those of the file's metadata."""
    specials = special_tokens(file)
    read: Any = AutoTokenizer.from_pretrained(str(file.parent), gguf_file=file.name, **LOCAL)
    backend = BackendTokenizer.from_str(
        json.dumps({**json.loads(read.backend_tokenizer.to_str()), "post_processor": None})
    )
    names = {
        name: None if number is None else backend.id_to_token(number)
        for name, number in (("bos", specials.bos), ("eos", specials.eos), ("pad", specials.pad))
    }
    if specials.add_bos and names["bos"] is not None:
        backend.post_processor = processors.TemplateProcessing(
            single=[names["bos"], "$A"], special_tokens=[(names["bos"], specials.bos)]
        )
    made: Tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=backend, **{f"{name}_token": token for name, token in names.items()}
    )
    return made


def pad_id_of(tokenizer: Tokenizer) -> int:
    """Return the id that fills up the rows of a batch.

    Decoders often have no token for it. Then it is the first id, which nothing ever reads: every model and pooling
    goes by the mask.
    """
    return 0 if tokenizer.pad_token_id is None else tokenizer.pad_token_id


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
