"""The words that decisions used over many texts, if enough groups have them."""

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from distill.artifacts.report import UsedWord
from distill.export.runtime.classifier import Classifier
from distill.export.runtime.reading.inputs import Row, Turns, segments_of

# a word of fewer groups could be somebody's
LEAST_GROUPS = 5

MOST_TEXTS = 2000

# a word that changes a score less says nothing
LEAST_CHANGE = 0.02

SHOWN = 8  # words per label

MOST_CHARACTERS = 40


def used_words(
    bundle: Classifier, texts: Sequence[Row], groups: NDArray[np.int32] | None, *, seed: int
) -> tuple[UsedWord, ...]:
    """Return the words that change the score of a decided label most, on average over the texts that have them.

    Args:
        bundle: what ships.
        texts: of validation; at most `MOST_TEXTS` of them are drawn.
        groups: the number of each text's group; each text is one where there are none.
        seed: of the draw.
    """
    if isinstance(bundle.input, Turns):  # what a word does depends on the turns around it
        return ()
    rows = np.random.default_rng(seed).permutation(len(texts))[:MOST_TEXTS]
    changes: dict[tuple[str, str], list[float]] = defaultdict(list)
    seen: dict[tuple[str, str], set[int]] = defaultdict(set)
    for row in rows.tolist():
        text = texts[row]
        found = bundle.explain(text, masked=False)
        if not found.decided:
            continue
        for word in found.words:
            named = segments_of(text)[word.segment][word.start : word.end].casefold()
            if not any(map(str.isalnum, named)) or len(named) > MOST_CHARACTERS:
                continue
            changes[found.label, named].append(word.change)
            seen[found.label, named].add(row if groups is None else int(groups[row]))
    words = [
        UsedWord(label, word, float(np.mean(found)), len(found), len(seen[label, word]))
        for (label, word), found in changes.items()
        if len(seen[label, word]) >= LEAST_GROUPS and abs(np.mean(found)) >= LEAST_CHANGE
    ]
    words.sort(key=lambda word: (bundle.labels.index(word.label), -abs(word.change), word.word))
    by_label = {label: [word for word in words if word.label == label][:SHOWN] for label in bundle.labels}
    return tuple(word for found in by_label.values() for word in found)
