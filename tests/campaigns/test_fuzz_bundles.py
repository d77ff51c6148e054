"""A small fuzz campaign; `python -m tests.campaigns.fuzz_bundles` is the large one."""

import os
import random
import signal
import sys
import time
from pathlib import Path

import pytest

from distill.export.runtime import InputError
from tests.campaigns import children
from tests.campaigns.bundle_cases import CASES, make_bases, run_case
from tests.campaigns.children import run_cases
from tests.campaigns.fuzz_bundles import case_names, crashes_of_onnxruntime, report
from tests.campaigns.mutations import spoiled_json


def test_spoiled_bundles_and_odd_texts_end_in_a_result_or_in_our_own_error() -> None:
    names = list(case_names(500, seed=1))
    tally = run_cases(names, make_bases, run_case)
    assert tally.wrong == {}
    assert set(tally.ended) == set(CASES)
    assert sum(ended.total() for ended in tally.ended.values()) == len(names)
    # a campaign whose every case is refused early would find nothing
    assert all(tally.ended[target]["result"] for target in ("manifest-values", "graph-fields", "texts"))
    assert all(ended["refused"] for ended in tally.ended.values())


def prepare(folder: Path) -> str:
    return "prepared"


def misbehave(name: str, prepared: str) -> None:
    assert prepared == "prepared"
    kind = name.rpartition("/")[2]
    if kind == "refused":
        raise InputError("no")
    if kind == "uncaught":
        raise OverflowError("too large")
    if kind == "printed":
        os.write(2, b"thread panicked")
    if kind == "asleep":
        time.sleep(600)
    while kind == "busy":
        pass
    if kind == "killed":
        os.kill(os.getpid(), signal.SIGSEGV)
    if kind == "memory":
        bytearray(children.MEMORY_BYTES)


def test_whatever_a_case_does_is_counted_and_the_next_one_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(children, "CASE_SECONDS", 4.0)
    monkeypatch.setattr(children, "CASE_CPU_SECONDS", 0.5)
    kinds = ["result", "refused", "uncaught", "printed", "asleep", "busy", "killed", "result"]
    tally = run_cases([f"graph-bytes/0/{kind}" for kind in (*kinds, "memory")], prepare, misbehave)
    assert tally.ended["graph-bytes"] == {
        "result": 2, "refused": 1, "uncaught": 2, "printed": 1, "hang": 2, "killed": 1,
    }  # fmt: skip
    assert tally.wrong["graph-bytes/0/asleep"] == "hang: longer than 4 s"
    assert tally.wrong["graph-bytes/0/busy"] == "hang: longer than 0 s of computing"
    assert "OverflowError" in tally.wrong["graph-bytes/0/uncaught"]
    assert "MemoryError" in tally.wrong["graph-bytes/0/memory"]
    assert list(crashes_of_onnxruntime(tally)) == ["graph-bytes/0/killed"]
    assert "9 cases in 3 s, 5 uncaught, 1 crashes inside onnxruntime" in report(tally, 3.0)


def test_spoiling_is_said_by_the_seed_alone() -> None:
    whole = {"a": [1, {"b": "c"}], "d": {"e": 0.5}}
    first, again = ([spoiled_json(random.Random(seed), whole) for seed in range(300)] for _ in range(2))
    assert first == again
    assert whole == {"a": [1, {"b": "c"}], "d": {"e": 0.5}}


def test_a_case_is_its_name() -> None:
    assert sys.getrecursionlimit() < 10_000  # deep input must not pass because of a raised bound
    names = list(case_names(700, seed=3))
    assert len(names) == len(set(names)) > 690
    assert {name.partition("/")[0] for name in names} == set(CASES)
