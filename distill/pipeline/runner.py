"""The stages of a run in order."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from distill.export.runtime.errors import CheckFailedError, InputError
from distill.files.atomic import remove_leftovers, write_text
from distill.files.lock import exclusive
from distill.pipeline.audited import check_auditable
from distill.pipeline.base import with_start
from distill.pipeline.choice import choose
from distill.pipeline.choices import layers_choice, plan_choice
from distill.pipeline.corpus import corpus_stage
from distill.pipeline.export import export_stages, variant_stages, withdraw
from distill.pipeline.folds import fold_recipe, fold_runs, fold_warnings
from distill.pipeline.labels import label_stages
from distill.pipeline.needs import require_asked
from distill.pipeline.report import report_stages
from distill.pipeline.state import Run
from distill.pipeline.teacher import teach_stages
from distill.pipeline.train import train_stages
from distill.recipe.keys import recipe_keys
from distill.recipe.recipe import Recipe

STEPS: dict[str, Callable[[Run], None]] = {
    "corpus": corpus_stage,
    "plan": lambda run: choose(run, plan_choice(run)),
    "teach": teach_stages,
    "label": label_stages,
    "layers": lambda run: choose(run, layers_choice(run)),
    "train": train_stages,
    "export": export_stages,
    "report": report_stages,
}


# steps of the run of one fold: choices are made on all rows, and nothing is bundled or timed
FOLD_STEPS: dict[str, Callable[[Run], None]] = {
    "corpus": corpus_stage,
    "teach": teach_stages,
    "label": label_stages,
    "train": train_stages,
    "export": variant_stages,
}


@recipe_keys()
def execute_run(run: Run, until: str = "report") -> None:
    """Run all stages up to and including one of `STEPS`; finished ones are skipped.

    Raises:
        InputError: the recipe, the corpus or a model is wrong, or another command works in the run's folder.
        MissingExtraError: a tracker or Ray is not installed.
        CheckFailedError: the student misses a floor, the export failed a check, or a budget is missed; an earlier
            bundle and report are taken away.
        KeyboardInterrupt: a stop was asked for; the same call resumes from there.
    """
    require_asked(run.recipe)
    with exclusive_folder(run.layout.folder):
        run_stages(run, until)


@contextmanager
def exclusive_folder(folder: Path) -> Iterator[None]:
    """Create a run's folder, and keep every other command out of it.

    Raises:
        InputError: it cannot be created, or another command works in it.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"{folder}: The folder cannot be created ({error.strerror}). Choose another --runs folder."
        ) from error
    with exclusive(folder):
        yield


def run_stages(run: Run, until: str) -> None:
    """Execute a run for a caller that already holds its lock; see `execute_run`."""
    check_auditable(run.recipe)
    run.trains_student = until in ("train", "export", "report")
    remove_leftovers(run.layout.folder)
    run.recipe = with_start(run.recipe, run.reporter)
    _write_recipe(run.recipe, run.layout.recipe)
    if run.trains_student:  # only trained models have a quality to measure
        run.folds = fold_runs(run)
        for part in run.folds:
            part.layout.folder.mkdir(parents=True, exist_ok=True)
            remove_leftovers(part.layout.folder)
        for warning in fold_warnings(run.recipe) if run.folds else ():
            run.reporter.say(f"warning: {warning}")
    for name, step in STEPS.items():
        try:
            for fold, part in enumerate(run.folds if name in FOLD_STEPS else ()):
                part.recipe = fold_recipe(run.recipe, fold)  # with the values chosen since, on all rows
                _write_recipe(part.recipe, part.layout.recipe)
                FOLD_STEPS[name](part)
            step(run)
        except CheckFailedError:
            withdraw(run.layout)
            raise
        if name == until:
            break


def _write_recipe(recipe: Recipe, path: Path) -> None:
    """Write the recipe into a run's folder; an equal one stays, with its comment on what was chosen and why."""
    text = recipe.to_toml()
    present = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
    if re.sub(r"\A(#.*\n)+", "", present) != text:
        write_text(path, text)
