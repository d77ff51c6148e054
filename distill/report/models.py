"""The models of a run: where each left its weights, its logits and its quality."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from distill.artifacts.logits import read_logits_file
from distill.artifacts.quality import QualityRecord, read_quality
from distill.evaluation.decision import Decision, Logits
from distill.export.precision import Variant, exported
from distill.export.runtime.deciding.scores import Bools, Floats
from distill.export.runtime.deciding.task import Task
from distill.recipe.ensemble import members_of, reference_name
from distill.recipe.recipe import Recipe
from distill.runs.layout import CONTEXT_FREE, RunLayout, numbered

# the kinds of a report's models that are not teachers
KINDS = {"twin": "twin", CONTEXT_FREE: "twin", "student": "student"}


@dataclass(frozen=True)
class RunModel:
    """One model of a run: `folder` has its logits, `quality_folder` its `quality.json`.

    `source` is the trained student that a variant was exported from, None for anything else. `folds` are the
    models of its name, each of which did not see one fold; together they decide all rows.
    """

    name: str
    kind: str
    folder: Path
    quality_folder: Path
    source: "RunModel | None" = None
    folds: tuple["RunModel", ...] = ()

    def quality(self) -> QualityRecord:
        """Read the model's quality."""
        return read_quality(self.quality_folder)

    def logits(self, split: str = "test") -> Logits:
        """Read the model's raw logits of one split, ``(N, C)``."""
        return read_logits_file(self.folder)[split]

    def decision(self) -> Decision:
        """Read the calibration and the thresholds that were fitted for the model."""
        return self.quality().decision

    @property
    def testers(self) -> tuple["RunModel", ...]:
        """The models that decide the test rows: itself, or those of the folds, fold by fold."""
        return self.folds or (self,)

    def test_decisions(self, task: Task) -> Bools:
        """Return the decisions on the test rows, or on all rows out of fold, ``(N, C)``."""
        return np.concatenate([model.decision().decide(model.logits(), task) for model in self.testers])

    def test_scores(self, task: Task) -> Floats:
        """Return the calibrated scores of the test rows, or of all rows out of fold, ``(N, C)``."""
        return np.concatenate([model.decision().scores(model.logits(), task) for model in self.testers])


def run_models(recipe: Recipe, layout: RunLayout, folds: Sequence[Path] = ()) -> dict[str, RunModel]:
    """Return the models of a run by name: teachers, the ensemble, the twin, the student, and its variants.

    Args:
        recipe: of the run.
        layout: of the student in it.
        folds: folders of the folds' runs.
    """
    parts = [run_models(recipe, replace(layout, folder=folder)) for folder in folds]

    def in_folds(model: RunModel, others: Sequence[RunModel]) -> RunModel:
        source = model.source
        if source is not None:
            source = in_folds(source, [other.source for other in others if other.source is not None])
        return replace(model, source=source, folds=tuple(others))

    return {
        name: in_folds(model, [models[name] for models in parts])
        for name, model in _own_models(recipe, layout).items()
    }


def _own_models(recipe: Recipe, layout: RunLayout) -> dict[str, RunModel]:
    folders = {numbered("teacher", member.index): layout.teacher(member.index) for member in members_of(recipe)}
    if reference_name(recipe) == "ensemble":
        folders["ensemble"] = layout.ensemble
    if recipe.objective.compare:
        folders["twin"] = layout.twin
        if recipe.corpus.context is not None:
            folders[CONTEXT_FREE] = layout.context_free
    folders["student"] = layout.student
    models = {
        name: RunModel(name, KINDS.get(name, "teacher"), folder, layout.quality(name))
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
