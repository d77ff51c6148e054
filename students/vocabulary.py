"""Vocabulary trimming: a tokenizer and an embedding table with only the pieces that a corpus needs.

What the trimmed tokenizer no longer knows it splits into smaller pieces, down to single characters, all of which
it keeps: no text becomes [UNK] that the full one could read. A piece that fewer than `min_groups` groups contain
is not kept, so that a bundle does not carry rare names out of a corpus.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from typing import Any

import torch
from tokenizers import Tokenizer
from torch import nn

from export.runtime.errors import InputError
from students.bodies import embeddings_of
from teachers.classifier import EncoderClassifier, uncut

BATCH = 4096
# what a tokenizer was read from, which the smaller one was not
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


@dataclass(frozen=True)
class Trimmed:
    """A smaller tokenizer; `sources[new_id]` are the old ids whose mean embedding is the new one's start."""

    tokenizer: Any
    sources: tuple[tuple[int, ...], ...]


def trim(tokenizer: Any, rows: Iterable[tuple[str, str]], *, min_groups: int) -> Trimmed:
    """Keep special tokens, single characters, and pieces that stand in at least `min_groups` groups.

    Args:
        tokenizer: a fast tokenizer, WordPiece or byte-level BPE.
        rows: the corpus, each text with the name of its group.
        min_groups: at least 1.

    Raises:
        InputError: another kind of tokenizer.
    """
    state = json.loads(tokenizer.backend_tokenizer.to_str())
    model = state["model"]
    special = set(tokenizer.all_special_tokens) | {token["content"] for token in state["added_tokens"]}
    counts = count_groups(tokenizer, rows, enough=min_groups)
    if model["type"] == "WordPiece":
        vocabulary, sources = _trim_wordpiece(model, special, counts, min_groups)
    elif model["type"] == "BPE":
        vocabulary, sources = _trim_bpe(model, special, counts, min_groups)
    else:
        raise InputError(
            f"student.trim_vocabulary: cannot trim a {model['type']} tokenizer, only WordPiece and BPE; "
            "set student.trim_vocabulary=false"
        )
    model["vocab"] = vocabulary
    ids, sources = _with_added(vocabulary, sources, state["added_tokens"])
    for token in state["added_tokens"]:
        token["id"] = ids[token["content"]]
    _renumber_template(state.get("post_processor"), ids)
    # the class keeps its own settings (lower-casing, special tokens); only the backend is exchanged
    smaller = type(tokenizer)(
        tokenizer_object=Tokenizer.from_str(json.dumps(state)),
        **{name: value for name, value in tokenizer.init_kwargs.items() if name not in SOURCE_KEYS},
    )
    return Trimmed(smaller, sources)


def count_groups(tokenizer: Any, rows: Iterable[tuple[str, str]], *, enough: int) -> dict[int, int]:
    """In how many groups each piece stands, by old id, counted up to `enough`; the full tokenizer splits texts."""
    plain = uncut(tokenizer)
    holders: dict[int, set[str]] = {}
    rows = iter(rows)
    while some := list(islice(rows, BATCH)):
        encodings = plain.encode_batch([text for text, _ in some], add_special_tokens=False)
        for (_, group), encoding in zip(some, encodings, strict=True):
            for piece in set(encoding.ids):
                found = holders.setdefault(piece, set())
                if len(found) < enough:
                    found.add(group)
    return {piece: len(found) for piece, found in holders.items()}


def apply_trim(model: EncoderClassifier, trimmed: Trimmed) -> EncoderClassifier:
    """Give a model the trimmed embedding table ``(V', H)``; changes and returns it."""
    block = embeddings_of(model.encoder)
    old = block.word_embeddings.weight.detach()  # (V, H)
    table = torch.stack([old[list(ids)].mean(dim=0) for ids in trimmed.sources])  # (V', H)
    pad_id = trimmed.tokenizer.pad_token_id
    block.word_embeddings = nn.Embedding(len(table), table.shape[1], padding_idx=pad_id, _weight=table)
    config = model.encoder.config
    config.vocab_size = len(table)
    for name in ("pad", "bos", "eos", "cls", "sep"):
        value = getattr(trimmed.tokenizer, f"{name}_token_id", None)
        if getattr(config, f"{name}_token_id", None) is not None:
            setattr(config, f"{name}_token_id", value)
    return model


