"""The table of peers, on the smoke run without optional packages: what is missing is named, the rest measured."""

import json
from pathlib import Path

import numpy as np
import pytest

from corpora.corpus import load_corpus
from corpora.metrics import scores_of
from corpora.task import TaskKind
from tests.benchmarks import peers
from tests.benchmarks.peer import Made, PlainTokenizer, label_names, logits_of_scores
from tests.benchmarks.peers import KINDS, compare, make_peers, markdown


def test_peers_are_judged_and_timed_beside_the_bundle(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    present = peers.importable
    monkeypatch.setattr(peers, "importable", lambda name: name != "model2vec" and present(name))
    found = compare(runs, ["tfidf", "model2vec", "teacher", "plain-export"], texts=4, rounds=1)
    assert json.loads(json.dumps(found)) == found
    names = [row["name"] for row in found["rows"]]
    assert names == [
        "bundle, int8-weights",
        "TF-IDF + logistic regression",
        "teacher",
        "teacher, fused fp32",
        "teacher, Optimum's int8, dynamic",
        "student, plain torch.onnx, fp32",
        "student, plain torch.onnx, default int8",
    ]
    report = {model["name"]: model for model in json.loads((runs / "report.json").read_text())["models"]}
    by_name = {row["name"]: row for row in found["rows"]}
    for ours, theirs in (("bundle, int8-weights", "int8-weights"), ("teacher", "teacher"), (names[1], "tfidf")):
        assert by_name[ours]["test"]["macro_f1"] == pytest.approx(report[theirs]["test"]["macro_f1"])
    student = by_name["student, plain torch.onnx, fp32"]["test"]["macro_f1"]
    assert student == pytest.approx(report["student"]["test"]["macro_f1"])
    assert by_name[names[4]]["bytes"] < by_name["teacher"]["bytes"] / 2
    assert found["skipped"] == {"model2vec": 'not installed: pip install "model2vec[distill,train]"'}
    table = markdown(found)
    assert table.count("\n|") == 2 + len(names)
    assert 'skipped, model2vec: not installed: pip install "model2vec[distill,train]"' in table


def test_a_peer_that_cannot_be_made_leaves_the_others(monkeypatch: pytest.MonkeyPatch, runs: Path) -> None:
    def fail(made: Made) -> list[peers.Peer]:
        raise RuntimeError("of theirs")

    monkeypatch.setattr(peers, "KINDS", {"broken": peers.Kind(fail), "none": peers.Kind(lambda made: [])})
    made = Made(None, None, runs)  # type: ignore[arg-type]
    assert make_peers(made, ["broken", "none"]) == ([], {"broken": "cannot be made of this run (RuntimeError)"})
    assert not peers.importable("no_such_package.at_all")


def test_helpers(runs: Path) -> None:
    corpus = load_corpus(runs / "corpus")
    names = label_names(corpus.test, corpus.task)
    assert len(names) == len(corpus.test)
    assert {name for row in names for name in row} <= set(corpus.task.labels)
    for kind, scores in ((TaskKind.MULTI_LABEL, [[0.25, 0.5]]), (TaskKind.SINGLE_LABEL, [[0.25, 0.75]])):
        np.testing.assert_allclose(scores_of(logits_of_scores(scores, kind), kind), scores, atol=1e-6)
    ids, mask = PlainTokenizer(runs / "student", 8)(["sad", "i am sad today " * 9])
    assert ids.shape == mask.shape == (2, 8)
    assert mask.sum(axis=1).tolist() == [3, 8]
    assert set(KINDS) == {"tfidf", "model2vec", "sentence-transformers", "teacher", "plain-export"}
