"""The training stages: student, twin and quantization-aware phase, once per seed."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from distill.pipeline.quality import quality_stage
from distill.pipeline.state import Run
from distill.recipe.ensemble import averaging, members_of
from distill.runs.context import Job
from distill.runs.fingerprints import calibrated_by, student_inputs
from distill.runs.stage import EXPORT_PACKAGES, package_versions
from distill.variants.variant import qat_forms


def train_stages(under_way: Run) -> None:
    """Student and twin, and the student's last phases as int8 forms; of every seed."""
    for job in under_way.job.branches():
        _train_one(under_way, job)


def _train_one(under_way: Run, job: Job) -> None:
    recipe, objective = job.recipe, job.recipe.objective
    start = {
        **under_way.digest("corpus", "teacher"),
        "student": student_inputs(recipe.student),
        "pooling": recipe.teacher.pooling,
        "max_tokens": recipe.corpus.max_tokens,
        "seed": job.seed,
    }
    labels = [name for name in under_way.records if name.startswith("labels")]
    mix = (objective.temperature, objective.soft_weight)
    distilled = {**start, **under_way.digest(*labels), "objective": mix}
    if len(members_of(recipe)) > 1 or recipe.teacher.fit_temperature:
        distilled["averaging"] = averaging(recipe)
    terms = objective.terms()
    _train(under_way, job, "student", {**distilled, "terms": terms} if terms else distilled)
    if objective.compare:
        # as many steps as the student's, so it depends on how many texts were made, and on no label of any teacher
        made = [name for name in ("augmented",) if name in under_way.records]
        _train(under_way, job, "twin", {**start, **under_way.digest(*made)})
    for form in qat_forms(recipe):
        _train_quantized(under_way, job, form, {**distilled, "terms": terms})


def _train(under_way: Run, job: Job, name: str, inputs: Mapping[str, Any]) -> None:
    def work(folder: Path) -> None:
        from distill.training.student import study

        study(job, folder, distilled=name == "student")

    folder = job.student if name == "student" else job.twin
    under_way.stage(f"{job.prefix}{name}", folder, inputs, work, resumable=True)
    quality_stage(under_way, job, name, folder)


def _train_quantized(under_way: Run, job: Job, form: str, shared: Mapping[str, Any]) -> None:
    """The student's last phase as what an int8 form computes."""
    name = f"qat/{form}"
    inputs = {
        **shared,
        **under_way.digest(f"{job.prefix}student"),
        "qat": job.recipe.qat.model_dump(mode="json"),
        "form": form,
        # the scales of activations are fitted on a graph
        "versions": package_versions(EXPORT_PACKAGES),
        **calibrated_by(job.recipe, form),
    }

    def work(folder: Path) -> None:
        from distill.training.qat import study_quantized

        study_quantized(job, folder, form)

    under_way.stage(f"{job.prefix}{name}", job.qat(form), inputs, work, resumable=True)
    quality_stage(under_way, job, name, job.qat(form))
