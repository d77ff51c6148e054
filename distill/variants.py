"""Which variant ships: the first that the recipe prefers and that passed its gate; and what a bundle weighs."""

from pathlib import Path
from typing import Any

from distill.job import Job
from distill.json_files import read_json
from distill.recipe import Recipe
from export.runtime.errors import CheckFailedError

GATE_FILE = "gate.json"
MODEL_FILE = "model.onnx"  # calibrated
QUALITY_FILE = "quality.json"
QAT = "-qat"  # ends the name of a variant of a student that was trained as that form
# what `export.precision = "auto"` chooses among; those that need no training of their own
FORMS = ("int8-static", "int8-dynamic", "int8-weights", "fp32")


def may_ship(recipe: Recipe) -> list[str]:
    """The variants that the recipe allows to ship, in its order."""
    precision = recipe.export.precision
    return list(FORMS) if precision == "auto" else list(precision)


def exported(recipe: Recipe) -> list[str]:
    """The variants that are made: fp32, those that may ship, and beside a `-qat` one the plain one."""
    names = ["fp32"]
    for name in may_ship(recipe):
        names += [form_of(name), name]
    return list(dict.fromkeys(names))


def qat_forms(recipe: Recipe) -> list[str]:
    """The forms that a student is trained as."""
    return list(dict.fromkeys(form_of(name) for name in may_ship(recipe) if name.endswith(QAT)))


def form_of(name: str) -> str:
    """What a variant computes, whatever student it was made of: `int8-static` of `int8-static-qat`."""
    return name.removesuffix(QAT)


def source_of(job: Job, name: str) -> Path:
    """The student that a variant is made of."""
    return job.qat(form_of(name)) if name.endswith(QAT) else job.student


def read_gate(folder: Path) -> dict[str, Any]:
    """What the gate said of one variant."""
    return read_json(folder / GATE_FILE)


def folder_bytes(folder: Path) -> int:
    """What a folder weighs, all its files together; of a bundle that is what ships."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def choose_branch(job: Job) -> Job:
    """The job whose student ships: of several the one whose chosen variant is best on validation.

    Raises:
        CheckFailedError: a student has no variant that may ship.
    """
    branches = job.branches()
    if len(branches) == 1:
        return branches[0]
    files = [one.variant(choose_variant(one)) / QUALITY_FILE for one in branches]
    scores = [read_json(file)["validation"]["macro_f1"] for file in files]
    return branches[scores.index(max(scores))]


def choose_variant(job: Job) -> str:
    """The first of those that may ship that passed.

    Raises:
        CheckFailedError: none did; says which checks failed and by how much.
    """
    reasons, names = [], may_ship(job.recipe)
    for name in names:
        gate = read_gate(job.variant(name))
        if gate["passed"]:
            return name
        reasons.append(f"{name}: {gate['failures']}")
    recipe = job.recipe.export
    remedies = [] if recipe.table_bits == 8 else [f"raise export.table_bits above {recipe.table_bits}"]
    if recipe.precision != "auto":
        remedies.append("allow another in export.precision (int8-weights and fp32 stay closest)")
    remedies.append("widen a bound knowingly")
    raise CheckFailedError(
        f"gate: no variant of {', '.join(names)} may ship ({'; '.join(reasons)}); {', or '.join(remedies)}"
    )
