import dataclasses
import json
import math
import sys
import time
from pathlib import Path

import pytest

from distill.export.measure import cpu
from distill.export.measure.cpu import cpu_info
from distill.export.measure.latency import (
    _COLD_START,
    SYNTHETIC_TEXTS,
    BenchTarget,
    cold_start,
    time_interleaved,
)
from distill.export.runtime import DistillError, InputError
from tests.support.tiny_bundle import make_tiny_bundle


def test_candidates_are_interleaved_over_the_same_texts() -> None:
    calls: list[tuple[str, list[str]]] = []
    candidates = [BenchTarget(name, lambda texts, name=name: calls.append((name, texts))) for name in "ab"]
    done: list[int] = []
    rows = time_interleaved(
        candidates, ["1", "2", "3"], rounds=2, batch=2, warmup=1, progress=done.append, kind="short"
    )
    one_pass = [["1", "2"], ["3"]]
    expected = [("a", one_pass[0]), ("b", one_pass[0])]
    expected += [(name, texts) for name in "abba" for texts in one_pass]
    assert calls == expected
    assert done == [3, 3, 3, 3]
    assert [(row.name, row.texts, row.batch, row.rounds) for row in rows] == [
        ("a", "short", 2, 2),
        ("b", "short", 2, 2),
    ]


def test_a_row_has_the_reports_fields() -> None:
    row = time_interleaved([BenchTarget("a", lambda texts: None, threads=2, runtime="torch")], ["x"])[0]
    assert set(dataclasses.asdict(row)) == set(
        "name texts threads batch rounds runtime p50_ms p95_ms p99_ms texts_per_second".split()
    )
    assert (row.threads, row.runtime, row.texts, row.rounds) == (2, "torch", "real", 5)


def test_times_are_medians_over_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    # one slow round must not show: calls of 1 ms, and of 1 s in the second round alone
    seconds = iter([0.001, 0.001, 1.0, 1.0, 0.001, 0.001])
    now = [0.0]
    monkeypatch.setattr(time, "perf_counter", lambda: now[0])

    def call(texts: list[str]) -> None:
        now[0] += next(seconds)

    row = time_interleaved([BenchTarget("a", call)], ["x", "y"], rounds=3, warmup=0)[0]
    assert math.isclose(row.p50_ms, 1.0, rel_tol=1e-6)
    assert math.isclose(row.p99_ms, 1.0, rel_tol=1e-6)
    assert math.isclose(row.texts_per_second, 1000.0, rel_tol=1e-6)


@pytest.mark.parametrize(
    ("candidates", "texts", "settings", "message"),
    [
        ([], ["x"], {}, "candidates"),
        ([BenchTarget("a", print)], [], {}, "texts"),
        ([BenchTarget("a", print)], ["x"], {"rounds": 0}, "rounds: The value is 0, but must be at least 1"),
        ([BenchTarget("a", print)], ["x"], {"batch": 0}, "batch: The value is 0"),
        ([BenchTarget("a", print)], ["x"], {"warmup": -1}, "warmup: The value is -1"),
    ],
)
def test_settings_are_checked(
    candidates: list[BenchTarget], texts: list[str], settings: dict[str, int], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        time_interleaved(candidates, texts, **settings)


def test_cold_start_is_measured_in_a_fresh_process(tmp_path: Path) -> None:
    elapsed, peak = cold_start(make_tiny_bundle(tmp_path / "bundle"))
    assert elapsed > 1  # milliseconds: no interpreter starts faster
    assert 2**20 < peak < 2**32
    with pytest.raises(DistillError, match="is not a folder"):
        cold_start(tmp_path / "absent")


def test_the_machine_is_described() -> None:
    found = cpu_info()
    assert set(found) == {"model", "flags", "cores"}
    assert set(found["flags"]) <= set(cpu.ISA_FLAGS)


def test_synthetic_texts_have_their_lengths() -> None:
    for kind, low, high in (("short", 3, 8), ("medium", 16, 26), ("long", 85, 125)):
        texts = SYNTHETIC_TEXTS[kind]
        assert len(texts) == len(set(texts)) == 12
        assert all(low <= len(text.split()) <= high for text in texts)


def test_a_users_files_in_the_working_directory_do_not_reach_a_cold_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = make_tiny_bundle(tmp_path / "bundle")
    for name in ("export", "distill", "json"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('the wrong module')\n")
    monkeypatch.chdir(tmp_path)
    assert cold_start(bundle)[0] > 1


def test_no_peak_is_said_where_the_system_does_not_tell_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The probe on a system without /proc and `resource`, as Windows is."""

    def absent(path: str) -> None:
        raise FileNotFoundError(path)

    bundle = make_tiny_bundle(tmp_path / "bundle")
    monkeypatch.setattr(sys, "argv", ["-c", str(bundle), "1", "a text"])
    monkeypatch.setitem(sys.modules, "resource", None)
    exec(_COLD_START, {"open": absent})
    elapsed, peak = json.loads(capsys.readouterr().out)
    assert elapsed > 0
    assert peak is None
