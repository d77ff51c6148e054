import copy
import dataclasses
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distill.export.runtime import BundleError, InputError, load
from distill.export.runtime.deciding.tasks import TASKS
from distill.export.runtime.manifest.manifest import Manifest, contract, dump_json
from distill.export.runtime.manifest.parts import Abstain, Calibration, SelfTest
from distill.export.runtime.manifest.records import FileRecord
from tests.support.tiny_bundle import LABELS, MODEL_FILE, make_tiny_bundle, rewrite_manifest, tiny_manifest

finite = st.floats(-1e6, 1e6)
shares = st.floats(0, 1, exclude_min=True, exclude_max=True)
printable = st.characters(exclude_categories=("Cs", "Cc"))
names = st.text(printable, min_size=1, max_size=12).filter(lambda value: bool(value.strip()))
plain = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | finite | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@st.composite
def manifests(draw: st.DrawFn) -> Manifest:
    task = draw(st.sampled_from(("multi_label", "single_label")))
    labels = tuple(draw(st.lists(names, min_size=2, max_size=5, unique=True)))

    def row(values: st.SearchStrategy[float]) -> tuple[float, ...]:
        return tuple(draw(st.lists(values, min_size=len(labels), max_size=len(labels))))

    texts = tuple(draw(st.lists(st.text(max_size=10), min_size=1, max_size=3)))
    max_tokens = draw(st.integers(1, 512))
    ids = st.lists(st.integers(0, 2**32 - 1), max_size=min(max_tokens, 6)).map(tuple)
    blank = FileRecord(sha256=draw(st.text("0123456789abcdef", min_size=64, max_size=64)), bytes=3)
    return dataclasses.replace(
        tiny_manifest(task),
        name=draw(names),
        labels=labels,
        calibration=Calibration(row(st.floats(1e-3, 1e3)), row(finite)),
        thresholds=row(shares) if task == "multi_label" else None,
        abstain=draw(st.none() | st.builds(Abstain, st.just(TASKS[task].confidence_rule), shares)),
        max_tokens=max_tokens,
        max_batch=draw(st.none() | st.integers(1, 64)),
        self_test=SelfTest(
            texts=texts,
            input_ids=tuple(draw(ids) for _ in texts),
            logits=tuple(row(finite) for _ in texts),
            tolerance=draw(st.floats(1e-6, 1.0, exclude_max=True)),
        ),
        files={MODEL_FILE: blank, "tokenizer.json": blank},
        provenance=draw(st.dictionaries(names, plain, max_size=3)),
        metrics=draw(st.dictionaries(names, finite, max_size=3)),
    )


@given(manifests())
def test_round_trip(manifest: Manifest) -> None:
    written = dump_json(manifest.to_dict())
    again = Manifest.from_dict(json.loads(written), "manifest.json")
    assert again == manifest
    assert dump_json(again.to_dict()) == written


def put(*path: str, value: object) -> Callable[[dict[str, Any]], None]:
    def change(data: dict[str, Any]) -> None:
        for key in path[:-1]:
            data = data[key]
        data[path[-1]] = value

    return change


def rule(**changes: object) -> dict[str, object]:
    return {"confidence": "exact_match", "below": 0.5} | changes


