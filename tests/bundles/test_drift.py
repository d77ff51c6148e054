"""The verb `drift` on a tiny bundle: still where nothing changed, and what moved where something did."""

import json
import shutil
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest

from distill.bundles.drift import drift_of
from distill.export.runtime import InputError, load
from distill.export.runtime.manifest.manifest import dump_json
from distill.export.runtime.manifest.optional import Objects
from distill.export.runtime.watching.monitor import Monitor
from distill.variants.reference import reference_of
from tests.support.command import run_cli
from tests.support.hostile_objects import WHOLE, tagged
from tests.support.tiny_bundle import LABELS, WORDS, make_tiny_bundle


def texts(count: int, seed: int, happy: float = 1.0) -> list[str]:
    rng = np.random.default_rng(seed)
    weights = np.array([happy if word == "happy" else 1.0 for word in WORDS[4:]])
    return [" ".join(rng.choice(WORDS[4:], size=4, p=weights / weights.sum())) for _ in range(count)]


@pytest.fixture(scope="module", params=["multi_label", "single_label"])
def bundle(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = make_tiny_bundle(tmp_path_factory.mktemp("drift") / "bundle", task=request.param)
    classifier = load(folder)
    rows = texts(1500, seed=0)
    scores = classifier.predict_proba(rows)
    noisy = scores + np.random.default_rng(0).normal(0, 0.05, scores.shape)
    gold = noisy >= 0.5 if request.param == "multi_label" else noisy == noisy.max(axis=1, keepdims=True)
    watch = reference_of(classifier, rows, gold.astype(np.float32), seed=0)
    manifest = classifier.manifest.deciding_by(classifier.manifest.policy, Objects(watch=watch))
    (folder / "manifest.json").write_text(dump_json(manifest.to_dict()), "utf-8")
    return folder


def state_of(bundle: Path, path: Path, days: int = 1, machine: int = 0, **drawn: float) -> Path:
    for day in range(days):
        monitor = Monitor(load(bundle), day=lambda day=day: date(2026, 1, 1) + timedelta(days=day))
        monitor.classifier.predict(texts(300, seed=day + 10 + 100 * machine, **drawn))
        assert monitor.save(path)
    return path


def test_a_stable_stream_is_still(bundle: Path, tmp_path: Path) -> None:
    state = state_of(bundle, tmp_path / "state.json")
    found = drift_of(bundle, [state])
    assert (found.texts, found.days, found.moved) == (300, 1, ())
    for share in found.shares:
        assert share.low <= share.now <= share.high
        assert share.low - 0.05 <= share.before <= share.high + 0.05
    done = run_cli("drift", str(bundle), str(state))
    assert (done.returncode, done.stderr) == (0, "")
    assert "300 texts of 1 days" in done.stdout


def test_what_moved_is_named_and_ends_with_1(bundle: Path, tmp_path: Path) -> None:
    state = state_of(bundle, tmp_path / "state.json", happy=9.0)
    done = run_cli("drift", str(bundle), str(state), "--json")
    data = json.loads(done.stdout)
    assert done.returncode == 1
    assert done.stderr.startswith("error: drift: ")
    assert "scores of joy" in data["moved"]
    moved = {(one["what"], one["label"]) for one in data["comparisons"] if one["moved"]}
    assert all(one["adjusted"] >= one["p_value"] for one in data["comparisons"])
    assert ("scores", "joy") in moved
    assert "lengths" not in data["moved"]
    rare = drift_of(bundle, [state], alpha=0.05 / 365)
    assert "scores of joy" in rare.moved, "a small alpha needs small p-values"
    with pytest.raises(InputError, match=r"--alpha: Of 14 comparisons together 1e-06 .* Give at least 2.8e-05"):
        drift_of(bundle, [state], alpha=1e-6)
    assert {share["label"] for share in data["shares"]} <= set(LABELS)


def test_day_by_day_the_evidence_adds_up(bundle: Path, tmp_path: Path) -> None:
    still = state_of(bundle, tmp_path / "still.json", days=3)
    assert drift_of(bundle, [still], yearly=0.05).moved == ()
    changed = state_of(bundle, tmp_path / "changed.json", days=4, happy=9.0)
    found = drift_of(bundle, [changed], yearly=0.05)
    assert "scores of joy" in found.moved
    assert found.sequential is not None
    days = [alarm.day for alarm in found.sequential if alarm.day is not None]
    assert min(days) >= "2026-01-01"
    assert run_cli("drift", str(bundle), str(changed), "--per-year", "0.05").returncode == 1
    assert drift_of(bundle, [changed], last_days=2).texts == 600


def test_states_of_machines_are_added(bundle: Path, tmp_path: Path) -> None:
    one, other = (state_of(bundle, tmp_path / f"{at}.json", machine=at) for at in range(2))
    assert drift_of(bundle, [one, other]).texts == 600
    with pytest.raises(InputError, match="named twice"):
        drift_of(bundle, [one, other, tmp_path / "." / "0.json"])
    copy = shutil.copy(one, tmp_path / "yesterday.json")
    state_of(bundle, one, machine=2)
    assert drift_of(bundle, [one, other]).texts == 900
    with pytest.raises(InputError, match=r"yesterday.json: Another state has the counts of one of its days too"):
        state_of(bundle, tmp_path / "next.json", days=2)
        drift_of(bundle, [tmp_path / "next.json", copy])
    with pytest.raises(InputError, match="This is a folder"):
        drift_of(bundle, [tmp_path])


def test_no_threshold_is_judged_by_a_label_that_no_new_text_has(tmp_path: Path) -> None:
    bundle = tagged(make_tiny_bundle(tmp_path / "bundle"), watch=WHOLE["watch"])
    monitor = Monitor(load(bundle))
    monitor.classifier.predict(["i am sad"] * 300)
    assert monitor.save(tmp_path / "state.json")
    joy, _, calm = drift_of(bundle, [tmp_path / "state.json"]).shares
    assert (joy.now > 0.9, joy.threshold_fits) == (True, False)
    assert (calm.high < 0.001, calm.threshold_fits, calm.why) == (True, None, None)


def test_what_cannot_be_compared(bundle: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        drift_of(bundle, [tmp_path / "none.json"])
    plain = make_tiny_bundle(tmp_path / "plain")
    state = state_of(plain, tmp_path / "plain.json")
    with pytest.raises(InputError, match="has no reference"):
        drift_of(plain, [state])
    with pytest.raises(InputError, match="of another bundle"):
        drift_of(bundle, [state])
    empty = json.loads(state_of(bundle, tmp_path / "empty.json").read_text("utf-8")) | {"windows": []}
    (tmp_path / "empty.json").write_text(json.dumps(empty), "utf-8")
    with pytest.raises(InputError, match="has no window"):
        drift_of(bundle, [tmp_path / "empty.json"])


def test_predict_counts_into_a_file(bundle: Path, tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    lines = "\n".join(texts(250, seed=5)) + "\n"
    plain = run_cli("predict", str(bundle), "-q", stdin=lines)
    done = run_cli("predict", str(bundle), "-q", "--monitor", str(path), stdin=lines)
    assert (done.returncode, done.stdout) == (0, plain.stdout)
    assert drift_of(bundle, [path]).texts == 250
    few = run_cli("predict", str(bundle), "-q", "--monitor", str(path), "i am sad")
    assert (few.returncode, "1 texts are fewer than 200" in few.stderr) == (0, True)
    assert drift_of(bundle, [path]).texts == 250
    nowhere = run_cli("predict", str(bundle), "--monitor", str(tmp_path / "none/state.json"), "sad")
    assert (nowhere.returncode, "does not exist" in nowhere.stderr) == (2, True)
    path.write_text("{}", "utf-8")
    assert run_cli("predict", str(bundle), "--monitor", str(path), "sad").returncode == 2
