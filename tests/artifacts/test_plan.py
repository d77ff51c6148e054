"""`plan.json` and its type: what was written before is read, and written again as it was."""

import json
from pathlib import Path
from typing import Any

import pytest

from distill.artifacts.plan import PLAN_FILE, read_plan, write_plan

FAST = {"student": "static 64", "predicted_retention": 0.93, "p50_ms": 0.1, "p95_ms": 0.2, "size_mb": 1}
CONTENT: dict[str, Any] = {
    "budget": {"p95_ms": 1.0, "size_mb": 4.0, "threads": 1},
    "cpu": {"model": "a CPU", "flags": ["avx2"]},
    "texts": 200,
    "vocabulary": 9437,
    "fits": [{**FAST, "precision": name, "rss_mb": None} for name in ("int8-static", "int8-dynamic")],
    "misses": [{**FAST, "precision": "fp32", "rss_mb": 90.5, "over": ["p95 is 2 ms", "the size is 5 MB"]}],
    "unmeasured": 3,
    "busy": False,
    "chosen": {"student.kind": "static", "student.layers": [0, 1], "budget.choose": False},
}


@pytest.mark.parametrize("chosen", [CONTENT["chosen"], None])
def test_a_plan_is_written_as_it_was_read(tmp_path: Path, chosen: object) -> None:
    content = {**CONTENT, "chosen": chosen}
    (tmp_path / PLAN_FILE).write_text(json.dumps(content))
    plan = read_plan(tmp_path)
    assert plan.to_dict() == content
    write_plan(plan, tmp_path)
    assert json.loads((tmp_path / PLAN_FILE).read_text()) == content
    assert plan.budget.bounds == {"p95_ms": 1.0, "size_mb": 4.0}
    assert list(plan.to_dict()["budget"]) == ["p95_ms", "size_mb", "threads"]


def test_the_prediction_is_that_of_the_best_student_in_the_precision_that_ships(tmp_path: Path) -> None:
    (tmp_path / PLAN_FILE).write_text(json.dumps(CONTENT))
    plan = read_plan(tmp_path)
    assert plan.prediction("int8-dynamic") == plan.fits[1]
    assert plan.prediction("fp32") is None
