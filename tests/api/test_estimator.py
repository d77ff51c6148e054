"""The scikit-learn estimator around a recipe that is not run: what it writes, asks for, and answers."""

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_matrix
from sklearn.base import clone, is_classifier
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import Pipeline

import distill
from distill.api import estimator
from distill.recipe.load import load_recipe
from distill.recipe.packaged_recipes import packaged_recipes
from tests.support.tiny_bundle import LABELS, make_tiny_bundle

TEXTS = ["i am happy", "you feel sad", "calm today", "not happy", "very sad", "i feel calm"]
MOODS = ["sadness", "joy", "calm", "sadness", "joy", "calm"]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Stands for the pipeline: keeps what it is asked for, and leaves a tiny bundle."""
    calls: list[dict[str, Any]] = []

    def train(recipe: distill.Recipe, *, runs: Path, **others: Any) -> distill.Run:
        corpus = recipe.corpus
        rows = [json.loads(line) for line in Path(corpus.source).read_text().splitlines()]
        calls.append({"recipe": recipe, "corpus": corpus, "rows": rows, **others})
        make_tiny_bundle(runs / "tiny" / "bundle", task=corpus.task)
        return distill.Run(runs / "tiny")

    monkeypatch.setattr(estimator, "train", train)
    return calls


def test_one_label_per_text(asked: list[dict[str, Any]]) -> None:
    frame = pd.DataFrame({"text": TEXTS, "mood": MOODS})
    model = distill.DistilledClassifier("smoke", overrides={"seed": 3}).fit(frame["text"], frame["mood"])
    assert asked[0]["rows"][0] == {"text": "i am happy", "labels": ["sadness"]}
    corpus = asked[0]["corpus"]
    assert (asked[0]["recipe"].seed, corpus.task) == (3, "single_label")
    assert corpus.label_names == model.classes_.tolist() == ["calm", "joy", "sadness"]
    assert sum(corpus.split) == pytest.approx(1)
    proba = model.predict_proba(TEXTS)
    assert proba.shape == (6, 3)
    assert model.predict(TEXTS).tolist() == model.classes_[proba.argmax(axis=1)].tolist()
    assert 0 <= model.score(TEXTS, MOODS) <= 1


def test_several_labels_per_text(asked: list[dict[str, Any]], tmp_path: Path) -> None:
    gold = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0], [0, 1, 0], [0, 0, 0]])
    model = distill.DistilledClassifier("smoke", label_names=LABELS, folder=tmp_path / "kept").fit(TEXTS, gold)
    assert [row["labels"] for row in asked[0]["rows"]][3:] == [["joy", "sadness"], ["sadness"], []]
    assert asked[0]["corpus"].task == "multi_label"
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
        (np.zeros((6, 2)), {"label_names": ["joy", "joy"]}, "label_names: A name is there twice"),
        (None, {}, "y: This is not a column of labels"),
        ([*MOODS[:5], float("nan")], {}, r"y\[5\]: The label is missing. Drop such rows"),
        ([*MOODS[:5], None], {}, r"y\[5\]: The label is missing"),
        (pd.Series([*MOODS[:5], pd.NA]), {}, r"y\[5\]: The label is missing"),
        ([*MOODS[:5], " "], {}, r"y\[5\]: The label is missing"),
        ([["joy"], ["calm", "joy"]] * 3, {}, "MultiLabelBinarizer"),
        ([["joy"], ["calm"]] * 3, {}, None),
        ([["joy", "sad"], ["calm", "joy"]] * 3, {}, "MultiLabelBinarizer"),
        ([{"joy"}] * 6, {}, "MultiLabelBinarizer"),
        ([0.5, 1.5] * 3, {}, "numbers with fractions"),
        (["joy"] * 6, {}, "number of labels is 1"),
        (MOODS, {"validation": 0}, "validation: The share must be above 0"),
        (MOODS, {"validation": 0.99}, "validation: The share must be above 0"),
        (MOODS, {"validation": "much"}, "validation: The share must be above 0"),
        (MOODS, {"recipe": None}, "recipe: This must be a Recipe, a path or a name, but is NoneType"),
        (MOODS, {"overrides": {"corpus.max_tokns": 8}}, "Did you mean corpus.max_tokens"),
    ],
)
def test_wrong_labels_are_refused(
    labels: Any, settings: dict[str, Any], message: str | None, asked: list[dict[str, Any]]
) -> None:
    model = distill.DistilledClassifier(**{"recipe": "smoke", **settings})
    if message is None:  # a column of lists of one, as a table of one column may be
        model.fit(TEXTS, labels)
        return
    with pytest.raises(distill.InputError, match=message):
        model.fit(TEXTS, labels)


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        ([*TEXTS[:5], None], r"X\[5\]: The text must be a string, but is a missing value"),
        (list(range(6)), r"X\[0\]: The text must be a string, but is int"),
        ([*TEXTS[:5], "  "], r"X\[5\]: The text is empty. Drop such rows"),
        (pd.DataFrame({"text": TEXTS}), "is a table"),
    ],
)
def test_what_is_no_text_is_refused_before_it_is_written(texts: Any, message: str, tmp_path: Path) -> None:
    model = distill.DistilledClassifier("smoke", folder=tmp_path / "place")
    with pytest.raises(distill.InputError, match=message):
        model.fit(texts, MOODS)
    assert not (tmp_path / "place").exists()
    with pytest.raises(NotFittedError):
        model.predict(TEXTS)
    with pytest.raises(NotFittedError):
        model.predict_proba(TEXTS)


def test_matrices_of_other_packages_keep_their_names(asked: list[dict[str, Any]]) -> None:
    gold = np.array([[1, 0], [0, 1]] * 3)
    distill.DistilledClassifier("smoke").fit(TEXTS, pd.DataFrame(gold, columns=["joy", "calm"]))
    assert asked[0]["corpus"].label_names == ["joy", "calm"]
    distill.DistilledClassifier("smoke").fit(TEXTS, csr_matrix(gold))
    assert (asked[1]["corpus"].label_names, asked[1]["rows"]) == (
        ["0", "1"],
        [{"text": text, "labels": [str(row % 2)]} for row, text in enumerate(TEXTS)],
    )


@pytest.mark.parametrize("name", packaged_recipes())
def test_any_recipe_takes_the_texts_at_hand(name: str, asked: list[dict[str, Any]]) -> None:
    """What it says of its own file is gone: columns, groups, rows to choose. What it says of texts stays."""
    distill.DistilledClassifier(name).fit(TEXTS, MOODS)
    corpus, own = asked[0]["corpus"], load_recipe(name).corpus
    assert (corpus.text, corpus.labels, corpus.where, corpus.group, corpus.row_id) == (
        "text",
        "labels",
        None,
        None,
        None,
    )
    assert (corpus.max_tokens, corpus.scrub, corpus.rows) == (own.max_tokens, own.scrub, own.rows)


def test_a_recipe_of_another_task_takes_the_calibration_of_this_one(asked: list[dict[str, Any]]) -> None:
    recipe = distill.Recipe(name="mine", corpus={"source": "sample", "task": "multi_label", "max_tokens": 33})
    model = distill.DistilledClassifier(recipe, overrides={"corpus.scrub": True}).fit(TEXTS, MOODS)
    assert (asked[0]["corpus"].max_tokens, asked[0]["corpus"].scrub) == (33, True)
    assert asked[0]["recipe"].decisions.calibration == "temperature"
    assert model.recipe is recipe
