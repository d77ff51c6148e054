"""Frozen dataclasses to JSON and back: nesting, defaults, newer files, and refusals that name the place."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any, Literal

import pytest

from distill.artifacts.records import from_dict, read_record, stored, to_dict, write_record
from distill.export.runtime.errors import InputError


class Kind(Enum):
    TEACHER = "teacher"
    STUDENT = "student"


@dataclass(frozen=True)
class Point:
    x: float
    y: float | None = None


@dataclass(frozen=True)
class Celsius:
    """A class with a conversion of its own."""

    degrees: float

    def to_dict(self) -> dict[str, Any]:
        return {"kelvin": self.degrees + 273}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "Celsius":
        return cls(data["kelvin"] - 273)


@dataclass(frozen=True)
class Whole:
    kind: Kind
    points: tuple[Point, ...]
    pair: tuple[int, str]
    by_name: Mapping[str, Point]
    by_number: Mapping[int, float]
    checks: tuple[Point, ...] | None = field(metadata=stored(key="bars"))
    either: Point | tuple[int, ...] | str
    heat: Celsius
    free: Any
    level: Literal["low", "high"] = "low"
    other: int | None = field(default=None, metadata=stored(omit_none=True))
    names: list[str] = field(default_factory=list)


PLAIN: dict[str, Any] = {
    "kind": "student",
    "points": [{"x": 1, "y": None}, {"x": 0.5, "y": 2.0}],
    "pair": [3, "three"],
    "by_name": {"a": {"x": 0.0, "y": 1.0}},
    "by_number": {2: 0.5},
    "bars": None,
    "either": [1, 2],
    "heat": {"kelvin": 300},
    "free": {"any": ["thing"]},
    "level": "high",
    "names": ["a", "b"],
}


def read(**changed: Any) -> Whole:
    return from_dict(Whole, json.loads(json.dumps({**PLAIN, **changed})), source="whole.json")


def test_a_record_is_read_and_written_back_as_it_was(tmp_path: Path) -> None:
    whole = read()
    assert whole.kind is Kind.STUDENT
    assert whole.points == (Point(1), Point(0.5, 2.0))
    assert whole.by_number == {2: 0.5}
    assert whole.either == (1, 2)
    assert whole.heat == Celsius(27)
    assert (whole.checks, whole.other) == (None, None)
    assert to_dict(whole) == PLAIN
    assert list(to_dict(whole)) == list(PLAIN)
    write_record(whole, tmp_path / "whole.json")
    assert read_record(Whole, tmp_path / "whole.json") == whole


def test_a_newer_file_is_read_and_a_missing_key_has_its_default() -> None:
    assert from_dict(Point, {"x": 1.0, "z": 3}) == Point(1.0)
    assert read(either="text").either == "text"
    assert read(either={"x": 1}).either == Point(1)
    assert read(other=5).other == 5
    assert to_dict(read(other=5))["other"] == 5


def test_keys_of_a_kind_of_its_own_are_kept_beside_the_others() -> None:
    @dataclass(frozen=True)
    class Metrics:
        brier: float
        further: Mapping[str, float] = field(default_factory=dict, metadata=stored(rest=True))

    plain = {"brier": 0.25, "kappa": 0.5}
    metrics = from_dict(Metrics, plain)
    assert metrics == Metrics(0.25, {"kappa": 0.5})
    assert to_dict(metrics) == plain
    assert to_dict(Metrics(0.25)) == {"brier": 0.25}
    with pytest.raises(InputError, match=r"the file.kappa must be a value of type float, is str"):
        from_dict(Metrics, {"brier": 0.25, "kappa": "high"})


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"points": [{"x": 1}, {}]}, r"whole.json: points\[1\].x is missing. Delete"),
        ({"points": [{"x": "secret"}]}, r"points\[0\].x must be a value of type float, is str"),
        ({"points": {}}, "points must be a list, is an object"),
        ({"points": [{"x": True}]}, r"points\[0\].x must be a value of type float, is bool"),
        ({"pair": [1]}, "pair must have 2 elements, has 1"),
        ({"kind": "uncle"}, "kind must be a Kind, is str"),
        ({"by_name": {"a": 1}}, "by_name.a must be an object, is int"),
        ({"by_name": []}, "by_name must be an object, is a list"),
        ({"level": "mid"}, "level must be one of low, high, is str"),
        ({"either": [1.5]}, "either must be a value of type str, is a list"),
        ({"names": None}, "names must be a list, is null"),
    ],
)
def test_a_value_that_does_not_fit_is_refused_by_its_place_and_never_quoted(
    changed: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message) as refused:
        read(**changed)
    assert "secret" not in str(refused.value)
