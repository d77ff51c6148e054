"""Rules by which a bundle hands texts over whatever their scores are, from a tokenizer and validation's tokens."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from math import ceil, floor
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from distill.export.runtime.deciding.domain import ENERGY, OutOfDomain, energy_of, has_energy
from distill.export.runtime.deciding.hand_over import (
    CONTINUATION,
    START,
    HandOver,
    PieceReader,
    Unreadable,
    block_of,
)
from distill.export.runtime.deciding.scores import Floats
from distill.export.runtime.deciding.task import Task
from distill.export.runtime.errors import InputError
from distill.export.runtime.manifest.optional import Objects
from distill.export.runtime.reading.said import Framing
from distill.recipe.shipping import DecisionsRecipe
from distill.variants.word_forms import forms_of

# a smaller share of pieces without meaning does not make a text unreadable
LEAST_SHARE = 0.5

# validation texts with letters of a block of characters from which on these count as learnt
LEAST_TEXTS = 3

# marks of the first piece of a word: SentencePiece's, and the blank of byte-level BPE
START_MARKS = ("\u2581", "\u0120")

NO_MARK = "##"


@dataclass(frozen=True)
class FittedUnreadable:
    """The rule, and the share of validation that it does not decide."""

    rule: Unreadable
    validation_share: float


@dataclass(frozen=True)
class HandOverRules:
    """The rules of one bundle; each may be None."""

    unreadable: FittedUnreadable | None = None
    flags: HandOver | None = None
    domain: OutOfDomain | None = None

    @property
    def objects(self) -> Objects:
        """Return them as objects of a manifest."""
        unreadable = None if self.unreadable is None else self.unreadable.rule
        return Objects(unreadable=unreadable, hand_over=self.flags, out_of_domain=self.domain)

    @property
    def metrics(self) -> dict[str, float]:
        """Return what was measured of them."""
        return {} if self.unreadable is None else {"validation_unreadable": self.unreadable.validation_share}


def rules_of(
    policy: DecisionsRecipe, tokenizer: Tokenizer, rows: Iterable[list[int]], framing: Framing
) -> HandOverRules:
    """Return the rules that a recipe asks for; the other arguments are those of `fit_unreadable`.

    Raises:
        InputError: the recipe's list of words cannot be used.
    """
    unreadable = None
    if policy.unreadable_share > 0:
        unreadable = fit_unreadable(tokenizer, rows, framing, policy.unreadable_share)
    name, words = (None, ()) if policy.hand_over_words is None else forms_of(policy.hand_over_words)
    flags = HandOver("text", policy.hand_over_truncated, name, words)
    return HandOverRules(unreadable, flags if policy.hand_over_truncated or words else None)


def check_domain(share: float, rows: int) -> None:
    """Check that a share of validation is at least one row, or no rule could be fitted.

    Raises:
        InputError: it is less.
    """
    if share and floor(share * rows + 1e-9) < 1:
        least = ceil(10_000 / max(rows, 1)) / 10_000
        raise InputError(
            f"decisions.out_of_domain_share: {share:g} of {rows} validation rows is less than one. Raise it to "
            f"{least:g}, or set it to 0."
        )


def fit_domain(logits: Floats, task: Task, share: float) -> OutOfDomain | None:
    """Return the rule that hands over a share of validation by its energy; None where it asks for less than a row.

    Args:
        logits: of validation, calibrated, ``(N, C)``, by what ships.
        task: the kind of labels.
        share: of the rows to hand over.

    Raises:
        InputError: the task has no energy.
    """
    if not share:
        return None
    if not has_energy(task):
        raise InputError(f"decisions.out_of_domain_share: An {task.kind} task has no energy. Remove the key.")
    energies = np.sort(energy_of(logits, task))
    allowed = floor(share * len(energies) + 1e-9)
    if not 0 < allowed < len(energies):
        return None
    below = float(energies[allowed])
    return OutOfDomain(ENERGY, below, float((energies < below).mean()))


def fit_unreadable(
    tokenizer: Tokenizer, rows: Iterable[list[int]], framing: Framing, most: float
) -> FittedUnreadable:
    """Return the strictest rule that leaves at most a share of validation undecided.

    Args:
        tokenizer: the student's.
        rows: token ids of validation, with special tokens.
        framing: what is in a row's ids beside what was said.
        most: upper bound on the share of rows that the rule leaves undecided.
    """
    ids = list(rows)
    kind, mark, unknown = _marks_of(json.loads(tokenizer.to_str())["model"])
    rule = Unreadable(kind, mark, unknown, _blocks_of(tokenizer, ids, mark), LEAST_SHARE)
    reader = PieceReader(rule, tokenizer, framing)
    shares = np.array([reader.share(row) for row in ids])
    of_words = np.array([reader.share_of_words(row) for row in ids])
    share = _least_share(shares, most * len(ids))
    left = of_words[shares < share]
    least: float | None = _least_share(left, most * len(ids) - (len(ids) - len(left)))
    if least == 1.0:
        least = None
    fitted = PieceReader(replace(rule, from_share=share, from_share_of_words=least), tokenizer, framing)
    return FittedUnreadable(fitted.rule, sum(map(fitted.unreadable, ids)) / max(1, len(ids)))


def _least_share(shares: NDArray[np.float64], most: float) -> float:
    """Return the least share, from LEAST_SHARE on, that at most `most` texts reach; 1 where there is none."""
    ranked, allowed = np.sort(shares)[::-1], max(0, floor(most + 1e-9))
    if allowed >= len(ranked) or ranked[allowed] < LEAST_SHARE:
        return LEAST_SHARE
    return min(1.0, float(np.nextafter(ranked[allowed], 2.0)))


def _marks_of(model: Mapping[str, Any]) -> tuple[str, str, str | None]:
    """Return kind and mark of a tokenizer's pieces, and its unknown piece."""
    if model["type"] == "Unigram":
        unknown = model.get("unk_id")
        return START, START_MARKS[0], None if unknown is None else model["vocab"][unknown][0]
    if model["type"] == "BPE":
        for mark in START_MARKS:
            if any(piece.startswith(mark) for piece in model["vocab"]):
                return START, mark, model.get("unk_token")
    return CONTINUATION, model.get("continuing_subword_prefix") or NO_MARK, model.get("unk_token")


def _blocks_of(tokenizer: Tokenizer, rows: Iterable[list[int]], mark: str) -> tuple[int, ...]:
    """Return the blocks of characters whose letters are in enough rows."""
    blocks = {number: block_of(piece.removeprefix(mark)) for piece, number in tokenizer.get_vocab().items()}
    counts = Counter(block for row in rows for block in {blocks[number] for number in row})
    return tuple(sorted(block for block, texts in counts.items() if block is not None and texts >= LEAST_TEXTS))
