"""Counts of what a bundle decided, and how: histograms over many texts, in which no single text is kept."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from distill.export.runtime.deciding.scores import Bools, Floats
from distill.export.runtime.deciding.task import REASONS
from distill.export.runtime.manifest.records import names_of
from distill.export.runtime.untrusted.fields import Fields

Ints = npt.NDArray[np.int64]

# bins of a score: even steps of its logarithm of odds from -7 to 7, and all beyond in the outer ones
SCORE_BINS = 20

_WIDEST_ODDS = 7.0

_SMALLEST = 1e-7

# number of tokens from which on a text is in the next bin: half octaves
LENGTHS = (2, 3, 4, 6, 8, 12, 16, 23, 32, 45, 64, 91, 128, 181, 256, 362, 512, 1024, 2048)

# share of pieces without meaning from which on a text is in the next bin; the first one has those with none
SHARES = (1e-9, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8)

MAX_TEXTS = 2**40


@dataclass(frozen=True)
class Counts:
    """Numbers of texts.

    Attributes:
        texts: all of them.
        scores: per label, by bin of its score, ``(C, SCORE_BINS)``.
        decided: per label, whether or not the bundle then abstained.
        lengths: by number of tokens, cut.
        pieces: by share of pieces without meaning.
        handed_over: per reason; reasons without a text are missing.
    """

    texts: int
    scores: tuple[tuple[int, ...], ...]
    decided: tuple[int, ...]
    lengths: tuple[int, ...]
    pieces: tuple[int, ...]
    handed_over: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def none(cls, labels: int) -> "Counts":
        """Return zeros for as many labels."""
        row = (0,) * SCORE_BINS
        return cls(0, (row,) * labels, (0,) * labels, (0,) * (len(LENGTHS) + 1), (0,) * (len(SHARES) + 1))

    @classmethod
    def from_dict(cls, data: object, where: str, labels: int) -> "Counts":
        """Check and build; each histogram adds up to the number of texts.

        Raises:
            BundleError: names the field and the rule.
        """
        fields = Fields(data, where, names_of(cls))
        texts = fields.integer("texts", 0, MAX_TEXTS)
        reasons = Fields(fields.raw("handed_over"), f"{where}: handed_over", (), REASONS)
        return cls(
            texts=texts,
            scores=histograms_in(fields, "scores", labels, SCORE_BINS, texts),
            decided=_integers(fields, "decided", labels, texts),
            lengths=_histogram(fields, "lengths", len(LENGTHS) + 1, texts),
            pieces=_histogram(fields, "pieces", len(SHARES) + 1, texts),
            handed_over={
                reason: reasons.integer(reason, 1, texts) for reason in REASONS if reasons.raw(reason) is not None
            },
        )

    def __add__(self, other: "Counts") -> "Counts":
        """Return the counts of both."""
        return Counts(
            self.texts + other.texts,
            tuple(map(_added, self.scores, other.scores)),
            _added(self.decided, other.decided),
            _added(self.lengths, other.lengths),
            _added(self.pieces, other.pieces),
            {
                reason: count
                for reason in REASONS
                if (count := self.handed_over.get(reason, 0) + other.handed_over.get(reason, 0))
            },
        )

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "texts": self.texts,
            "scores": [list(row) for row in self.scores],
            "decided": list(self.decided),
            "lengths": list(self.lengths),
            "pieces": list(self.pieces),
            "handed_over": dict(self.handed_over),
        }


def counts_of(
    scores: Floats,
    decided: Bools,
    lengths: Sequence[int],
    shares: Sequence[float],
    handed_over: Iterable[tuple[str, ...]],
) -> Counts:
    """Return the counts of texts.

    Args:
        scores: ``(N, C)``.
        decided: ``(N, C)``.
        lengths: the number of tokens of each.
        shares: the share of pieces without meaning of each.
        handed_over: the reasons of each.
    """
    given = [reason for reasons in handed_over if reasons for reason in reasons]
    return Counts(
        texts=len(scores),
        scores=_rows(score_histograms(scores)),
        decided=tuple(decided.sum(axis=0).tolist()),
        lengths=_bins(np.searchsorted(LENGTHS, lengths, side="right"), len(LENGTHS) + 1),
        pieces=_bins(np.searchsorted(SHARES, shares, side="right"), len(SHARES) + 1),
        handed_over={reason: count for reason in REASONS if (count := given.count(reason))},
    )


def score_histograms(scores: Floats) -> Ints:
    """Return the number of scores of each label in each bin: ``(N, C) -> (C, SCORE_BINS)``."""
    labels = scores.shape[1]
    inside = np.clip(scores, _SMALLEST, 1 - _SMALLEST)
    places = 1 - inside
    # in place: this is done for every text that is decided
    np.log(np.divide(inside, places, out=places), out=places)
    places *= SCORE_BINS / (2 * _WIDEST_ODDS)
    places += SCORE_BINS / 2
    bins = np.clip(places, 0, SCORE_BINS - 1, out=places).astype(np.int64)
    bins += np.arange(labels) * SCORE_BINS
    return np.bincount(bins.ravel(), minlength=labels * SCORE_BINS).reshape(labels, SCORE_BINS)


def histograms_in(fields: Fields, key: str, rows: int, bins: int, texts: int) -> tuple[tuple[int, ...], ...]:
    """Return `rows` histograms of `bins` counts, each of `texts` texts.

    Raises:
        BundleError: names the field and the rule.
    """
    found = []
    for row in fields.items(key, rows):
        one = Fields({key: row}, fields.where, (key,))
        found.append(_histogram(one, key, bins, texts))
    return tuple(found)


def _histogram(fields: Fields, key: str, bins: int, texts: int) -> tuple[int, ...]:
    counts = _integers(fields, key, bins, texts)
    if sum(counts) != texts:
        raise fields.error(key, f"counts that add up to {texts}")
    return counts


def _integers(fields: Fields, key: str, count: int, most: int) -> tuple[int, ...]:
    fields.items(key, count)
    return fields.integers(key, count, 0, most)


def _bins(found: Ints, bins: int) -> tuple[int, ...]:
    return tuple(np.bincount(found, minlength=bins).tolist())


def _rows(table: Ints) -> tuple[tuple[int, ...], ...]:
    return tuple(map(tuple, table.tolist()))


def _added(left: tuple[int, ...], right: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(one + other for one, other in zip(left, right, strict=True))
