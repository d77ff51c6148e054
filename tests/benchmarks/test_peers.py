"""The table of peers, on the smoke run without optional packages: what is missing is named, the rest measured."""

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

from distill.corpora.corpus import part_of
from distill.corpora.storage.parquet import load_corpus
from distill.export.runtime.errors import InputError
from tests.benchmarks import peers, peers_page, variants_table
from tests.benchmarks.peer import Made, PlainTokenizer, label_names, logits_of_scores
from tests.benchmarks.peers import KINDS, compare, make_peers, markdown
from tests.support.drawn_cases import scores_of


def test_peers_are_judged_and_timed_beside_the_bundle(
    runs: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "model2vec.distill", None)  # as if it were not installed
    kinds = ["tfidf", "model2vec", "teacher", "teacher-onnx", "teacher-int8", "plain-export", "plain-kd"]
    found = compare([runs], kinds, tmp_path, texts=4, rounds=1)
    assert json.loads(json.dumps(found, allow_nan=False))["texts"] == found["texts"] == 4
    names = [row["name"] for row in found["rows"]]
    assert names == [
        "bundle of smoke, int8-weights",
        "TF-IDF + logistic regression",
        "teacher",
        "teacher, fused by ONNX Runtime",
        "teacher, fused as our students are",
        "teacher, Optimum's int8, dynamic",
        "student, plain torch.onnx, fp32",
        "student, plain torch.onnx, default int8",
        "plain KD, Optimum's int8",
        "plain KD, fp32",
    ]
    for row in found["rows"]:
        low, high = row["interval"]
        assert 0 <= low <= row["test"]["macro_f1"] <= high <= 1
        assert row["seconds"] > 0
    report = {model["name"]: model for model in json.loads((runs / "report.json").read_text())["models"]}
    by_name = {row["name"]: row for row in found["rows"]}
    for ours, theirs in ((names[0], "int8-weights"), ("teacher", "teacher"), (names[1], "tfidf")):
        assert by_name[ours]["test"]["macro_f1"] == pytest.approx(report[theirs]["test"]["macro_f1"])
    # MB is the same in this table as in the report, but for the card, which gets size and speed after the report
    card = (runs / "bundle/README.md").stat().st_size
    assert abs(by_name[names[0]]["bytes"] - report["int8-weights"]["bytes"]["total"]) < card
    student = by_name["student, plain torch.onnx, fp32"]["test"]["macro_f1"]
    assert student == pytest.approx(report["student"]["test"]["macro_f1"])
    assert by_name["teacher, Optimum's int8, dynamic"]["bytes"] < by_name["teacher"]["bytes"] / 2
    assert found["skipped"] == {"model2vec": 'not installed: pip install "model2vec[distill,train]"'}
    # what Optimum made is there for an environment without it
    monkeypatch.setitem(sys.modules, "optimum.onnxruntime", None)
    monkeypatch.setitem(sys.modules, "optimum.exporters.onnx", None)
    again = compare([runs], ["teacher-onnx", "teacher-int8"], tmp_path, texts=2, rounds=1)
    assert [row["name"] for row in again["rows"]] == [names[0], *names[3:6]]
    assert not again["skipped"]
    table = markdown(found)
    assert table.count("\n|") == 2 + len(names)
    assert 'skipped, model2vec: not installed: pip install "model2vec[distill,train]"' in table


def test_tables_of_several_corpora_become_one_page(runs: Path, tmp_path: Path) -> None:
    found = compare([runs], ["tfidf"], tmp_path / "peers", texts=4, rounds=1)
    page = peers_page.page({"one": found, "other": found})
    assert page.count("bundle of smoke, int8-weights") == 1
    assert page.count("| TF-IDF + logistic regression |") == 1
    peers_page.draw({"one": found, "other": found}, tmp_path / "peers.svg")
    picture = (tmp_path / "peers.svg").read_text()
    assert "<svg" in picture
    assert "other" in picture


def test_bundles_of_runs_on_one_corpus_stand_side_by_side(
    runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other"
    shutil.copytree(runs, other)
    found = compare([runs, other], [], tmp_path / "peers", texts=4, rounds=1)
    assert found["runs"] == ["smoke", "other"]
    assert [row["name"] for row in found["rows"]] == [
        "bundle of smoke, int8-weights",
        "bundle of other, int8-weights",
    ]
    assert markdown(found).startswith("`smoke`, `other` on ")
    whole = load_corpus(runs / "corpus")
    corpora = {runs / "corpus": whole, other / "corpus": part_of(whole, 9)}
    monkeypatch.setattr("distill.pipeline.state.load_corpus", lambda folder: corpora[folder])
    with pytest.raises(InputError, match=r"other: its corpus is not that of .*smoke; compare runs on one corpus"):
        compare([runs, other], [], tmp_path / "peers", texts=4, rounds=1)


def test_variants_stand_beside_fp32_and_the_teacher(runs: Path) -> None:
    report = json.loads((runs / "report.json").read_text())
    measured = variants_table.measured(report)
    found = variants_table.rows("smoke", measured)
    assert measured["models"][0]["macro_f1"] == report["models"][0]["test"]["macro_f1"]
    assert [row[1] for row in found] == ["`fp32`", "`int8-weights` (ships)"]
    assert (found[0][5], found[0][7]) == ("+0.0000", "1.00 / 1.00")
    models = {model["name"]: model for model in report["models"]}
    p95 = [variants_table.single(models[name], "onnxruntime")["p95_ms"] for name in ("teacher", "int8-weights")]
    assert found[1][9] == f"{p95[0] / p95[1]:.1f}"
    assert variants_table.machine(measured).startswith(report["environment"]["cpu_model"])


def test_a_peer_that_cannot_be_made_leaves_the_others(monkeypatch: pytest.MonkeyPatch, runs: Path) -> None:
    def fail(made: Made) -> list[peers.Peer]:
        raise RuntimeError("of theirs")

    monkeypatch.setattr(peers, "KINDS", {"broken": peers.Kind(fail), "none": peers.Kind(lambda made: [])})
    made = Made(None, None, runs)  # type: ignore[arg-type]
    said = "cannot be made of this run in this environment (RuntimeError)"
    assert make_peers(made, ["broken", "none"]) == ([], {}, {"broken": said})


def test_helpers(runs: Path) -> None:
    corpus = load_corpus(runs / "corpus")
    names = label_names(corpus.test, corpus.task)
    assert len(names) == len(corpus.test)
    assert {name for row in names for name in row} <= set(corpus.task.labels)
    for kind, scores in (("multi_label", [[0.25, 0.5]]), ("single_label", [[0.25, 0.75]])):
        np.testing.assert_allclose(scores_of(logits_of_scores(scores, kind), kind), scores, atol=1e-6)
    ids, mask = PlainTokenizer(runs / "student", 8)(["sad", "i am sad today " * 9])
    assert ids.shape == mask.shape == (2, 8)
    assert mask.sum(axis=1).tolist() == [(ids[0] != 0).sum(), 8]
    assert 3 <= mask[0].sum() < 8
    assert "sentence-transformers" in KINDS
