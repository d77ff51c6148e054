"""The words that a decision used: what changes when each is left out, and which must go for another decision.

Occlusion (Zeiler & Fergus 2014; Li et al. 2016, arXiv:1612.08220) on token ids: nothing is tokenized again, so
that leaving a word out of a long text brings no further text in. It says what the model used, and nothing about
why somebody feels so.
"""

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, compress, islice
from math import comb
from typing import Any

import numpy as np
import numpy.typing as npt

from distill.export.runtime.deciding.scores import Bools, Doubles
from distill.export.runtime.deciding.task import Policy, Prediction, Task
from distill.export.runtime.reading.inputs import Encoded
from distill.export.runtime.reading.words_of import ReadWords

# a text of more words is explained by groups of neighbours, because each word costs two texts
MAX_WORDS = 100

# deletions of one size that are all tried for the smallest one; beyond it words are added one by one
MAX_DELETIONS = 300

# texts that are decided together at most while a deletion is looked for
DELETIONS_AT_ONCE = 64

# words by number, and the score of the label without them
Flip = tuple[tuple[int, ...], float]

# the graph's logits (N, C) for rows of tokens
Forward = Callable[[list[Encoded]], npt.NDArray[np.float32]]


@dataclass(frozen=True)
class WordEffect:
    """The effect of one word: the text's score for the explained label minus the score without the word.

    Attributes:
        segment, start, end: the word is `text[start:end]`, in code points; of a pair's second text if `segment`
            is 1. Neighbours share an entry where a text has more than `MAX_WORDS` words.
        change: of the score, in [-1, 1], when the word is left out; positive where the word speaks for the label.
        masked_change: the same when a mask token is in its place; None where the vocabulary has no such token.
        gained, lost: labels that are decided in addition, or no longer, when the word is left out.
    """

    segment: int
    start: int
    end: int
    change: float
    masked_change: float | None
    gained: tuple[str, ...]
    lost: tuple[str, ...]


@dataclass(frozen=True)
class Deletion:
    """Words without which the explained label is decided the other way, as indices of `Explanation.words`.

    `smallest` is true if every smaller deletion was tried; otherwise no word of it can stay, but another one of
    fewer words may exist.
    """

    words: tuple[int, ...]
    score: float
    smallest: bool


