"""The comparison of a language model with models that learnt from labelled rows."""

from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score

from distill.artifacts.comparison import Compared, Comparison, read_comparison
from distill.evaluation.metrics import label_kappas


def test_it_is_read_as_written_and_says_who_is_better(tmp_path: Path) -> None:
    models = (
        Compared("language model", 0.4, {"joy": 0.5, "fear": None}),
        Compared("TF-IDF", 0.5, {"joy": 0.25, "fear": 0.125}),
        Compared("fine-tuned encoder", 0.3, {"joy": 0.75, "fear": 0.0}),
    )
    comparison = Comparison("macro-F1", 1000, 400, models)
    comparison.write(tmp_path)
    assert read_comparison(tmp_path) == comparison
    assert comparison.better == ("TF-IDF",)
    assert comparison.lines() == [
        "  macro-F1 on 400 labelled validation rows: language model 0.400, TF-IDF 0.500, fine-tuned encoder 0.300 "
        "(the last 2 learnt from 1000 labelled rows)",
        "  kappa, joy: 0.50, 0.25, 0.75",
        "  kappa, fear: –, 0.12, 0.00",
    ]


def test_kappas_are_scikit_learns() -> None:
    draw = np.random.default_rng(0)
    gold, decided = draw.random((200, 4)) < 0.3, draw.random((200, 4)) < 0.4
    decided[:, 0] = gold[:, 0]
    gold[:, 3] = decided[:, 3] = False
    found = label_kappas(decided, gold.astype(np.float32))
    expected = [cohen_kappa_score(gold[:, label], decided[:, label]) for label in range(3)]
    assert found[:3] == pytest.approx(expected)
    assert np.isnan(found[3])
