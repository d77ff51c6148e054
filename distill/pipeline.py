"""The stages in order."""

import re
from collections.abc import Callable

from distill.atomic import remove_leftovers, write_text
from distill.budget_stages import plan_stage
from distill.job import Job
from distill.lock import exclusive
from distill.members import members_of
from distill.run_stages import Run
from distill.student_stages import choose_layers, export_stages, report_stages, train_stages, withdraw
from distill.teacher_stages import corpus_stage, label_stages, teach_stages
from export.runtime.errors import CheckFailedError, InputError


def run(job: Job, until: str = "report") -> Run:
    """Run all stages up to and with one (corpus, plan, teach, label, layers, train, export, report).

    What is done is skipped.

    Raises:
        InputError: the recipe, the corpus or a model is wrong, or another command is at work in the run's folder.
        CheckFailedError: the student misses a floor, the export failed a check, or a budget is missed; an earlier
            bundle and report are taken away.
        KeyboardInterrupt: somebody stopped it; the same call goes on from there.
    """
    try:
        job.folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"{job.folder}: cannot be made ({error.strerror}); choose another --runs folder"
        ) from error
    with exclusive(job.folder):
        return _run_stages(job, until)


def run_search(job: Job) -> None:
    """The stages up to the labels, then students with other values of the recipe.

    Raises:
        InputError: as of `run`; or a value that the recipe's [search] wants to try cannot be.
        KeyboardInterrupt: somebody stopped it; the same call goes on from there.
    """
    from distill.search_space import check_space
    from teachers.classifier import load_config
    from teachers.sources import resolve_model

    first = members_of(job.recipe)[0]
    check_space(job.recipe, load_config(resolve_model(first.source, first.pin).folder))
    under_way = run(job, until="label" if "student.layers" in job.recipe.search.space else "layers")
    from distill.learning import search_student

    search_student(under_way.job)


def _leave_recipe(job: Job) -> None:
    """Write the recipe into the run's folder; the same one stays, with its comment on what was chosen and why."""
    path, text = job.folder / "recipe.toml", job.recipe.to_toml()
    there = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
    if re.sub(r"\A(#.*\n)+", "", there) != text:
        write_text(path, text)


def _run_stages(job: Job, until: str) -> Run:
    remove_leftovers(job.folder)
    _leave_recipe(job)
    under_way = Run(job, trains_student=until in ("train", "export", "report"))
    steps: tuple[tuple[str, Callable[[Run], None]], ...] = (
        ("corpus", corpus_stage),
        ("plan", plan_stage),
        ("teach", teach_stages),
        ("label", label_stages),
        ("layers", choose_layers),
        ("train", train_stages),
        ("export", export_stages),
        ("report", report_stages),
    )
    for name, step in steps:
        try:
            step(under_way)
        except CheckFailedError:
            withdraw(under_way.job)
            raise
        if name == until:
            break
    return under_way
