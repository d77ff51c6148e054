"""The golden bundles in the present environment; `make golden` runs them in the lowest and the newest."""

import json
import shutil
from pathlib import Path

import pytest

from distill.export.runtime import load
from distill.export.runtime.deciding.tasks import TASKS
from tests.golden import check as checking
from tests.golden.check import FOLDER, main

KINDS = {
    "layers": "multi_label",
    "compact": "single_label",
    "static": "multi_label",
    "ordinal": "ordinal",
    "turns": "multi_label",
}
PRECISIONS = ("fp32", "int8-static", "int8-dynamic", "int8-weights", "int8-static-narrow")


def test_every_golden_bundle_answers_as_when_it_was_made(capsys: pytest.CaptureFixture[str]) -> None:
    assert main() == 0
    assert "25 of 25" in capsys.readouterr().out


def test_every_kind_and_precision_is_there() -> None:
    expected = json.loads((FOLDER / "expected.json").read_text(encoding="utf-8"))
    assert set(expected) == {f"{kind}-{precision}" for kind in KINDS for precision in PRECISIONS}
    for name, rows in expected.items():
        manifest = load(FOLDER / name).manifest
        kind, _, precision = name.partition("-")
        assert (manifest.task, manifest.precision) == (KINDS[kind], precision.removesuffix("-narrow"))
        # what decides the same for every text would prove nothing
        assert {label for row in rows for label in row["labels"]} == set(manifest.labels)
        assert sum(path.stat().st_size for path in (FOLDER / name).rglob("*") if path.is_file()) < 100_000


@pytest.mark.parametrize("name", ["compact-fp32", "layers-int8-static"])
def test_a_golden_bundle_with_a_rule_hands_over_what_it_is_unsure_of(name: str, tmp_path: Path) -> None:
    texts = [row["text"] for row in json.loads((FOLDER / "expected.json").read_text(encoding="utf-8"))[name]]
    before = load(FOLDER / name).predict(texts)
    below = sorted(found.confidence for found in before)[len(texts) // 2]
    bundle = shutil.copytree(FOLDER / name, tmp_path / name)
    manifest = json.loads((bundle / "manifest.json").read_text(encoding="utf-8"))
    manifest["abstain"] = {"confidence": TASKS[manifest["task"]].confidence_rule, "below": below}
    (bundle / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    after = load(bundle).predict(texts)
    assert [found.abstained for found in after] == [found.confidence < below for found in before]
    kept = [(was, now) for was, now in zip(before, after, strict=True) if not now.abstained]
    assert 0 < len(kept) < len(texts)
    assert all(was.labels == now.labels for was, now in kept)


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [("labels", ["joy", "sadness", "fear"], "decides"), ("scores", [0.5, 0.5, 0.5], "e-01")],
)
def test_another_answer_fails(
    key: str,
    value: object,
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    shutil.copytree(FOLDER / "compact-fp32", tmp_path / "compact-fp32")
    rows = json.loads((FOLDER / "expected.json").read_text(encoding="utf-8"))["compact-fp32"]
    rows[3][key] = value
    (tmp_path / "expected.json").write_text(json.dumps({"compact-fp32": rows}), encoding="utf-8")
    monkeypatch.setattr(checking, "FOLDER", tmp_path)
    assert main() == 1
    printed = capsys.readouterr().out
    assert "FAILED" in printed
    assert said in printed
