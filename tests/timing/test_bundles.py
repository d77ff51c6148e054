"""What `distill bench` measures, its picture, and what it says where it cannot draw one."""

import errno
import json
import os
from dataclasses import asdict
from pathlib import Path

import pytest

from distill.cli.bundles import bench
from distill.cli.picture import check_picture
from distill.export.measure.cpu import cpu_info
from distill.export.runtime.errors import InputError
from distill.export.runtime.manifest.manifest import read_manifest
from distill.export.runtime.reading.inputs import ONE_TEXT
from distill.runs.progress import Reporter
from distill.timing.bundles import BATCHES, MOST_TEXTS, _filled, _kinds, bench_bundles, macro_f1_of
from distill.timing.plot import draw_quality
from tests.support.command import run_cli
from tests.support.tiny_bundle import make_tiny_bundle, rewrite_manifest


def with_quality(folder: Path, macro_f1: object) -> Path:
    return rewrite_manifest(make_tiny_bundle(folder), metrics={"test": {"macro_f1": macro_f1}})


def test_all_is_measured_and_drawn(tmp_path: Path) -> None:
    one, other = with_quality(tmp_path / "one" / "bundle", 0.5), with_quality(tmp_path / "two $x", 0.4)
    plain = make_tiny_bundle(tmp_path / "plain")
    found = bench_bundles([one, other, plain], ["i am sad", "calm"], [1], 1, Reporter(quiet=True))
    data = json.loads(json.dumps(found.to_dict()))
    assert list(data) == ["cpu", "rounds", "texts", "rows", "bundles"]
    assert data["cpu"] == cpu_info()
    assert data["rows"] == [asdict(row) for row in found.rows]
    kinds = {"synthetic-short", "real", "synthetic-long"}
    assert {(row.texts, row.batch) for row in found.rows} == {(k, b) for k in kinds for b in BATCHES}
    assert {row.threads for row in found.rows} == {1}
    bundle = data["bundles"][str(one)]
    assert bundle["bytes"]["total"] == sum(bundle["bytes"][key] for key in ("model", "tokenizer", "rest"))
    assert sum(bundle["components"].values()) == bundle["bytes"]["total"]
    assert bundle["bytes"]["model"] == (one / "onnx/model.onnx").stat().st_size
    assert bundle["cold_start_ms"] > 0
    assert bundle["peak_rss_bytes"] > 2**20
    assert [found.bundles[str(path)].test_macro_f1 for path in (one, other, plain)] == [0.5, 0.4, None]
    for name in ("quality.svg", "quality.png"):
        draw_quality(found, tmp_path / name)
        assert (tmp_path / name).stat().st_size > 1000
    drawn = (tmp_path / "quality.svg").read_text()
    assert drawn.count("PathCollection") + drawn.count("line2d") > 0


def test_texts_are_enough_for_batches_and_not_too_many() -> None:
    assert _filled(["a", "b"], 1) == ["a", "b"]
    assert len(_filled(["a", "b"], 32)) == 96
    assert len(_filled(["a"] * 100, 32)) == 100
    assert list(_kinds(None, ONE_TEXT)) == ["synthetic-short", "synthetic-medium", "synthetic-long"]
    many = [str(number) for number in range(2 * MOST_TEXTS + 1)]
    some = _kinds(many, ONE_TEXT)["real"]
    assert MOST_TEXTS / 2 < len(some) <= MOST_TEXTS
    assert int(some[-1]) > 1.9 * MOST_TEXTS


@pytest.mark.parametrize("value", [None, "0.5", True, float("nan"), [0.5]])
def test_only_a_number_is_a_quality(tmp_path: Path, value: object) -> None:
    manifest = read_manifest(make_tiny_bundle(tmp_path))
    manifest.metrics["test"] = {"macro_f1": value}
    assert macro_f1_of(manifest) is None
    manifest.metrics["test"] = value
    assert macro_f1_of(manifest) is None


@pytest.mark.parametrize(
    ("picture", "said"),
    [
        ("quality.pdf", "The name must end in .svg or .png"),
        ("nowhere/quality.svg", "The folder does not exist"),
        ("folder.svg", "This is a folder. Name a file"),
        ("quality.svg", "No bundle's manifest has metrics.test.macro_f1"),
    ],
)
def test_a_picture_that_cannot_be_drawn_is_refused_before_anything_is_timed(
    picture: str, said: str, tmp_path: Path
) -> None:
    (tmp_path / "folder.svg").mkdir()
    found = run_cli("bench", str(make_tiny_bundle(tmp_path / "b")), "--picture", str(tmp_path / picture))
    assert (found.returncode, found.stdout) == (2, "")
    assert said in found.stderr


@pytest.mark.parametrize("there", [False, True])
def test_a_picture_without_the_right_to_write_it_is_refused(
    there: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever runs the tests may have every right."""
    picture, asked = tmp_path / "q.svg", []
    if there:
        picture.touch()
    monkeypatch.setattr("os.access", lambda path, mode: asked.append((path, mode)))
    with pytest.raises(InputError, match=r"q\.svg: The file cannot be written. Check its permissions"):
        check_picture(picture, [])
    assert asked == [(picture if there else tmp_path, os.W_OK)]


@pytest.mark.parametrize("as_json", [False, True])
def test_a_picture_that_fails_takes_nothing_of_what_was_measured(
    as_json: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("matplotlib.figure.Figure.savefig", full)
    with pytest.raises(InputError, match=r"q\.svg: The file cannot be written \(No space left on device\)"):
        bench([with_quality(tmp_path / "b", 0.5)], rounds=1, picture=tmp_path / "q.svg", as_json=as_json)
    shown = capsys.readouterr().out
    assert json.loads(shown)["rounds"] == 1 if as_json else "macro-F1" in shown


def test_the_command_prints_tables_or_json(tmp_path: Path) -> None:
    bundle = with_quality(tmp_path / "b", 0.5)
    (tmp_path / "lines.txt").write_text("i am sad\nyou feel calm\n")
    options = ("--texts", str(tmp_path / "lines.txt"), "--rounds", "1")
    shown = run_cli("bench", str(bundle), *options, "--picture", str(tmp_path / "q.svg"))
    assert shown.returncode == 0, shown.stderr
    assert all(word in shown.stdout for word in ("texts/s", "cold", "tokenizer", "0.5000", "other weights"))
    assert (tmp_path / "q.svg").is_file()
    assert set(json.loads(run_cli("bench", str(bundle), *options, "--json").stdout)["texts"]) == {
        "synthetic-short",
        "real",
        "synthetic-long",
    }
