"""The baseline's terms: words where blanks separate them, and characters too where a script has none."""

import numpy as np
import pytest

from distill.corpora.corpus import Corpus, Split, label_matrix
from distill.export.runtime.deciding.kinds.single_label import SingleLabel
from distill.timing.tfidf import fit_tfidf, lacks_blanks

TASK = SingleLabel(("joy", "fear"))


def corpus_of(joy: str, fear: str, filler: str) -> Corpus:
    """Rows that carry one of two signs somewhere among characters that say nothing."""
    rng = np.random.default_rng(0)

    def split(rows: int) -> Split:
        ids = np.arange(rows, dtype=np.int32) % 2
        texts = []
        for label in ids:
            drawn = list(rng.choice(list(filler), 12))
            drawn.insert(int(rng.integers(0, 12)), (joy, fear)[label])
            texts.append("".join(drawn))
        return Split(texts, ids)

    return Corpus(TASK, split(80), split(40), split(40))


def share_right(corpus: Corpus, terms: str) -> float:
    model = fit_tfidf(corpus, seed=1)
    assert model.terms == terms
    decided = model.logits(list(corpus.test.texts)).reshape(-1, TASK.num_outputs).argmax(axis=1)
    return float((decided == label_matrix(corpus.test, TASK).argmax(axis=1)).mean())


def test_a_script_without_blanks_is_read_by_characters() -> None:
    assert share_right(corpus_of("开心", "害怕", "的一是了我不人在他有这"), "characters") > 0.9


def test_words_stay_where_blanks_separate_them() -> None:
    assert share_right(corpus_of(" happy ", " afraid ", "abcdefgh"), "words") > 0.9


def test_words_stay_where_validation_prefers_them() -> None:
    assert share_right(corpus_of(" 开心 ", " 害怕 ", "开心害怕"), "words") > 0.9


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["I feel well"], False),
        (["我很开心"], True),
        (["うれしい", "カナ"], True),
        (["ฉันมีความสุข"], True),
        (["나는 행복하다"], False),
        (["mostly English with 心 in it, and that is all"], False),
        (["", "!?"], False),
        ([], False),
    ],
)
def test_scripts_without_blanks_are_known(texts: list[str], expected: bool) -> None:
    assert lacks_blanks(texts) is expected
