"""The decision rule of each kind against the vectors that the browser page is held to as well."""

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, models

from distill.export.runtime.deciding.hand_over import Lookout
from distill.export.runtime.deciding.task import Noticed, Policy
from distill.export.runtime.deciding.tasks import TASKS, task_of
from distill.export.runtime.manifest.optional import OPTIONAL, Objects, read_objects
from distill.export.runtime.reading.inputs import ONE_TEXT, Encoded
from distill.export.runtime.untrusted.fields import Fields
from tests.support.command import ROOT

VECTORS = json.loads((ROOT / "tests/vectors/decisions.json").read_text())


def policy_of(manifest: dict[str, Any], objects: Objects) -> Policy:
    decision = manifest.get("decision", {})
    thresholds, abstain = decision.get("cutoffs", manifest["thresholds"]), manifest["abstain"]
    return Policy(
        None if thresholds is None else tuple(thresholds),
        None if abstain is None else abstain["below"],
        objects.sets,
        objects.flagged(task_of(manifest["task"], tuple(manifest["labels"]))),
    )


def noticed_in(seen: dict[str, Any], objects: Objects) -> Noticed:
    """What the runtime notices of a text with these pieces."""
    vocabulary = {piece: number for number, piece in enumerate(dict.fromkeys(["", *seen["pieces"]]))}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token=""))
    lookout = Lookout(objects.unreadable, objects.hand_over, tokenizer, ONE_TEXT)
    encoded = Encoded([vocabulary[piece] for piece in seen["pieces"]], [], seen["truncated"])
    return lookout.notice(seen["text"], encoded)


@pytest.mark.parametrize("vector", VECTORS, ids=[vector["name"] for vector in VECTORS])
def test_every_kind_decides_as_the_vectors_say(vector: dict[str, Any]) -> None:
    manifest = vector["manifest"]
    labels = tuple(manifest["labels"])
    given = {key: manifest.get(key) for key in OPTIONAL}
    task = task_of(manifest["task"], labels)
    objects = read_objects(Fields(given, "vector", (), OPTIONAL), task)
    policy = policy_of(manifest, objects)
    noticed = noticed_in(vector.get("seen", {"text": "", "pieces": ["a"], "truncated": False}), objects)
    assert task.activation == manifest["activation"]
    scores = task.scores(np.array([vector["logits"]]))
    assert scores[0].tolist() == pytest.approx(vector["scores"], abs=1e-9)
    (many,) = task.predictions(scores, policy, [noticed])
    for found in (task.prediction(scores[0].tolist(), policy, noticed), many):
        assert list(found.labels) == vector["labels"]
        assert found.abstained == vector["abstained"]
        assert found.confidence == pytest.approx(vector["confidence"], abs=1e-9)
        assert list(found.handed_over) == vector.get("handed_over", ["unsure"] * vector["abstained"])
        assert found.possible == (None if vector.get("possible") is None else tuple(vector["possible"]))


def test_the_vectors_have_every_kind() -> None:
    assert {vector["manifest"]["task"] for vector in VECTORS} == set(TASKS)


@given(st.sampled_from(sorted(TASKS)), st.integers(2, 6), st.integers(0, 2**32 - 1), st.floats(0.01, 0.99))
def test_one_text_is_decided_as_many_are_to_the_bit(kind: str, labels: int, seed: int, below: float) -> None:
    rng = np.random.default_rng(seed)
    task = task_of(kind, tuple("abcdef"[:labels]))
    logits = (rng.normal(0, 4, (5, labels))).astype(np.float32)
    scores = task.scores(logits).astype(np.float64)
    policy = Policy(tuple(rng.uniform(0.2, 0.8, task.num_thresholds).tolist()) or None, below)
    many = task.predictions(scores, policy, [Noticed(bool(cut)) for cut in (1, 0, 1, 0, 1)])
    alone = [
        task.prediction(row, policy, Noticed(bool(cut)))
        for row, cut in zip(scores.tolist(), (1, 0, 1, 0, 1), strict=True)
    ]
    assert many == alone
    decided = task.decide(scores, policy)
    confidence = task.confidence(scores, decided).tolist()
    assert [prediction.confidence for prediction in many] == confidence
    for prediction, row in zip(many, decided, strict=True):
        chosen = tuple(name for name, yes in zip(task.labels, row, strict=True) if yes)
        assert prediction.labels == (() if prediction.abstained else chosen)
    each = np.concatenate([task.scores(row[None]) for row in logits])
    assert np.array_equal(each, task.scores(logits))
