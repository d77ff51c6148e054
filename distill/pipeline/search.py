"""`distill search`: the stages up to the labels, then students with other values of the recipe."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from distill.artifacts.trials import Trials
from distill.pipeline.runner import exclusive_run, run_stages
from distill.recipe.ensemble import members_of
from distill.recipe.recipe import Recipe
from distill.runs.context import Job
from distill.runs.stage import read_record


def run_search(job: Job) -> Trials:
    """Run the stages up to the labels, then train trials under the same lock.

    Raises:
        InputError: as of `run`; or a value that the recipe's [search] wants to try cannot be.
        KeyboardInterrupt: somebody stopped it; the same call resumes it.
    """
    from distill.search.space import check_space
    from distill.teachers.checkpoints import load_config
    from distill.teachers.sources import resolve_model

    first = members_of(job.recipe)[0]
    check_space(job.recipe, load_config(resolve_model(first.source, first.pin).folder))
    with exclusive_run(job):
        ready = run_stages(job, "label" if "student.layers" in job.recipe.search.space else "layers").job
        from distill.search.trials import Search
        from distill.training.student import study

        def train(recipe: Recipe, folder: Path, on_epoch_end: Callable[[float], None]) -> float:
            return study(replace(ready, recipe=recipe, heard=on_epoch_end), folder, distilled=True).best_score

        return Search(ready.search, ready.recipe, train, ready.reporter, ready.stop).run(label_digests(ready))


def label_digests(job: Job) -> dict[str, str]:
    """Return the hash of every set of soft labels of the run's teachers, by its stage's name."""
    records = {
        str(path.parent.relative_to(job.folder)): read_record(path.parent)
        for member in members_of(job.recipe)
        for path in sorted(job.labels("*", member.index).parent.glob("*/stage.json"))
    }
    return {name: record.digest for name, record in records.items() if record is not None}
