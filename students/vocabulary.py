"""Vocabulary trimming: a tokenizer and an embedding table with only the pieces that a corpus needs.

The trimmed tokenizer splits a piece that it no longer knows into smaller ones, down to single characters or bytes,
all of which it keeps: no text becomes [UNK] that the full one could read, and a text whose pieces are all kept has
the same pieces as before. A piece that fewer than `min_groups` groups
contain is not kept, so that a bundle does not carry rare names out of a corpus. Of the others a goal may keep only
the most frequent: as many as are allowed, or as few as cover a share of all tokens of the corpus.
"""

import json
import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from distill.export.runtime.errors import InputError
from distill.students.pieces import (
    NO_GOAL,
    RANKED_GROUPS,
    Choice,
    Goal,
    count_pieces,
    enough,
    inherited_ranks,
    own_ranks,
)
from distill.students.whole_words import pieces_of
from distill.teachers.bodies import embeddings_of
from distill.teachers.encoder import EncoderClassifier
from distill.teachers.markers import rebuilt

_BYTE = re.compile(r"<0x[0-9A-F]{2}>")


@dataclass(frozen=True)
class Trimmed:
    """A smaller tokenizer; `sources[new_id]` are the old ids whose mean embedding the new token starts from."""

    tokenizer: Any
    sources: tuple[tuple[int, ...], ...]


def trim(
    tokenizer: Any,
    rows: Iterable[tuple[str, str]],
    *,
    min_groups: int,
    goal: Goal = NO_GOAL,
    whole: Collection[str] = (),
    kept: Collection[str] = (),
    general: int = 0,
) -> Trimmed:
    """Keep special tokens, single characters, and pieces that at least `min_groups` groups contain.

    Args:
        tokenizer: a fast tokenizer: WordPiece, BPE or Unigram.
        rows: the corpus, each text with the name of its group.
        min_groups: minimum number of groups, at least 1.
        goal: bound on these pieces.
        whole: words that are read as before in any case.
        kept: further pieces that stay in any case, such as those of roles.
        general: number of the most frequent pieces of the tokenizer that stay in any case.

    Raises:
        InputError: another kind of tokenizer, or a goal that these texts and `min_groups` do not allow.
    """
    state = json.loads(tokenizer.backend_tokenizer.to_str())
    model = state["model"]
    if model["type"] not in TRIMMERS:
        raise InputError(
            f"`trim_vocabulary` is true, but only {', '.join(TRIMMERS)} tokenizers can be trimmed, not "
            f"{model['type']}. Set it to false."
        )
    kept = {*kept, *_most_frequent(model, general)}
    pieces = _kept(tokenizer, state, rows, min_groups, goal, whole, kept)
    vocabulary, sources = TRIMMERS[model["type"]](model, pieces)
    ids, sources = _with_added(vocabulary, sources, state["added_tokens"])
    for token in state["added_tokens"]:
        token["id"] = ids[token["content"]]
    _renumber_template(state.get("post_processor"), ids)
    # The class keeps its settings (lower-casing, special tokens); only the backend is replaced.
    return Trimmed(rebuilt(tokenizer, state), sources)


def apply_trim(model: EncoderClassifier, trimmed: Trimmed) -> EncoderClassifier:
    """Replace a model's embedding table by the trimmed one, ``(V', H)``, in place; return the model."""
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
    """Return ids and sources with the tokens that were added beside the vocabulary, such as speaker marks."""
    ids, more = dict(vocabulary), list(sources)
    for token in sorted(added, key=lambda token: int(token["id"])):
        if token["content"] not in ids:
            ids[token["content"]] = len(more)
            more.append((int(token["id"]),))
    return ids, tuple(more)


def _kept(
    tokenizer: Any,
    state: dict[str, Any],
    rows: Iterable[tuple[str, str]],
    min_groups: int,
    goal: Goal,
    whole: Collection[str],
    kept: Collection[str],
) -> Collection[str]:
    """Return the pieces of the full vocabulary that stay; `state` is the tokenizer's file, the rest `trim`'s."""
    model, added = state["model"], {token["content"] for token in state["added_tokens"]}
    vocabulary, special = dict(_by_id(model)), set(tokenizer.all_special_tokens) | added
    counts = count_pieces(tokenizer, rows, up_to=min_groups if goal == NO_GOAL else max(min_groups, RANKED_GROUPS))
    if model["type"] == "BPE":
        ranks = inherited_ranks(vocabulary, counts, _merges(model))
    else:
        ranks = own_ranks(vocabulary, counts)
    always = {piece for piece in vocabulary if piece in special or _is_character(piece, model)}
    always |= vocabulary.keys() & (set(kept) | _template_pieces(state.get("post_processor")))
    if model["type"] == "Unigram":
        always |= _unigram_always(model)
    always |= pieces_of(tokenizer, whole, _merges(model) if model["type"] == "BPE" else ()) & vocabulary.keys()
    frequent = {piece for piece, (groups, _) in ranks.items() if groups >= min_groups} - always
    if goal == NO_GOAL:
        return always | frequent

    def size(chosen: Collection[str]) -> int:
        # pieces that are left out may need more single characters
        more = _missing_characters(model, always.union(chosen)) if model["type"] == "WordPiece" else ()
        return len(always) + len(chosen) + len(more) + len(added - vocabulary.keys())

    return always | enough(Choice(vocabulary, counts, ranks, always, frequent, size), goal)


