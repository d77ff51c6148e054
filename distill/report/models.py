"""The models of a run: where each left its weights, its logits and its quality."""

from dataclasses import dataclass
from pathlib import Path

from distill.artifacts.logits import read_logits_file
from distill.artifacts.quality import QualityRecord, read_quality
from distill.evaluation.decision import Decision, Logits
from distill.export.precision import Variant, exported
from distill.export.runtime.scores import Bools, Floats
from distill.export.runtime.task import Task
from distill.recipe.ensemble import members_of, reference_name
from distill.recipe.recipe import Recipe
from distill.runs.layout import RunLayout, numbered


@dataclass(frozen=True)
class RunModel:
    """One model of a run: `folder` has its logits, `quality_folder` its `quality.json`.

    `source` is the trained student that a variant was exported from, None for anything else.
    """

    name: str
    kind: str
    folder: Path
    quality_folder: Path
    source: "RunModel | None" = None

    def quality(self) -> QualityRecord:
        """Read the model's quality."""
        return read_quality(self.quality_folder)

    def logits(self, split: str = "test") -> Logits:
        """Read the model's raw logits of one split, ``(N, C)``."""
        return read_logits_file(self.folder)[split]

    def decision(self) -> Decision:
        """Read the calibration and the thresholds that were fitted for the model."""
        return self.quality().decision

    def test_decisions(self, task: Task) -> Bools:
        """Return the model's decisions on the test rows, ``(N, C)``."""
        return self.decision().decide(self.logits(), task)

    def test_scores(self, task: Task) -> Floats:
        """Return the model's calibrated scores of the test rows, ``(N, C)``."""
        return self.decision().scores(self.logits(), task)


def run_models(recipe: Recipe, layout: RunLayout) -> dict[str, RunModel]:
    """Return the models of a run by name: teachers, the ensemble, the twin, the student, and its variants."""
    folders = {numbered("teacher", member.index): layout.teacher(member.index) for member in members_of(recipe)}
    if reference_name(recipe) == "ensemble":
        folders["ensemble"] = layout.ensemble
    if recipe.objective.compare:
        folders["twin"] = layout.twin
    folders["student"] = layout.student
    models = {
        name: RunModel(name, name if name in ("twin", "student") else "teacher", folder, layout.quality(name))
        for name, folder in folders.items()
    }
    variants = exported(recipe.export.shippable)
    return models | {variant.name: _variant(layout, variant, models["student"]) for variant in variants}


def _variant(layout: RunLayout, variant: Variant, student: RunModel) -> RunModel:
    folder, source = layout.variant(variant.name), student
    if variant.qat:
        quality = layout.quality(f"qat/{variant.precision}")
        source = RunModel(f"student as {variant.precision}", "student", layout.student_of(variant), quality)
    return RunModel(variant.name, "variant", folder, folder, source)
