"""Manifests of ordered levels: what version 2 writes is read back, and every lie in its objects is refused."""

from typing import Any

import pytest

from distill.export.runtime import BundleError
from distill.export.runtime.deciding.kinds.ordinal import MedianLevel
from distill.export.runtime.manifest.manifest import Manifest
from distill.export.runtime.manifest.parts import Calibration
from distill.export.runtime.manifest.tagged import Tagged
from distill.export.runtime.reading.inputs import Text
from tests.support.tiny_bundle import tiny_manifest


def ordinal_manifest() -> dict[str, Any]:
    """A manifest of version 2."""
    plain = tiny_manifest("single_label")
    values = {
        **vars(plain),
        "format_version": 2,
        "task": "ordinal",
        "thresholds": None,
        "calibration": Calibration((1.0, 1.0), (0.0, 0.0)),
        "input": Text(),
        "output": Tagged("level_log_probabilities"),
        "decision": MedianLevel("median_level", (0.5, 0.4)),
    }
    return Manifest(**values).to_dict()


def test_a_manifest_of_version_2_is_read_back() -> None:
    manifest = Manifest.from_dict(ordinal_manifest(), "manifest.json")
    assert manifest.to_dict() == ordinal_manifest()
    assert manifest.policy.thresholds == (0.5, 0.4)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"format_version": 1}, "unknown key 'input'"),
        ({"format_version": 3}, "'format_version' must be 1 or 2"),
        ({"task": "single_label"}, "'output' must be null where task is single_label"),
        ({"thresholds": [0.5, 0.5, 0.5]}, "'thresholds' must be null where 'decision' has the cutoffs"),
        ({"input": {"kind": "songs"}}, "input: 'kind' must be one of text, pair, turns"),
        ({"input": {"kind": "text", "template": "x"}}, "input: There is an unknown key 'template'"),
        ({"input": None}, "input: This must be a JSON object"),
        ({"output": {"kind": "levels"}}, "output: 'kind' must be one of level_log_probabilities"),
        ({"output": {}}, "output: The key 'kind' is missing"),
        ({"decision": {"kind": "argmax", "cutoffs": [0.5, 0.5]}}, "decision: 'kind' must be one of median_level"),
        ({"decision": {"kind": "median_level", "cutoffs": [0.5]}}, "'cutoffs' must be a list of 2 values, has 1"),
        ({"decision": {"kind": "median_level", "cutoffs": [0.5, 1.0]}}, "made of finite numbers between 0 and 1"),
        ({"decision": {"kind": "median_level", "cutoffs": "0.5"}}, "'cutoffs' must be a list"),
        ({"decision": {"kind": "median_level"}}, "decision: The key 'cutoffs' is missing"),
        ({"activation": "sigmoid"}, "'activation' must be softmax where task is ordinal"),
        ({"abstain": {"confidence": "top_score", "below": 0.5}}, "'abstain' must be by decided_score"),
        ({"calibration": {"scale": [1.0] * 3, "bias": [0.0] * 3}}, "'scale' must be a list of 2 values"),
    ],
)
def test_hostile_ordinal_objects_are_refused(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(BundleError) as caught:
        Manifest.from_dict({**ordinal_manifest(), **changes}, "manifest.json")
    assert said in str(caught.value)