def _most_frequent(model: dict[str, Any], count: int) -> list[str]:
    """Return the first pieces of several letters, which are the most frequent where the tokenizer was made.

    The trainers of all three models number pieces by frequency, or by the order of merges, in which the parts of a
    piece come before it. They say what a language is made of, and none of it is the corpus's.
    """
    if model["type"] == "BPE":
        return [left + right for left, right in _merges(model)][:count]
    prefix = model.get("continuing_subword_prefix") or "▁"
    pieces = [piece for piece, _ in _by_id(model)]
    return [piece for piece in pieces if len(body := piece.removeprefix(prefix)) > 1 and body.isalpha()][:count]


def _template_pieces(processor: dict[str, Any] | None) -> set[str]:
    """Return the pieces that a post-processor puts around every text."""
    if processor is None:
        return set()
    inner = (_template_pieces(step) for step in processor.get("processors", []))
    named = {piece for entry in processor.get("special_tokens", {}).values() for piece in entry["tokens"]}
    return named.union(*inner)


def _is_character(piece: str, model: dict[str, Any]) -> bool:
    """Return whether a piece is a single character, or a byte of one."""
    if model.get("byte_fallback") and _BYTE.fullmatch(piece):
        return True
    return len(piece.removeprefix(model.get("continuing_subword_prefix") or "")) == 1


def _trim_wordpiece(
    model: dict[str, Any], kept: Collection[str]
) -> tuple[dict[str, int], tuple[tuple[int, ...], ...]]:
    """Return the kept pieces in their old order, then single characters that were only inside longer pieces."""
    old = {piece: (index,) for piece, index in _by_id(model) if piece in kept} | _missing_characters(model, kept)
    model["vocab"] = {piece: new for new, piece in enumerate(old)}
    return model["vocab"], tuple(old.values())


def _missing_characters(model: dict[str, Any], kept: Collection[str]) -> dict[str, tuple[int, ...]]:
    """Return single-character pieces that are needed but not in the full vocabulary, with the pieces around them.

    A character at a word's start needs its plain form, a later one its continued form.
    """
    prefix = model["continuing_subword_prefix"]
    needed: dict[str, list[int]] = {}
    for piece, old in _by_id(model):
        if piece in kept:
            continue
        body, start = piece.removeprefix(prefix), not piece.startswith(prefix)
        for place, character in enumerate(body):
            name = character if start and place == 0 else prefix + character
            if name not in kept:
                needed.setdefault(name, []).append(old)
    return {name: tuple(olds) for name, olds in needed.items()}


def _trim_bpe(model: dict[str, Any], kept: Collection[str]) -> tuple[dict[str, int], tuple[tuple[int, ...], ...]]:
    """Return the kept pieces in their old order, and reduce the model's merges to those among them.

    A merge stays only if its parts and its result do, which leaves every text readable: BPE begins with single
    symbols and stops merging earlier.
    """
    model["merges"] = [
        [left, right] for left, right in _merges(model) if left in kept and right in kept and left + right in kept
    ]
    old = {piece: index for piece, index in _by_id(model) if piece in kept}
    model["vocab"] = {piece: new for new, piece in enumerate(old)}
    return model["vocab"], tuple((index,) for index in old.values())


def _trim_unigram(
    model: dict[str, Any], kept: Collection[str]
) -> tuple[dict[str, int], tuple[tuple[int, ...], ...]]:
    """Return the kept pieces in their old order, and reduce the model to them with their scores.

    The best of all ways to split a text stays the best of those that are left, if it is among them.
    """
    old = {piece: index for piece, index in _by_id(model) if piece in kept}
    unknown = model["vocab"][model["unk_id"]][0]
    model["vocab"] = [model["vocab"][index] for index in old.values()]
    vocabulary = {piece: new for new, piece in enumerate(old)}
    model["unk_id"] = vocabulary[unknown]
    return vocabulary, tuple((index,) for index in old.values())


def _unigram_always(model: dict[str, Any]) -> set[str]:
    """Return the piece for unknown words, and pieces with a character that no piece has alone."""
    pieces = [piece for piece, _ in _by_id(model)]
    alone = {piece for piece in pieces if len(piece) == 1}
    return {model["vocab"][model["unk_id"]][0], *(piece for piece in pieces if set(piece) - alone)}


# per kind of tokenizer: reduces its model to the kept pieces, and returns their new ids and the old ids of each
TRIMMERS = {"WordPiece": _trim_wordpiece, "BPE": _trim_bpe, "Unigram": _trim_unigram}


def _by_id(model: dict[str, Any]) -> list[tuple[str, int]]:
    if model["type"] == "Unigram":
        return [(piece, index) for index, (piece, _) in enumerate(model["vocab"])]
    return sorted(model["vocab"].items(), key=lambda item: item[1])


def _merges(model: dict[str, Any]) -> list[tuple[str, str]]:
    """Return the merges, which versions of the file format write in two ways."""
    pairs = (rule.split(" ") if isinstance(rule, str) else rule for rule in model["merges"])
    return [(left, right) for left, right in pairs]


def _renumber_template(processor: dict[str, Any] | None, vocabulary: dict[str, int]) -> None:
    """Write the new ids of special tokens into the post-processor, which names them by id."""
    if processor is None:
        return
    for inner in processor.get("processors", []):
        _renumber_template(inner, vocabulary)
    for name, entry in processor.get("special_tokens", {}).items():
        entry["ids"] = [vocabulary[token] for token in entry["tokens"]] or vocabulary[name]
    for key in ("cls", "sep"):
        if isinstance(processor.get(key), list):
            processor[key] = [processor[key][0], vocabulary[processor[key][0]]]
