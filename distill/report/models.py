"""The models of a run: where each left its weights, its logits and its quality."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from distill.artifacts.logits import read_logits_file
from distill.artifacts.quality import read_quality
from distill.evaluation.decision import Decision, Logits
from distill.export.runtime.tasks import Bools, Floats, Task
from distill.recipe.ensemble import members_of
from distill.runs.context import Job, numbered
from distill.variants.variant import exported, form_of


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

    def quality(self) -> dict[str, Any]:
        """Read the model's quality."""
        return read_quality(self.quality_folder)

    def logits(self, split: str = "test") -> Logits:
        """Read the model's raw logits of one split, ``(N, C)``."""
        return read_logits_file(self.folder)[split]

    def decision(self) -> Decision:
        """Read the calibration and the thresholds that were fitted for the model."""
        return Decision.from_dict(self.quality()["decision"])

    def test_decisions(self, task: Task) -> Bools:
        """Return the model's decisions on the test rows, ``(N, C)``."""
        return self.decision().decide(self.logits(), task)

    def test_scores(self, task: Task) -> Floats:
        """Return the model's calibrated scores of the test rows, ``(N, C)``."""
        return self.decision().scores(self.logits(), task)


def run_models(job: Job) -> dict[str, RunModel]:
    """Return the models of a run by name: teachers, the ensemble, the twin, the student, and its variants."""
    folders = {numbered("teacher", member.index): job.member(member.index) for member in members_of(job.recipe)}
    if job.reference == "ensemble":
        folders["ensemble"] = job.ensemble
    if job.recipe.objective.compare:
        folders["twin"] = job.twin
    folders["student"] = job.student
    models = {
        name: RunModel(name, name if name in ("twin", "student") else "teacher", folder, job.quality(name))
        for name, folder in folders.items()
    }
    return models | {name: _variant(job, name, models["student"]) for name in exported(job.recipe)}


def _variant(job: Job, name: str, student: RunModel) -> RunModel:
    form, source = form_of(name), student
    if name != form:
        source = RunModel(f"student as {form}", "student", job.qat(form), job.quality(f"qat/{form}"))
    return RunModel(name, "variant", job.variant(name), job.variant(name), source)
