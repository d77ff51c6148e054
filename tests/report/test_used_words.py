"""The words that decisions used: means beside a slow count, and no word that few groups have."""

from pathlib import Path

import numpy as np
import pytest

from distill.export.runtime import load
from distill.report.used_words import LEAST_GROUPS, used_words
from tests.support.tiny_bundle import LABELS, WORDS, make_tiny_bundle


def some_texts(count: int) -> list[str]:
    rng = np.random.default_rng(0)
    return [" ".join(rng.choice(WORDS[4:], size=4)) for _ in range(count)]


def test_a_word_has_the_mean_change_over_its_texts(tmp_path: Path) -> None:
    bundle = load(make_tiny_bundle(tmp_path / "bundle"))
    texts = some_texts(60)
    changes: dict[tuple[str, str], list[float]] = {}
    for text in texts:
        found = bundle.explain(text)
        for word in found.words if found.decided else ():
            changes.setdefault((found.label, text[word.start : word.end]), []).append(word.change)
    words = used_words(bundle, texts, None, seed=1)
    assert words
    for word in words:
        assert word.change == pytest.approx(np.mean(changes[word.label, word.word]), abs=1e-6)
        assert word.texts == len(changes[word.label, word.word]) >= word.groups >= LEAST_GROUPS
    assert [word.label for word in words] == sorted((word.label for word in words), key=LABELS.index)
    assert used_words(bundle, texts, None, seed=1) == words


def test_a_word_of_four_groups_is_not_shown(tmp_path: Path) -> None:
    bundle = load(make_tiny_bundle(tmp_path / "bundle"))
    texts = some_texts(60)
    assert used_words(bundle, texts, np.arange(60, dtype=np.int32) % 4, seed=1) == ()
    assert used_words(bundle, texts, np.arange(60, dtype=np.int32) % 5, seed=1) != ()
