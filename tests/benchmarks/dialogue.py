"""Baselines of a corpus of conversations: the majority, the previous label, and TF-IDF with and without context.

`python -m tests.benchmarks.dialogue RECIPE [KEY=VALUE ...]` prints macro-F1 on the recipe's test split.
docs/results/dialogue.md has its numbers.
"""

import sys
from collections import Counter

import numpy as np
from numpy.typing import NDArray
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score

from distill.corpora.assembly.read import read_corpus
from distill.corpora.corpus import Corpus, Split
from distill.corpora.storage.windows import Windows
from distill.export.runtime.reading.inputs import Window
from distill.recipe.load import load_recipe
from distill.recipe.sources import corpus_spec


def windows_of(split: Split) -> Windows:
    assert isinstance(split.texts, Windows)
    return split.texts


def before(split: Split) -> list[int | None]:
    """The label of the labelled turn before each row in its conversation; None for the first."""
    places, starts = windows_of(split).places, windows_of(split).log.starts
    assert split.targets is not None
    order = np.argsort(places)
    found: list[int | None] = [None] * len(places)
    for row, earlier in zip(order[1:].tolist(), order[:-1].tolist(), strict=True):
        if starts[places[row]] == starts[places[earlier]]:
            found[row] = int(split.targets[earlier])
    return found


def text_of(window: Window, turns: int) -> str:
    """The decided turn, and words of context marked by their distance and speaker, so that they count apart."""
    parts = [window.target.text]
    for distance, turn in enumerate(reversed(window.context[len(window.context) - turns :]), 1):
        mark = f"x{min(distance, 2)}{turn.speaker}"
        parts.append(" ".join(f"{mark}{word}" for word in [*turn.text.split(), ""]))
    return " ".join(parts)


def tfidf(corpus: Corpus, turns: int) -> NDArray[np.int64]:
    vectorizer = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, min_df=2)
    train, test = ([text_of(row, turns) for row in windows_of(split)] for split in (corpus.train, corpus.test))
    model = LogisticRegression(C=4.0, max_iter=2000, class_weight="balanced")
    model.fit(vectorizer.fit_transform(train), corpus.train.targets)
    decided: NDArray[np.int64] = model.predict(vectorizer.transform(test))
    return decided


def main(recipe: str, *overrides: str) -> None:
    loaded = load_recipe(recipe, list(overrides))
    corpus, _ = read_corpus(corpus_spec(loaded.corpus), seed=loaded.seed)
    gold = np.asarray(corpus.test.targets)
    counts = Counter(np.asarray(corpus.train.targets).tolist())
    follow = {label: Counter[int]() for label in (None, *counts)}
    for label, previous in zip(np.asarray(corpus.train.targets).tolist(), before(corpus.train), strict=True):
        follow[previous][label] += 1
    share = {label: count / len(corpus.train) for label, count in counts.items()}

    def lift(previous: int | None) -> int:
        """The label that is most above its share after the previous one, as balanced weights decide."""
        seen = follow[previous]
        return max(share, key=lambda label: seen[label] / share[label])

    turns = 0 if corpus.turns is None else corpus.turns.turns
    decided = {
        "majority": np.full(len(gold), counts.most_common(1)[0][0]),
        "previous label": np.array([follow[previous].most_common(1)[0][0] for previous in before(corpus.test)]),
        "previous label, balanced": np.array([lift(previous) for previous in before(corpus.test)]),
        "TF-IDF of the turn": tfidf(corpus, 0) if loaded.corpus.context.predict == "this" else gold * 0,  # type: ignore[union-attr]
        f"TF-IDF with {turns} turns": tfidf(corpus, turns),
    }
    for name, labels in decided.items():
        print(f"{name}: {f1_score(gold, labels, average='macro'):.3f}")


if __name__ == "__main__":
    main(*sys.argv[1:])
