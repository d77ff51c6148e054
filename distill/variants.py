"""Which variant ships: the first that the recipe prefers and that passed its gate."""

from pathlib import Path
from typing import Any

from distill.job import Job
from distill.json_files import read_json
from export.runtime.errors import CheckFailedError

GATE_FILE = "gate.json"
MODEL_FILE = "model.onnx"  # calibrated


def read_gate(folder: Path) -> dict[str, Any]:
    """What the gate said of one variant."""
    return read_json(folder / GATE_FILE)


def choose_variant(job: Job) -> str:
    """The first of `export.precision` that passed.

    Raises:
        CheckFailedError: none did; says which checks failed and by how much.
    """
    reasons = []
    for name in job.recipe.export.precision:
        gate = read_gate(job.variant(name))
        if gate["passed"]:
            return name
        reasons.append(f"{name}: {gate['failures']}")
    raise CheckFailedError(
        f"gate: no variant of {', '.join(job.recipe.export.precision)} may ship ({'; '.join(reasons)}); "
        "allow another in export.precision (int8-weights and fp32 stay closest), or widen a bound knowingly"
    )
