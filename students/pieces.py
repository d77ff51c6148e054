"""Choose the pieces of a tokenizer that a corpus needs: count them, rank them by groups, keep the first.

The format of a tokenizer's file is unknown here; a piece is its name.
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

# Pieces in equally many groups, or in at least this many, are ranked by their occurrences: with this many groups a
# piece is the word of more than a few people, and its further groups need not be remembered.
RANKED_GROUPS = 100


@dataclass(frozen=True)
class Goal:
    """The bound on the pieces that are kept: at most `pieces` in all; the fewest with this `coverage`.

    `coverage` is the share of the corpus's tokens whose piece is kept. With both, the fewest pieces with that
    coverage must be at most `pieces`.
    """

    pieces: int | None = None
    coverage: float | None = None


NO_GOAL = Goal()


@dataclass(frozen=True)
class PieceCounts:
    """Counts by old id: the groups that contain each piece, up to a bound, and its occurrences."""

    groups: dict[int, int]
    occurrences: dict[int, int]


def count_pieces(tokenizer: Any, rows: Iterable[tuple[str, str]], *, up_to: int) -> PieceCounts:
    """Count each piece that occurs, and its groups up to `up_to`; the full tokenizer splits the texts."""
    plain = without_truncation(tokenizer)
    holders: dict[int, set[bytes]] = {}
    occurrences: Counter[int] = Counter()
    rows = iter(rows)
    while batch := list(islice(rows, BATCH)):
        encodings = plain.encode_batch([text for text, _ in batch], add_special_tokens=False)
        for (_, group), encoding in zip(batch, encodings, strict=True):
            occurrences.update(encoding.ids)
            name = blake2b(
                group.encode("utf-8", "surrogatepass"), digest_size=8
            ).digest()  # a group's name may be a text, so only its hash is kept
            for piece in set(encoding.ids):
                groups = holders.setdefault(piece, set())
                if len(groups) < up_to:
                    groups.add(name)
    return PieceCounts({piece: len(groups) for piece, groups in holders.items()}, dict(occurrences))


Ranks = dict[str, tuple[int, int]]


def own_ranks(vocabulary: Mapping[str, int], counts: PieceCounts) -> Ranks:
    """Return the number of groups and of occurrences of each piece; pieces with larger ranks are kept first.

    Of two with equal ranks the first in this dict is kept, which is the one with the smaller id.
    """
    return {
        piece: (counts.groups.get(vocabulary[piece], 0), counts.occurrences.get(vocabulary[piece], 0))
        for piece in sorted(vocabulary, key=vocabulary.__getitem__)
    }


def inherited_ranks(
    vocabulary: Mapping[str, int], counts: PieceCounts, merges: Sequence[tuple[str, str]]
) -> Ranks:
    """Return the ranks of pieces that are merged from others; otherwise as `own_ranks`.

    The parts of a piece are contained wherever the piece is, so they inherit its counts. They come before it,
    whatever their ids are (RoBERTa's are by frequency), because without them it is never merged.
    """
    ranks = own_ranks(vocabulary, counts)
    for left, right in reversed(merges):
        whole = ranks.get(left + right, (0, 0))
        for part in (left, right):
            rank = ranks.get(part, (0, 0))
            ranks[part] = (max(rank[0], whole[0]), max(rank[1], whole[1]))
    made: dict[str, int] = {}
    for place, (left, right) in enumerate(merges):
        made.setdefault(left + right, place)
    return {piece: ranks[piece] for piece in sorted(vocabulary, key=lambda piece: made.get(piece, -1))}


@dataclass(frozen=True)
class Choice:
    """The pieces that a goal chooses among, with the full `vocabulary`, counts and ranks.

    Pieces in `always` are kept whatever the goal; those in `frequent` may be kept. `size` returns the size of a
    tokenizer that keeps the given frequent pieces; one piece more makes it at most one larger.
    """

    vocabulary: Mapping[str, int]
    counts: PieceCounts
    ranks: Ranks
    always: Collection[str]
    frequent: Collection[str]
    size: Callable[[Collection[str]], int]

    def best_first(self) -> list[str]:
        """Return the frequent pieces by rank, largest first; equal ranks stay in the order of the ranks."""
        frequent = (piece for piece in self.ranks if piece in self.frequent)
        return sorted(frequent, key=self.ranks.__getitem__, reverse=True)

    def coverage(self, best: Sequence[str]) -> list[float]:
        """Return the share of all tokens whose piece is kept, with none of the best, with one, with two, ..."""
        occurrences = [self.counts.occurrences.get(self.vocabulary[piece], 0) for piece in best]
        always = sum(self.counts.occurrences.get(self.vocabulary[piece], 0) for piece in self.always)
        total = sum(self.counts.occurrences.values())
        return [covered / total if total else 1.0 for covered in accumulate(occurrences, initial=always)]


def enough(choice: Choice, goal: Goal) -> set[str]:
    """Return the frequent pieces that the goal asks for.

    Raises:
        InputError: the goal cannot be reached.
    """
    best = choice.best_first()
    room = len(best) if goal.pieces is None else _room(choice, best, goal.pieces)
    if goal.coverage is None:
        return set(best[:room])
    covered = choice.coverage(best)
    needed = next((count for count, share in enumerate(covered) if share >= goal.coverage), None)
    if needed is None:
        raise InputError(
            f"`vocabulary_coverage` is {goal.coverage:g}, but the pieces that are in at least `min_piece_groups` "
            f"groups cover {covered[-1]:.6f} of the tokens. Lower one of the two."
        )
    if needed > room:
        raise InputError(
            f"`vocabulary_coverage` is {goal.coverage:g}, which takes {choice.size(best[:needed])} pieces, and "
            f"`vocabulary_bytes` is enough for {goal.pieces}, which cover {covered[room]:.6f} of the tokens. "
            "Lower the first or raise the second."
        )
    return set(best[:needed])


def _room(choice: Choice, best: Sequence[str], pieces: int) -> int:
    """Return how many of the best pieces fit in a tokenizer of `pieces` pieces."""
    least = choice.size(())
    if least > pieces:
        raise InputError(
            f"`vocabulary_bytes` is enough for {pieces} pieces, but special tokens and single characters, which "
            f"are always kept, are {least}. Raise it, or lower `width`."
        )
    count = 0
    while count < len(best) and (left := pieces - choice.size(best[:count])) > 0:
        count = min(len(best), count + left)
    return count
