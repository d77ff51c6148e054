"""Pieces of roles in a tokenizer and a body: each starts from the vectors of the words that name the role."""

import json
from collections.abc import Sequence
from typing import Any

import torch
from tokenizers import Tokenizer as BackendTokenizer
from torch import nn

from distill.export.runtime.errors import InputError
from distill.export.runtime.reading.inputs import Input, Turns
from distill.teachers.bodies import has_types
from distill.teachers.protocols import Tokenizer

# settings that name the files that a tokenizer was read from, which do not apply to a changed one
SOURCE_KEYS = (
    "tokenizer_file",
    "vocab_file",
    "merges_file",
    "name_or_path",
    "tokenizer_object",
    "added_tokens_decoder",
    "vocab",
    "merges",
)

# a Unigram piece of this score is never part of the best way to split a text
NEVER = -1e6


def with_markers(tokenizer: Tokenizer, reads: Input) -> Tokenizer:
    """Return a tokenizer whose vocabulary has the pieces of the roles; the same one where it has them.

    They are pieces of the model and no added tokens, so that no text can be read as one: a text is split into
    words before it meets the vocabulary, and a piece of a role is never one.

    Raises:
        InputError: the kind of tokenizer is not known.
    """
    pieces = reads.pieces if isinstance(reads, Turns) else ()
    backend = tokenizer.backend_tokenizer
    missing = [piece for piece in pieces if backend.token_to_id(piece) is None]
    if not missing:
        return tokenizer
    state = json.loads(backend.to_str())
    first = max(backend.get_vocab(with_added_tokens=True).values()) + 1
    add_pieces(state, missing, first, "roles")
    marked: Tokenizer = rebuilt(tokenizer, state)
    return marked


def rebuilt(tokenizer: Any, state: dict[str, Any]) -> Any:
    """Return a tokenizer of the same class and settings with another backend, given as its file's content."""
    return type(tokenizer)(
        tokenizer_object=BackendTokenizer.from_str(json.dumps(state)),
        **{name: value for name, value in tokenizer.init_kwargs.items() if name not in SOURCE_KEYS},
    )


def add_pieces(state: dict[str, Any], pieces: Sequence[str], first: int, argument: str) -> None:
    """Add pieces to the end of a vocabulary, in place: part of the model, and no text is read as one of them.

    Args:
        state: a tokenizer file's content.
        pieces: the pieces.
        first: the id of the first of them.
        argument: the argument that asks for them, for the message.

    Raises:
        InputError: the vocabulary is a list, and something else is behind it.
    """
    model = state["model"]
    vocabulary = model["vocab"]
    if isinstance(vocabulary, dict):
        vocabulary |= {piece: first + place for place, piece in enumerate(pieces)}
    elif len(vocabulary) == first:
        vocabulary += [[piece, NEVER] for piece in pieces]
    else:
        raise InputError(
            f"`{argument}` need pieces at the end of the vocabulary, but this teacher's tokenizer has added "
            "tokens there. Use another teacher."
        )


def add_markers(model: Any, tokenizer: Tokenizer, marked: Tokenizer, reads: Input) -> None:
    """Add vectors for the pieces of roles to a teacher's body, and a token type per turn, in place.

    A piece starts from the mean vector of the pieces of its speakers' names. The decided turn has the first token
    type of the body, and every turn before it starts from the second.

    Args:
        model: a classifier with a body `encoder`.
        tokenizer: its tokenizer.
        marked: the same with the pieces of the roles.
        reads: the input; nothing is changed unless rows are turns.
    """
    if not isinstance(reads, Turns):
        return
    table = model.encoder.get_input_embeddings()
    rows = max(len(marked), max(marked.backend_tokenizer.get_vocab().values()) + 1)
    if rows > table.num_embeddings:
        model.encoder.resize_token_embeddings(rows, mean_resizing=False)
        table = model.encoder.get_input_embeddings()
    with torch.no_grad():
        for piece in reads.pieces:
            if tokenizer.backend_tokenizer.token_to_id(piece) is None:
                names = " ".join(name for name, mark in reads.roles.items() if mark == piece)
                ids = tokenizer.backend_tokenizer.encode(names, add_special_tokens=False).ids
                table.weight[marked.backend_tokenizer.token_to_id(piece)] = table.weight[ids].mean(dim=0)
    if has_types(model.config):
        _add_types(model.encoder, reads.segments)


def _add_types(encoder: Any, segments: int) -> None:
    """Add token types to a body until it has one per segment."""
    old = encoder.embeddings.token_type_embeddings.weight.detach()
    if len(old) >= segments:
        return
    rows = [
        old[min(segment, 1, len(old) - 1)] if segment >= len(old) else old[segment] for segment in range(segments)
    ]
    encoder.embeddings.token_type_embeddings = nn.Embedding(segments, old.shape[1], _weight=torch.stack(rows))
    encoder.config.type_vocab_size = segments
