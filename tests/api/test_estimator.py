"""The scikit-learn estimator around a recipe that is not run: what it writes, asks for, and answers."""

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone, is_classifier
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import Pipeline

import distill
from distill.api import estimator
from tests.support.tiny_bundle import LABELS, make_tiny_bundle

TEXTS = ["i am happy", "you feel sad", "calm today", "not happy", "very sad", "i feel calm"]
MOODS = ["sadness", "joy", "calm", "sadness", "joy", "calm"]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Stands for the pipeline: keeps what it is asked for, and leaves a tiny bundle."""
    calls: list[dict[str, Any]] = []

    def train(recipe: Any, *, overrides: dict[str, Any], runs: Path, **others: Any) -> distill.Run:
        rows = [json.loads(line) for line in Path(overrides["corpus.source"]).read_text().splitlines()]
        calls.append({"recipe": recipe, "overrides": overrides, "rows": rows, **others})
        make_tiny_bundle(runs / "tiny" / "bundle", task=overrides["corpus.task"])
        return distill.Run(runs / "tiny")

    monkeypatch.setattr(estimator, "train", train)
    return calls


def test_one_label_per_text(asked: list[dict[str, Any]]) -> None:
    frame = pd.DataFrame({"text": TEXTS, "mood": MOODS})
    model = distill.DistilledClassifier("smoke", overrides={"seed": 3}).fit(frame["text"], frame["mood"])
    assert asked[0]["rows"][0] == {"text": "i am happy", "labels": ["sadness"]}
    overrides = asked[0]["overrides"]
    assert (overrides["seed"], overrides["corpus.task"]) == (3, "single_label")
    assert overrides["corpus.label_names"] == model.classes_.tolist() == ["calm", "joy", "sadness"]
    assert sum(overrides["corpus.split"]) == pytest.approx(1)
    proba = model.predict_proba(TEXTS)
    assert proba.shape == (6, 3)
    assert model.predict(TEXTS).tolist() == model.classes_[proba.argmax(axis=1)].tolist()
    assert 0 <= model.score(TEXTS, MOODS) <= 1


def test_several_labels_per_text(asked: list[dict[str, Any]], tmp_path: Path) -> None:
    gold = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0], [0, 1, 0], [0, 0, 0]])
    model = distill.DistilledClassifier("smoke", label_names=LABELS, folder=tmp_path / "kept").fit(TEXTS, gold)
    assert [row["labels"] for row in asked[0]["rows"]][3:] == [["joy", "sadness"], ["sadness"], []]
    assert asked[0]["overrides"]["corpus.task"] == "multi_label"
    expected = [
        [label in found.labels for label in LABELS] for found in distill.load(model.bundle_).predict(TEXTS)
    ]
    assert model.predict(TEXTS).tolist() == np.array(expected, dtype=int).tolist()
    again = pickle.loads(pickle.dumps(model))
    assert again.predict(TEXTS).tolist() == model.predict(TEXTS).tolist()


def test_scikit_learn_is_at_home(asked: list[dict[str, Any]]) -> None:
    model = distill.DistilledClassifier("smoke", validation=0.2)
    assert is_classifier(model)
    assert clone(model).get_params() == model.get_params()
    scores = cross_val_score(Pipeline([("model", model)]), np.array(TEXTS), MOODS, cv=2)
    assert len(scores) == len(asked) == 2
    assert np.isfinite(scores).all()


@pytest.mark.parametrize(
    ("labels", "settings", "message"),
    [
        (MOODS[:2], {}, "y: The labels have 2 rows, and X has 6"),
        (np.full((6, 2), 7), {}, "a matrix of 0 and 1"),
        (np.zeros((6, 2)), {"label_names": ["joy"]}, "label_names: There are 1 names, and y has 2 columns"),
    ],
)
def test_wrong_labels_are_refused(labels: Any, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(distill.InputError, match=message):
        distill.DistilledClassifier("smoke", **settings).fit(TEXTS, labels)
