"""Variants: the exported forms of a student."""

from pathlib import Path

from distill.recipe.recipe import Recipe
from distill.runs.context import Job

MODEL_FILE = "model.onnx"  # calibrated

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
