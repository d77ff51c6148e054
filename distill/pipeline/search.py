"""`distill search`: the stages up to the labels, then students with other values of the recipe."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from distill.artifacts.trials import Trials
from distill.pipeline.base import with_start
from distill.pipeline.runner import exclusive_folder, run_stages
from distill.pipeline.state import Run
from distill.pipeline.train import training_inputs
from distill.recipe.ensemble import start_of
from distill.recipe.keys import recipe_keys
from distill.recipe.recipe import Recipe
from distill.runs.stage import StageRecord


@recipe_keys()
def run_search(run: Run) -> Trials:
    """Run the stages up to the labels, then train trials under the same lock.

    Raises:
        InputError: as in `execute_run`; or a value in the recipe's [search] is impossible.
        KeyboardInterrupt: a stop was asked for; the same call resumes from there.
    """
    from distill.search.space import check_space
    from distill.teachers.checkpoints import load_config
    from distill.teachers.sources import resolve_model

    run.recipe = with_start(run.recipe, run.reporter)
    check_space(run.recipe, load_config(resolve_model(*start_of(run.recipe)).folder))
    with exclusive_folder(run.layout.folder):
        run_stages(run, "label" if "student.layers" in run.recipe.search.space else "layers")
        from distill.search.trials import Search
        from distill.training.student import train_student

        inputs = training_inputs(run, run.recipe.seed)

        def train(recipe: Recipe, folder: Path, on_epoch_end: Callable[[float], None]) -> float:
            trial = replace(inputs, student=recipe.student, objective=recipe.objective)
            controls = replace(run.controls(), on_epoch_end=lambda epoch: on_epoch_end(epoch.score))
            return train_student(folder, trial, controls).best_score

        search = Search(run.layout.search, run.recipe, train, run.reporter, run.stop)
        return search.run(label_digests(run.records))


def label_digests(records: Mapping[str, StageRecord]) -> dict[str, str]:
    """Return the hash of every set of soft labels among a run's stages, by its stage's name."""
    return {name: record.digest for name, record in records.items() if name.startswith("labels")}
