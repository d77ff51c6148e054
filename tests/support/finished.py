"""A finished run's folder, opened again as the pipeline sees it."""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from distill.artifacts.variant import GATE_FILE, GateReport
from distill.export.precision import Variant
from distill.pipeline.export import export_inputs
from distill.pipeline.runner import execute_run
from distill.pipeline.shipment import shipping
from distill.pipeline.state import Run, StudentRun
from distill.recipe.load import load_recipe
from distill.recipe.recipe import Recipe
from distill.runs.layout import RunLayout
from distill.runs.progress import Reporter
from distill.runs.stage import STAGE_FILE, read_record
from distill.variants.export import export_variant


def reopen(folder: Path, *settings: str, recipe: str | None = None) -> Run:
    """Return a run whose records are those that the folder has, as if every stage had just been found done.

    Its recipe is the one that the folder resolved unless another is named, or `smoke` in a new folder.
    """
    run = Run(load_recipe(recipe or _recipe_of(folder), list(settings)), RunLayout(folder), Reporter(quiet=True))
    for path in sorted(folder.rglob(STAGE_FILE)):
        name = path.parent.relative_to(folder).as_posix()
        record = read_record(path.parent)
        if record is not None:
            run.records["bundle" if name == "export/bundle" else name] = record
    return run


def execute(folder: Path, *settings: str, recipe: str | None = None, until: str = "report") -> Run:
    """Execute a recipe in a folder as `reopen` does, without progress on stderr."""
    run = Run(load_recipe(recipe or _recipe_of(folder), list(settings)), RunLayout(folder), Reporter(quiet=True))
    execute_run(run, until)
    return run


def _recipe_of(folder: Path) -> str:
    resolved = folder / "recipe.toml"
    return str(resolved) if resolved.exists() else "smoke"


@dataclass(frozen=True)
class Shipped:
    """A finished run with the student and the variant that it ships."""

    run: Run
    student: StudentRun
    variant: Variant

    @property
    def recipe(self) -> Recipe:
        return self.run.recipe

    @property
    def layout(self) -> RunLayout:
        return self.student.layout

    @property
    def seed(self) -> int:
        return self.student.seed


def open_shipped(folder: Path) -> Shipped:
    """Open a finished run by the recipe that it resolved."""
    run = reopen(folder)
    return Shipped(run, *shipping(run))


def write_gate(folder: Path, *, failures: str = "") -> None:
    """Write the gate of a variant that passed, or that failed with this sentence."""
    folder.mkdir(parents=True, exist_ok=True)
    GateReport(not failures, failures, (), (), True, {}, (), ()).write(folder)


def export_again(run: Run, name: str, **bounds: float) -> dict[str, Any]:
    """Export a variant of a run's first student once more under other bounds, and return its gate."""
    inputs = export_inputs(run.students[0], Variant.parse(name))
    gate = replace(inputs.gate, bounds=replace(inputs.gate.bounds, **bounds))
    folder = run.layout.variant(name)
    folder.mkdir(exist_ok=True)
    export_variant(folder, replace(inputs, gate=gate))
    return dict(json.loads((folder / GATE_FILE).read_text()))