WRONG: list[tuple[Callable[[dict[str, Any]], object], str]] = [
    (put("thresholdz", value=[]), "unknown key 'thresholdz'. Did you mean 'thresholds'"),
    (lambda data: data.pop("abstain"), "key 'abstain' is missing"),
    (put("name", value=" "), "'name' must be a string"),
    (put("task", value="token"), "'task' must be one of"),
    (put("labels", value=["joy", 3, "calm"]), "'labels' must be a list of at least one string"),
    (put("labels", value=["joy", "sadness"]), "'scale' must be a list of 2 values, has 3"),
    (put("calibration", "scale", value=[1, 0, 1]), "calibration: 'scale' must be made of finite"),
    (put("calibration", "bias", value=[0.0, float("nan"), 0.0]), "'bias' must be made of finite"),
    (put("calibration", "bias", value=[0, True, 0]), "'bias' must be made of finite"),
    (put("thresholds", value=None), "'thresholds' must be a list, one for each label"),
    (put("abstain", value=0.5), "abstain: This must be a JSON object, but is float"),
    (put("abstain", value={"below": 0.5}), "abstain: The key 'confidence' is missing"),
    (
        put("abstain", value=rule(confidence="feeling")),
        "abstain: 'confidence' must be one of exact_match,",
    ),
    (put("abstain", value=rule(confidence="top_score")), "'abstain' must be by exact_match where task is multi"),
    (put("abstain", value=rule(below=float("nan"))), "abstain: 'below' must be a finite number between 0 and 1"),
    (put("abstain", value=rule(below=0)), "abstain: 'below' must be a finite number between 0 and 1"),
    (put("abstain", value=rule(below=1.0)), "abstain: 'below' must be a finite number between 0 and 1"),
    (put("abstain", value=rule(below=True)), "abstain: 'below' must be a finite number between 0 and 1"),
    (put("abstain", value=rule(above=0.5)), "abstain: There is an unknown key 'above'"),
    (put("max_tokens", value=8.0), "'max_tokens' must be a whole number from 1 to 8192"),
    (put("max_batch", value=0), "'max_batch' must be a whole number from 1"),
    (put("inputs", value=["attention_mask"]), "'inputs' must be input_ids and"),
    (put("inputs", value=["input_ids", "pixels"]), "'inputs' must be input_ids and"),
    (put("self_test", "input_ids", value=[[2, 3]]), "'input_ids' must be a list of 2 values, has 1"),
    (put("self_test", "input_ids", value=[[2, -1], [2]]), "'input_ids' must be made of token ids"),
    (put("self_test", "input_ids", value=[[2] * 9, [2]]), "at most 8 token ids"),
    (put("self_test", "logits", value=[[0, 0, 0], [0, 0]]), "'logits' must be a list of lists of 3 numbers"),
    (put("self_test", "tolerance", value=0), "'tolerance' must be a finite number"),
    (put("self_test", value=None), "self_test: This must be a JSON object, but is NoneType"),
    (put("files", MODEL_FILE, "sha256", value="0" * 63), "'sha256' must be 64 lower-case"),
    (put("files", MODEL_FILE, "bytes", value=-1), "'bytes' must be a whole number from 0"),
    (put("provenance", value=[]), "'provenance' must be a JSON object"),
    (put("metrics", value={"f1": float("inf")}), "'metrics' must be a JSON object"),
]


@pytest.mark.parametrize(("change", "message"), WRONG, ids=[message for _, message in WRONG])
def test_what_is_wrong_is_named(change: Callable[[dict[str, Any]], object], message: str) -> None:
    data = copy.deepcopy(tiny_manifest().to_dict())
    change(data)
    with pytest.raises(BundleError) as caught:
        Manifest.from_dict(data, "here.json")
    assert str(caught.value).startswith("here.json")
    assert message in str(caught.value)


def test_single_label_has_no_thresholds() -> None:
    data = tiny_manifest("single_label").to_dict()
    with pytest.raises(BundleError, match="'thresholds' must be null"):
        Manifest.from_dict(data | {"thresholds": [0.5, 0.5, 0.5]}, "here.json")
    with pytest.raises(BundleError, match="'abstain' must be by top_score"):
        Manifest.from_dict(data | {"abstain": rule()}, "here.json")


@pytest.mark.parametrize(
    "path",
    ["../x", "/x", "a/../x", "a//x", "./x", "a\\x", "C:x", ".", "a/", "x\0", "..", "a/..", "x\x1b"],
)
def test_a_listed_path_never_leaves_the_folder(path: str) -> None:
    data = tiny_manifest().to_dict()
    data["files"][path] = {"sha256": "0" * 64, "bytes": 0}
    with pytest.raises(BundleError, match="must be relative"):
        Manifest.from_dict(data, "here.json")


def test_contract_is_the_decision_alone() -> None:
    found = contract(tiny_manifest())
    assert found["labels"] == list(LABELS)
    assert not {"files", "self_test", "provenance", "metrics"} & set(found)
    assert {"thresholds", "calibration", "max_tokens", "inputs", "format_version"} <= set(found)


def test_dump_json_is_sorted_and_refuses_what_is_not_json() -> None:
    assert dump_json({"b": 1, "a": [1.5]}) == '{\n  "a": [\n    1.5\n  ],\n  "b": 1\n}\n'
    with pytest.raises(ValueError, match="not JSON compliant"):
        dump_json({"a": float("nan")})


def test_the_manifest_can_be_pinned(tmp_path: Path) -> None:
    bundle = make_tiny_bundle(tmp_path)
    digest = hashlib.sha256((bundle / "manifest.json").read_bytes()).hexdigest()
    assert load(bundle, manifest_sha256=digest.upper()).labels == LABELS
    with pytest.raises(BundleError, match="is not the pinned one"):
        load(rewrite_manifest(bundle, name="other"), manifest_sha256=digest)
    with pytest.raises(InputError, match="64 hexadecimal digits"):
        load(bundle, manifest_sha256="abc")


def test_no_folder_and_no_manifest(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="is not a folder"):
        load(tmp_path / "absent")
    with pytest.raises(BundleError, match=r"has no manifest\.json"):
        load(tmp_path)
    for name in ("x\0y", "\ud800", "x" * 5000):
        with pytest.raises(BundleError, match="is not a folder"):
            load(name)
