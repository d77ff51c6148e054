"""The share of the teacher's macro-F1 that a student probably keeps, by what was measured (`retention.json`)."""

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np

from distill.students.shape import Dimensions

FILE = Path(__file__).with_name("retention.json")


@dataclass(frozen=True)
class Curve:
    """Retention by how often something was halved, linear between the measured points and beyond them.

    Attributes:
        halved: "layer_weights", from the teacher's to the student's, or "width", from `reference` on.
        reference: the width that `halvings` are counted from; 0 for "layer_weights".
        halvings: ascending.
        retentions: share of the teacher's macro-F1 at each of them.
        lost_beyond: per halving beyond the last point.
        gained_before: per halving before the first point.
    """

    halved: Literal["layer_weights", "width"]
    reference: int
    halvings: tuple[float, ...]
    retentions: tuple[float, ...]
    lost_beyond: float
    gained_before: float

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """Return the curve that one entry of the file describes."""
        return cls(
            halved=data["halved"],
            reference=int(data["reference"]),
            halvings=tuple(point["halvings"] for point in data["points"]),
            retentions=tuple(point["retention"] for point in data["points"]),
            lost_beyond=float(data["lost_beyond"]),
            gained_before=float(data["gained_before"]),
        )

    def __call__(self, student: Dimensions, teacher: Dimensions) -> float:
        """Return the retention of a student of these dimensions."""
        if self.halved == "width":
            halvings = -float(np.log2(student.width / self.reference))
        else:
            halvings = float(np.log2(teacher.layer_weights / student.layer_weights))
        beyond, before = max(0.0, halvings - self.halvings[-1]), max(0.0, self.halvings[0] - halvings)
        between = float(np.interp(halvings, self.halvings, self.retentions))
        return between - self.lost_beyond * beyond + self.gained_before * before


def expected_retention(kind: str, student: Dimensions, teacher: Dimensions, *, is_narrow: bool) -> float:
    """Return the share of the teacher's macro-F1 that a student probably keeps.

    Args:
        kind: the student's family.
        student: its dimensions.
        teacher: the teacher's dimensions.
        is_narrow: whether its embedding table has fewer than 8 bits per number.
    """
    curves, lost_by_narrow_tables = _measured()
    return curves[kind](student, teacher) - (lost_by_narrow_tables if is_narrow else 0.0)


@cache
def _measured() -> tuple[dict[str, Curve], float]:
    """Return the curve of each family, and what tables of few bits lose."""
    data = json.loads(FILE.read_text(encoding="utf-8"))
    curves = {kind: Curve.from_dict(entry) for entry in data["curves"] for kind in entry["families"]}
    return curves, float(data["lost_by_narrow_tables"]["retention"])
