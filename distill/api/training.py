"""A recipe carried out from Python: the same stages as `distill run`, in a script or a notebook."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from distill.api.run import Run
from distill.files.extras import need_run
from distill.runs.interrupts import StopRequest
from distill.runs.layout import RunLayout
from distill.runs.libraries import prepared_libraries
from distill.runs.progress import Epoch, Reporter

if TYPE_CHECKING:
    from distill.recipe.recipe import Recipe

Step = Literal["teach", "label", "train", "export", "report"]


def train(
    recipe: "Recipe | str | Path",
    *,
    overrides: Mapping[str, Any] | None = None,
    runs: str | Path = "runs",
    until: Step = "report",
    on_epoch: Callable[[Epoch], None] | None = None,
    quiet: bool = False,
) -> Run:
    """Carry a recipe out: corpus, teacher, soft labels, student and twin, export, gate, bundle, report.

    Stages that are done are not done again, and a training that was interrupted resumes, so that the same call
    continues where an earlier one stopped.

    Args:
        recipe: a `Recipe`, the path of a TOML file, or the name of a packaged recipe.
        overrides: values by key, such as {"student.layers": [0, 3, 5]}.
        runs: folder of all runs; the run is in a folder of the recipe's name in it.
        until: the last step.
        on_epoch: is called after each epoch of each training, and may end it by an exception.
        quiet: whether no progress is shown on stderr.

    Raises:
        InputError: the recipe, the corpus or a model is wrong.
        CheckFailedError: the student misses a floor, a check of the export or the budget; or the bundle, which is
            written, is worse than TF-IDF and the recipe does not accept that.
        MissingExtraError: the train or export extra is not installed.
        KeyboardInterrupt: the training was interrupted, and has saved what it would lose.
    """
    need_run(until)
    stop = StopRequest()
    with stop.listening(), prepared_libraries():
        from distill.pipeline.runner import execute_run
        from distill.pipeline.state import Run as RunInProgress

        resolved = resolve(recipe, overrides or {})
        layout = RunLayout(Path(runs) / resolved.name)
        progress = on_epoch or (lambda epoch: None)
        execute_run(RunInProgress(resolved, layout, Reporter(quiet=quiet), stop, on_epoch_end=progress), until)
    if until == "report":
        from distill.report.verdict import require_passed

        require_passed(layout.folder, is_accepted=resolved.export.allow_worse_than_baseline)
    return Run(layout.folder)


def resolve(recipe: "Recipe | str | Path", overrides: Mapping[str, Any]) -> "Recipe":
    """Return a recipe with some values replaced, by keys such as `student.epochs`.

    Raises:
        InputError: there is no such recipe, or a value is out of its bounds.
    """
    from distill.recipe.load import parse_recipe, recipe_data, set_value

    data, where = recipe_data(recipe)
    for key, value in overrides.items():
        set_value(data, key, value, f"overrides[{key!r}]")
    return parse_recipe(data, where)
