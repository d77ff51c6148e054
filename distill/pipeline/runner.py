"""The stages in order."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from distill.export.runtime.errors import CheckFailedError, InputError
from distill.files.atomic import remove_leftovers, write_text
from distill.files.lock import exclusive
from distill.pipeline.choices import choose_layers, plan_stage
from distill.pipeline.corpus import corpus_stage
from distill.pipeline.export import export_stages, withdraw
from distill.pipeline.labels import label_stages
from distill.pipeline.report import report_stages
from distill.pipeline.state import Run
from distill.pipeline.teacher import teach_stages
from distill.pipeline.train import train_stages
from distill.recipe.keys import recipe_keys
from distill.runs.context import Job


@recipe_keys()
def run(job: Job, until: str = "report") -> Run:
    """Run all stages up to and with one (corpus, plan, teach, label, layers, train, export, report).

    What is done is skipped.

    Raises:
        InputError: the recipe, the corpus or a model is wrong, or another command is at work in the run's folder.
        CheckFailedError: the student misses a floor, the export failed a check, or a budget is missed; an earlier
            bundle and report are taken away.
        KeyboardInterrupt: somebody stopped it; the same call goes on from there.
    """
    with exclusive_run(job):
        return run_stages(job, until)


@contextmanager
def exclusive_run(job: Job) -> Iterator[None]:
    """Make the run's folder, and keep every other command out of it.

    Raises:
        InputError: it cannot be made, or another command is at work in it.
    """
    try:
        job.folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"{job.folder}: cannot be made ({error.strerror}); choose another --runs folder"
        ) from error
    with exclusive(job.folder):
        yield


def _leave_recipe(job: Job) -> None:
    """Write the recipe into the run's folder; the same one stays, with its comment on what was chosen and why."""
    path, text = job.folder / "recipe.toml", job.recipe.to_toml()
    there = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
    if re.sub(r"\A(#.*\n)+", "", there) != text:
        write_text(path, text)


def run_stages(job: Job, until: str) -> Run:
    """As `run`, for a caller that holds the run's lock."""
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
