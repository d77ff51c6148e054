"""A corpus as counts: rows, labels, lengths, leaks, quarantine. Never a text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from distill.corpora.corpus import Corpus, Split
from distill.corpora.storage.text_store import BLOCK
from distill.corpora.targets import CODECS
from distill.export.runtime.deciding.task import Task
from distill.export.runtime.reading.inputs import Row, segments_of

# the name of a split and some of its texts -> their lengths in tokens
CountTokens = Callable[[str, list[Row]], list[int]]


@dataclass(frozen=True)
class Lengths:
    """Quantiles of a length over the rows of a split."""

    p50: int
    p95: int
    p99: int
    longest: int


@dataclass(frozen=True)
class SplitReport:
    """One split: `labels` counts rows per label, `cardinality` is the mean number of labels per row.

    `labels`, `cardinality` and `rows_without_label` are None in the transfer split, `groups` without a
    group column, the lengths and `cut_share` (of texts longer than `max_tokens`) where no tokenizer counts them.
    """

    name: str
    rows: int
    groups: int | None
    labels: dict[str, int] | None
    cardinality: float | None
    rows_without_label: int | None
    characters: Lengths | None
    words: Lengths | None
    tokens: Lengths | None
    cut_share: float | None


@dataclass(frozen=True)
class LeakCount:
    """Rows of a split that share a text or a group with a held-out split; by "context", a turn of its contexts."""

    split: str
    by: str
    removed: int
    kept: int


@dataclass(frozen=True)
class CorpusReport:
    """A corpus in numbers; `notes` are those of the corpus, `bad_rows` counts quarantined rows by reason."""

    task: str
    labels: tuple[str, ...]
    max_tokens: int
    splits: tuple[SplitReport, ...]
    leaks: tuple[LeakCount, ...]
    quarantined: int
    bad_rows: dict[str, int]
    notes: dict[str, int]

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        return asdict(self)


def describe(corpus: Corpus, bad_rows: Counter[str], lengths: CountTokens | None, max_tokens: int) -> CorpusReport:
    """Count what a corpus holds.

    `bad_rows` are those in quarantine by reason; `lengths` returns the number of tokens of each text of a
    split, uncut and with the special ones that a model adds. Without it no text is read.
    """
    return CorpusReport(
        task=corpus.task.kind,
        labels=corpus.task.labels,
        max_tokens=max_tokens,
        splits=tuple(
            _describe_split(name, split, corpus.task, lengths, max_tokens) for name, split in corpus.splits()
        ),
        leaks=tuple(_leaks(corpus)),
        quarantined=bad_rows.total(),
        bad_rows=dict(bad_rows.most_common()),
        notes=dict(corpus.notes),
    )


def _describe_split(
    name: str, split: Split, task: Task, lengths: CountTokens | None, max_tokens: int
) -> SplitReport:
    """Count what one split holds."""
    counted = None if lengths is None else _count_lengths(name, split.texts, lengths)
    labels: dict[str, int] | None = None
    sizes: NDArray[np.int32] | None = None
    if split.targets is not None:
        ids = CODECS[task.kind].decode(split.targets)
        counts = np.bincount(ids.values, minlength=task.num_labels)
        labels = {label: int(count) for label, count in zip(task.labels, counts, strict=True)}
        sizes = ids.sizes()
    return SplitReport(
        name=name,
        rows=len(split),
        groups=None if split.groups is None else len(np.unique(split.groups)),
        labels=labels,
        cardinality=None if sizes is None else float(sizes.sum()) / max(len(sizes), 1),
        rows_without_label=None if sizes is None else int((sizes == 0).sum()),
        characters=None if counted is None else _quantiles(counted.characters),
        words=None if counted is None else _quantiles(counted.words),
        tokens=None if counted is None else _quantiles(counted.tokens),
        cut_share=None if counted is None else _share_above(counted.tokens, max_tokens),
    )


@dataclass(frozen=True)
class _LengthCounts:
    """Texts by their number of characters, words and tokens."""

    characters: Counter[int] = field(default_factory=Counter)
    words: Counter[int] = field(default_factory=Counter)
    tokens: Counter[int] = field(default_factory=Counter)


def _count_lengths(name: str, texts: Sequence[Row], count_tokens: CountTokens) -> _LengthCounts:
    counts = _LengthCounts()
    for start in range(0, len(texts), BLOCK):
        block = list(texts[start : start + BLOCK])
        counts.characters.update(sum(map(len, segments_of(row))) for row in block)
        counts.words.update(sum(len(text.split()) for text in segments_of(row)) for row in block)
        counts.tokens.update(count_tokens(name, block))
    return counts


def _quantiles(counts: Counter[int]) -> Lengths:
    """Return quantiles among the lengths that occur; zeros for a split without rows."""
    if not counts:
        return Lengths(0, 0, 0, 0)
    values = np.array(sorted(counts))
    reached = np.cumsum([counts[value] for value in values.tolist()])
    places = np.searchsorted(reached, np.array([0.5, 0.95, 0.99, 1.0]) * reached[-1])
    return Lengths(*(int(values[place]) for place in places))


def _share_above(counts: Counter[int], bound: int) -> float:
    """Return the share of texts that are longer than a bound."""
    return sum(count for length, count in counts.items() if length > bound) / max(counts.total(), 1)


def _leaks(corpus: Corpus) -> list[LeakCount]:
    """Return the leak counts that are not zero among the notes."""
    leaks = []
    for split, _ in corpus.splits():
        for by in ("text", "group", "context"):
            removed = corpus.notes.get(f"{split}_leaks_{by}_removed", 0)
            kept = corpus.notes.get(f"{split}_leaks_{by}_kept", 0)
            if removed or kept:
                leaks.append(LeakCount(split, by, removed, kept))
    return leaks