@dataclass(frozen=True)
class Explanation:
    """The words that the model used of one text, for one label; `words` are in the order of the text.

    `decided` is whether the label's score decides for it, whether or not the bundle then abstains. There are no
    words where the text cannot be read. `deletion` is None where it was not asked for, or no deletion flips.
    """

    label: str
    score: float
    decided: bool
    prediction: Prediction
    words: tuple[WordEffect, ...]
    deletion: Deletion | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values, without anything of the text."""
        return dataclasses.asdict(self)


class Occlusion:
    """One text without some of its words, decided by a bundle's rule; `forward` computes logits."""

    def __init__(self, read: ReadWords, task: Task, policy: Policy, forward: Forward) -> None:
        self._read, self._task, self._forward = read, task, forward
        # a decision below the confidence that a bundle answers from is a decision too
        self._policy = dataclasses.replace(policy, abstain_below=None)

    def explanation(
        self, prediction: Prediction, label: str | None, *, minimal: bool, masked: bool
    ) -> Explanation:
        """Return the whole explanation of what was decided for the text; arguments are those of the classifier."""
        labels = self._task.labels
        scores = np.array([prediction.scores[name] for name in labels])  # (C,)
        whole = self._task.decide(scores[None], self._policy)[0]
        among = np.flatnonzero(whole) if whole.any() else np.arange(len(scores))
        number = int(among[scores[among].argmax()]) if label is None else labels.index(label)
        decided = bool(whole[number])
        words = self.effects(scores, number, masked=masked)
        deletion = self.smallest_flip(words, number, decided=decided) if minimal else None
        return Explanation(labels[number], float(scores[number]), decided, prediction, words, deletion)

    def effects(self, scores: Doubles, label: int, *, masked: bool = True) -> tuple[WordEffect, ...]:
        """Return the effect of each word on a label, given the whole text's scores ``(C,)``."""
        words = self._read.words
        if not words:
            return ()
        rows = [self._without((at,)) for at in range(len(words))]
        mask_id = self._read.mask_id if masked else None
        if mask_id is not None:
            rows += [self._masked(at, mask_id) for at in range(len(words))]
        found, decided = self._decide(rows)
        whole = self._task.decide(scores[None], self._policy)[0]
        behind_masks = found[len(words) :, label]
        return tuple(
            WordEffect(
                segment=word.span.segment,
                start=word.span.start,
                end=word.span.end,
                change=float(scores[label] - found[at, label]),
                masked_change=float(scores[label] - behind_masks[at]) if len(behind_masks) else None,
                gained=tuple(compress(self._task.labels, decided[at] & ~whole)),
                lost=tuple(compress(self._task.labels, whole & ~decided[at])),
            )
            for at, word in enumerate(words)
        )

    def smallest_flip(self, effects: Sequence[WordEffect], label: int, *, decided: bool) -> Deletion | None:
        """Return the fewest words whose deletion decides a label the other way; None if even all of them do not.

        Sizes of which there are at most `MAX_DELETIONS` are tried completely. Then words are left out one by one,
        those that speak most for the decision first, and each that can come back does.
        """
        count, size = len(effects), 1
        while size <= count and comb(count, size) <= MAX_DELETIONS:
            best = self._best(list(combinations(range(count), size)), label, decided)
            if best is not None:
                return Deletion(best[0], best[1], smallest=True)
            size += 1
        return None if size > count else self._greedy(effects, label, decided)

    def _greedy(self, effects: Sequence[WordEffect], label: int, decided: bool) -> Deletion | None:
        order = sorted(range(len(effects)), key=lambda at: effects[at].change, reverse=decided)
        growing = [tuple(sorted(order[:size])) for size in range(1, len(order) + 1)]
        found = next((flip for flip in self._flips(growing, label, decided)), None)
        if found is None:
            return None
        kept, score = found
        for at in reversed(order[: len(kept)]):
            fewer = tuple(word for word in kept if word != at)
            again = next(self._flips([fewer], label, decided), None) if fewer else None
            if again is not None:
                kept, score = again
        return Deletion(kept, score, smallest=False)

    def _best(self, deletions: list[tuple[int, ...]], label: int, decided: bool) -> Flip | None:
        """Return the flipping deletion whose score is farthest on the other side, the first on a tie."""
        found = list(self._flips(deletions, label, decided))
        return min(found, key=lambda flip: flip[1] if decided else -flip[1]) if found else None

    def _flips(self, deletions: Sequence[tuple[int, ...]], label: int, decided: bool) -> Iterator[Flip]:
        """Yield those that flip, with the label's score."""
        waiting = iter(deletions)
        while block := list(islice(waiting, DELETIONS_AT_ONCE)):
            scores, decisions = (found[:, label] for found in self._decide([*map(self._without, block)]))
            for words, score, yes in zip(block, scores.tolist(), decisions.tolist(), strict=True):
                if yes is not decided:
                    yield words, score

    def _decide(self, rows: list[Encoded]) -> tuple[Doubles, Bools]:
        scores = self._task.scores(self._forward(rows)).astype(np.float64)  # (N, C)
        return scores, self._task.decide(scores, self._policy)

    def _without(self, words: tuple[int, ...]) -> Encoded:
        gone = {token for at in words for token in self._read.words[at].tokens}
        encoded = self._read.encoded
        left = [place for place in range(len(encoded.ids)) if place not in gone]
        types = [encoded.type_ids[place] for place in left] if encoded.type_ids else []
        return encoded._replace(ids=[encoded.ids[place] for place in left], type_ids=types)

    def _masked(self, word: int, mask_id: int) -> Encoded:
        ids = list(self._read.encoded.ids)
        for token in self._read.words[word].tokens:
            ids[token] = mask_id
        return self._read.encoded._replace(ids=ids)
