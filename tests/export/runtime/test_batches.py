"""Batches on a CPU whose last bits move with them: the classifier then runs its graph one text at a time."""

from typing import Any

import numpy as np

from distill.export.runtime import Classifier, load
from tests.support.command import ROOT

# of products that no known CPU computes otherwise in batches
BUNDLE = ROOT / "tests/golden/static-int8-static"

TEXTS = [" ".join(["i am so very happy today"] * count) for count in (1, 3, 2, 5, 4)] * 20

LAST_BITS = 1e-6


class Session:
    """A session that moves the logits of texts beside others, and keeps the sizes of its batches."""

    def __init__(self, inner: Any, moved: float) -> None:
        self.inner, self.moved = inner, moved
        self.sizes: list[int] = []

    def run(self, names: list[str], feed: dict[str, Any]) -> list[Any]:
        size = len(feed["input_ids"])
        self.sizes.append(size)
        (logits,) = self.inner.run(names, feed)
        return [logits + np.float32(self.moved * (size > 1))]


def opened(moved: float) -> tuple[Classifier, Session]:
    classifier = load(BUNDLE)
    session = classifier._network._session = Session(classifier._network._session, moved)
    return classifier, session


def test_a_graph_that_moves_in_batches_gets_one_text_at_a_time() -> None:
    alone = [load(BUNDLE)(text) for text in TEXTS]
    classifier, session = opened(LAST_BITS)
    assert not classifier.batches_are_exact
    session.sizes.clear()
    assert classifier.predict(TEXTS) == alone
    assert session.sizes == [1] * len(TEXTS)


def test_a_graph_that_does_not_move_gets_whole_batches() -> None:
    classifier, session = opened(0.0)
    assert classifier.batches_are_exact
    session.sizes.clear()
    classifier.predict(TEXTS)
    assert max(session.sizes) == 32
    assert sum(session.sizes) == len(TEXTS)


def test_single_texts_never_wait_for_the_comparison() -> None:
    classifier, session = opened(LAST_BITS)
    classifier(TEXTS[0])
    list(classifier.stream(TEXTS[:3]))
    assert session.sizes == [1] * 4
    classifier.predict(TEXTS[:2])
    sample = len(classifier.manifest.self_test.texts)
    compared = [1] * sample + [2]  # the first pair shows it
    assert session.sizes == [1] * 4 + compared + [1, 1]
    classifier.predict(TEXTS[:2])
    assert session.sizes[-2:] == [1, 1]
    assert len(session.sizes) == 8 + len(compared)
