"""Which pieces of a tokenizer a corpus needs: counted, ranked by the groups that they stand in, the first of them.

Nothing here looks at how a tokenizer's file is made; a piece is its name.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from itertools import accumulate, islice
from typing import Any

from distill.export.runtime.errors import InputError
from distill.teachers.tokenizers import without_truncation

BATCH = 4096

# how often a piece occurs counts among pieces of as many groups, or of at least so many: then it is the word of
# more than a few people, and its groups need not be remembered any more
RANKED_GROUPS = 100


@dataclass(frozen=True)
class Goal:
    """Which of the pieces that may be kept are kept: at most `pieces` in all; the fewest with this `coverage`.

    `coverage` is the share of the corpus's tokens whose piece is kept. With both, the fewest that cover so much
    must be no more than `pieces`.
    """

    pieces: int | None = None
    coverage: float | None = None


NO_GOAL = Goal()


@dataclass(frozen=True)
class PieceCounts:
    """By old id: in how many groups each piece stands, counted up to a bound, and how often it occurs."""

    groups: dict[int, int]
    occurrences: dict[int, int]


def count_pieces(tokenizer: Any, rows: Iterable[tuple[str, str]], *, up_to: int) -> PieceCounts:
    """Counts of each piece that occurs, groups up to a bound; the full tokenizer splits the texts."""
    plain = without_truncation(tokenizer)
    holders: dict[int, set[bytes]] = {}
    occurrences: Counter[int] = Counter()
    rows = iter(rows)
    while some := list(islice(rows, BATCH)):
        encodings = plain.encode_batch([text for text, _ in some], add_special_tokens=False)
        for (_, group), encoding in zip(some, encodings, strict=True):
            occurrences.update(encoding.ids)
            name = blake2b(group.encode("utf-8", "surrogatepass"), digest_size=8).digest()  # it may be a text
            for piece in set(encoding.ids):
                found = holders.setdefault(piece, set())
                if len(found) < up_to:
                    found.add(name)
    return PieceCounts({piece: len(found) for piece, found in holders.items()}, dict(occurrences))


Ranks = dict[str, tuple[int, int]]


def own_ranks(vocabulary: Mapping[str, int], counts: PieceCounts) -> Ranks:
    """In how many groups each piece stands and how often it occurs; the larger, the sooner it is kept.

    Of two that are as frequent the first of these is kept, which is the one with the smaller id.
    """
    return {
        piece: (counts.groups.get(vocabulary[piece], 0), counts.occurrences.get(vocabulary[piece], 0))
        for piece in sorted(vocabulary, key=vocabulary.__getitem__)
    }


def inherited_ranks(
    vocabulary: Mapping[str, int], counts: PieceCounts, merges: Sequence[tuple[str, str]]
) -> Ranks:
    """The same of pieces that are merged out of others.

    A piece made of two is contained wherever the larger is, so parts inherit the counts of what is made from them.
    They stand before it, whatever their ids are (RoBERTa's are by frequency): without them it is never made.
    """
    ranks = own_ranks(vocabulary, counts)
    for left, right in reversed(merges):
        whole = ranks.get(left + right, (0, 0))
        for part in (left, right):
            own = ranks.get(part, (0, 0))
            ranks[part] = (max(own[0], whole[0]), max(own[1], whole[1]))
    made: dict[str, int] = {}
    for place, (left, right) in enumerate(merges):
        made.setdefault(left + right, place)
    return {piece: ranks[piece] for piece in sorted(vocabulary, key=lambda piece: made.get(piece, -1))}


@dataclass(frozen=True)
class Choice:
    """What a goal chooses among: the full `vocabulary`, counts and ranks; what is kept anyhow, what may be kept.

    `size` is that of a tokenizer that keeps these of the frequent ones. One more makes it at most one larger.
    """

    vocabulary: Mapping[str, int]
    counts: PieceCounts
    ranks: Ranks
    always: Collection[str]
    frequent: Collection[str]
    size: Callable[[Collection[str]], int]

    def best_first(self) -> list[str]:
        """The frequent ones; two that are as frequent in the order of the ranks."""
        frequent = (piece for piece in self.ranks if piece in self.frequent)
        return sorted(frequent, key=self.ranks.__getitem__, reverse=True)

    def coverage(self, best: Sequence[str]) -> list[float]:
        """The share of all tokens whose piece is kept, with none of the best, with one, with two, ..."""
        occurrences = [self.counts.occurrences.get(self.vocabulary[piece], 0) for piece in best]
        anyhow = sum(self.counts.occurrences.get(self.vocabulary[piece], 0) for piece in self.always)
        total = sum(self.counts.occurrences.values())
        return [found / total if total else 1.0 for found in accumulate(occurrences, initial=anyhow)]


def enough(choice: Choice, goal: Goal) -> set[str]:
    """Of the frequent pieces those that the goal asks for.

    Raises:
        InputError: it cannot be had.
    """
    best = choice.best_first()
    room = len(best) if goal.pieces is None else _room(choice, best, goal.pieces)
    if goal.coverage is None:
        return set(best[:room])
    covered = choice.coverage(best)
    needed = next((count for count, found in enumerate(covered) if found >= goal.coverage), None)
    if needed is None:
        raise InputError(
            f"student.vocabulary_coverage is {goal.coverage:g}, and the pieces that stand in "
            f"student.min_piece_groups groups are {covered[-1]:.6f} of the tokens; lower one of the two"
        )
    if needed > room:
        raise InputError(
            f"student.vocabulary_coverage = {goal.coverage:g} takes {choice.size(best[:needed])} pieces, and "
            f"student.vocabulary_bytes is enough for {goal.pieces}, which are {covered[room]:.6f} of the tokens; "
            "lower the one or raise the other"
        )
    return set(best[:needed])


def _room(choice: Choice, best: Sequence[str], pieces: int) -> int:
    """How many of the best a tokenizer of so many pieces has room for."""
    least = choice.size(())
    if least > pieces:
        raise InputError(
            f"student.vocabulary_bytes is enough for {pieces} pieces, and special tokens and single characters, "
            f"which are always kept, are {least}; raise it, or lower student.width"
        )
    count = 0
    while count < len(best) and (left := pieces - choice.size(best[:count])) > 0:
        count = min(len(best), count + left)
    return count
