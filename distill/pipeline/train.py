"""The training stages: student, twin and quantization-aware phase, once per seed."""

from collections.abc import Callable, Mapping
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from distill.export.precision import Precision, qat_precisions
from distill.pipeline.labels import AUGMENTED, LearningMaterial
from distill.pipeline.quality import quality_stage
from distill.pipeline.state import Run, StudentRun
from distill.recipe.ensemble import averaging, members_of
from distill.runs.fingerprints import calibrated_by, cut_inputs, student_inputs
from distill.runs.layout import CONTEXT_FREE
from distill.runs.stage import EXPORT_PACKAGES, package_versions

if TYPE_CHECKING:
    from distill.training.student import StudentInputs


def train_stages(run: Run) -> None:
    """Train the student of every seed, its twin, and its phases as int8."""
    for student in run.students:
        _train_seed(student)


def training_inputs(run: Run, seed: int) -> "StudentInputs":
    """Return everything that the training of a student with one seed depends on."""
    from distill.teachers.encoder import Pooling
    from distill.training.student import StudentInputs

    material = LearningMaterial(run)
    return StudentInputs(
        student=run.recipe.student,
        objective=run.recipe.objective,
        teacher=run.start,
        pooling=Pooling(run.recipe.teacher.start_pooling),
        seed=seed,
        corpus=run.corpus,
        tokens=run.tokens,
        unlabelled=material.unlabelled(),
        soft_labels=material.soft_labels,
        bar=run.reporter.bar,
    )


def _train_seed(student: StudentRun) -> None:
    run = student.run
    recipe, objective = run.recipe, run.recipe.objective
    start = {
        **run.digest(*run.gold_stages, run.start_stage),
        "student": student_inputs(recipe.student),
        "pooling": recipe.teacher.start_pooling,
        **cut_inputs(recipe.corpus),
        "seed": student.seed,
    }
    # validation is labelled to rank layers by, and no student learns from it
    labels = [name for name in run.records if name.startswith("labels") and not name.endswith("/validation")]
    mix = (objective.temperature, objective.soft_weight)
    distilled = {**start, **run.digest(*labels), "objective": mix}
    if len(members_of(recipe)) > 1 or recipe.teacher.fit_temperature:
        distilled["averaging"] = averaging(recipe)
    terms = objective.terms()
    training = cache(partial(training_inputs, run, student.seed))  # one start for student and twin
    _train(student, "student", {**distilled, "terms": terms} if terms else distilled, training)
    if objective.compare:
        # it takes as many steps as the student, so it depends on the number of made texts, but on no teacher's
        # labels
        made = [name for name in (AUGMENTED,) if name in run.records]
        _train(student, "twin", {**start, **run.digest(*made)}, training)
        if recipe.corpus.context is not None:
            inputs = {**distilled, "terms": terms} if terms else distilled
            _train(student, CONTEXT_FREE, inputs, training)
    for precision in qat_precisions(recipe.export.shippable):
        _train_quantized(student, precision, {**distilled, "terms": terms}, training)


def _train(
    student: StudentRun, name: str, inputs: Mapping[str, Any], training: Callable[[], "StudentInputs"]
) -> None:
    run = student.run

    def work(folder: Path) -> None:
        from distill.training.student import train_student, train_twin, train_without_context

        train = {"student": train_student, "twin": train_twin, CONTEXT_FREE: train_without_context}[name]
        train(folder, training(), run.controls())

    folder = student.layout.trained(name)
    run.stage(f"{student.layout.prefix}{name}", folder, inputs, work, resumable=True)
    quality_stage(run, student.layout, name, folder)


def _train_quantized(
    student: StudentRun, precision: Precision, shared: Mapping[str, Any], training: Callable[[], "StudentInputs"]
) -> None:
    """Train the student's last phase as its variant of one int8 precision computes."""
    run, layout = student.run, student.layout
    recipe = run.recipe
    name = f"qat/{precision}"
    inputs = {
        **shared,
        **run.digest(f"{layout.prefix}student"),
        "qat": recipe.qat.model_dump(mode="json"),
        "form": precision.value,
        # activation scales are fitted on a graph
        "versions": package_versions(EXPORT_PACKAGES),
        **calibrated_by(recipe, precision),
    }

    def work(folder: Path) -> None:
        from distill.training.qat import train_quantized

        train_quantized(
            folder,
            layout.student,
            precision,
            recipe.qat,
            recipe.export.calibrator,
            training(),
            run.controls(),
        )

    run.stage(f"{layout.prefix}{name}", layout.qat(precision), inputs, work, resumable=True)
    quality_stage(run, layout, name, layout.qat(precision))
