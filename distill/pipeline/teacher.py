"""The teacher stages: fine-tune or load each teacher, and average an ensemble."""

from pathlib import Path

from distill.pipeline.base import StudentStart
from distill.pipeline.labels import LearningMaterial
from distill.pipeline.llm import LanguageTeacher
from distill.pipeline.quality import quality_stage
from distill.pipeline.state import Run
from distill.recipe.ensemble import Member, averaging, members_of
from distill.runs.fingerprints import cut_inputs
from distill.runs.layout import numbered


def teach_stages(run: Run) -> None:
    """Make every teacher, the average of several, and the encoder that the student starts from."""
    if run.recipe.student.base is not None:
        StudentStart(run).store(run.recipe.student.base)
    if run.recipe.teacher.kind != "classifier":
        LanguageTeacher(run).teach()
        return
    members = members_of(run.recipe)
    for member in members:
        _teach(run, member)
    if len(members) > 1:
        _average(run, members)


def _teach(run: Run, member: Member) -> None:
    from distill.teachers.sources import resolve_teacher

    recipe = run.recipe
    base = resolve_teacher(member.source, member.pin)
    # which teachers there are, and how they are averaged, changes none of them
    others = {"kind", "model", "checkpoint", "sha256", "seeds", "average", "fit_temperature", "max_unknown"}
    inputs = {
        **run.digest("corpus"),
        "teacher": recipe.teacher.counted(others),
        "weights": base.sha256,
        **cut_inputs(recipe.corpus),
        "seed": member.seed,
    }
    if member.is_finetuned:
        inputs["taken_as_it_is"] = True
    name, place = numbered("teacher", member.index), run.layout.teacher(member.index)

    def work(folder: Path) -> None:
        from distill.labelling.endpoint.open import endpoint_of
        from distill.training.preflight import check_known, check_weights
        from distill.training.teacher import load_teacher, train_teacher

        if member.index == 0:  # before hours are spent
            sources = {other.source: resolve_teacher(other.source, other.pin) for other in members_of(recipe)[1:]}
            sources[member.source] = base
            check_weights(recipe, sources, run.corpus.task)
            check_known(recipe, sources, run.sample)
            if recipe.student.base is None:
                StudentStart(run).check(base.path)
            if recipe.augmentation.written and recipe.endpoint is not None:
                endpoint_of(recipe.endpoint)
        make = load_teacher if member.is_finetuned else train_teacher
        make(folder, base, recipe.teacher, run.corpus, run.tokens, seed=member.seed, controls=run.controls())

    run.stage(name, place, inputs, work, resumable=True)
    quality_stage(run, run.layout, name, place)


def _average(run: Run, members: tuple[Member, ...]) -> None:
    names = [numbered("teacher", member.index) for member in members]
    inputs = {**run.digest("corpus", *names), **averaging(run.recipe)}

    def work(folder: Path) -> None:
        from distill.labelling.ensemble import write_average

        write_average(
            folder,
            [run.layout.teacher(member.index) for member in members],
            run.corpus.task,
            LearningMaterial(run).temperatures(),
            run.recipe.teacher.average,
        )

    run.stage("ensemble", run.layout.ensemble, inputs, work)
    quality_stage(run, run.layout, "ensemble", run.layout.ensemble)