def _with_added(
    vocabulary: dict[str, int], sources: tuple[tuple[int, ...], ...], added: list[dict[str, Any]]
) -> tuple[dict[str, int], tuple[tuple[int, ...], ...]]:
    """Ids and sources with the tokens that were added beside the model's vocabulary, such as speaker marks."""
    ids, more = dict(vocabulary), list(sources)
    for token in sorted(added, key=lambda token: int(token["id"])):
        if token["content"] not in ids:
            ids[token["content"]] = len(more)
            more.append((int(token["id"]),))
    return ids, tuple(more)


def _trim_wordpiece(
    model: dict[str, Any], special: set[str], counts: dict[int, int], min_groups: int
) -> tuple[dict[str, int], tuple[tuple[int, ...], ...]]:
    """Kept pieces in their old order; then single characters that stood only inside longer pieces."""
    vocabulary, prefix = model["vocab"], model["continuing_subword_prefix"]
    by_id = sorted(vocabulary.items(), key=lambda item: item[1])
    kept = {
        piece: old
        for piece, old in by_id
        if piece in special or len(piece.removeprefix(prefix)) == 1 or counts.get(old, 0) >= min_groups
    }
    sources: list[tuple[int, ...]] = [(old,) for old in kept.values()]
    missing = _missing_characters(by_id, kept, prefix)
    names = [*kept, *missing]
    sources += list(missing.values())
    return {piece: new for new, piece in enumerate(names)}, tuple(sources)


def _missing_characters(
    by_id: Iterable[tuple[str, int]], kept: dict[str, int], prefix: str
) -> dict[str, tuple[int, ...]]:
    """Single-character pieces that are needed but not in the full vocabulary, with the pieces that hold them.

    A character at a word's start needs its plain form, one further on its continued form.
    """
    needed: dict[str, list[int]] = {}
    for piece, old in by_id:
        if piece in kept:
            continue
        body, start = piece.removeprefix(prefix), not piece.startswith(prefix)
        for place, character in enumerate(body):
            name = character if start and place == 0 else prefix + character
            if name not in kept:
                needed.setdefault(name, []).append(old)
    return {name: tuple(olds) for name, olds in needed.items()}


def _trim_bpe(
    model: dict[str, Any], special: set[str], counts: dict[int, int], min_groups: int
) -> tuple[dict[str, int], tuple[tuple[int, ...], ...]]:
    """Kept pieces in their old order and the merges among them.

    A piece made of two is contained wherever the larger is, so parts inherit the count of what is made from them.
    Each rule stays only where its parts and its result do, which leaves every text readable: BPE begins with
    single symbols and stops merging earlier.
    """
    vocabulary = model["vocab"]
    merges = [tuple(merge.split(" ")) if isinstance(merge, str) else tuple(merge) for merge in model["merges"]]
    totals = {piece: counts.get(old, 0) for piece, old in vocabulary.items()}
    for left, right in reversed(merges):
        whole = totals.get(left + right, 0)
        for part in (left, right):
            totals[part] = max(totals.get(part, 0), whole)
    by_id = sorted(vocabulary.items(), key=lambda item: item[1])
    kept = {
        piece: old
        for piece, old in by_id
        if piece in special or len(piece) == 1 or totals.get(piece, 0) >= min_groups
    }
    model["merges"] = [
        [left, right] for left, right in merges if left in kept and right in kept and left + right in kept
    ]
    return {piece: new for new, piece in enumerate(kept)}, tuple((old,) for old in kept.values())


def _renumber_template(processor: dict[str, Any] | None, vocabulary: dict[str, int]) -> None:
    """The post-processor names special tokens by id; give it the new ones."""
    if processor is None:
        return
    for inner in processor.get("processors", []):
        _renumber_template(inner, vocabulary)
    for name, entry in processor.get("special_tokens", {}).items():
        entry["ids"] = [vocabulary[token] for token in entry["tokens"]] or vocabulary[name]
    for key in ("cls", "sep"):
        if isinstance(processor.get(key), list):
            processor[key] = [processor[key][0], vocabulary[processor[key][0]]]
