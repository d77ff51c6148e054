"""A recipe value that is left open: measured by a stage, frozen into the recipe, and explained."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from distill.pipeline.state import Run


@dataclass(frozen=True)
class Outcome:
    """The values that were chosen, by recipe key; one line for the console, and comment lines for the recipe."""

    values: Mapping[str, Any]
    message: str
    heading: str = ""


@dataclass(frozen=True)
class Choice:
    """One open value of a recipe.

    Attributes:
        name: of the stage that measures.
        folder: of that stage.
        applies: whether the recipe can have this value at all.
        is_open: whether the recipe leaves it open.
        identifying_inputs: those that are still known once the value is named; an earlier measurement is
            recognised by them.
        further_inputs: the other inputs of the measurement.
        measure: writes the measurement into a folder.
        outcome: reads what was chosen from that folder.
        resumable: whether a measurement that was interrupted is resumed.
    """

    name: str
    folder: Path
    applies: bool
    is_open: bool
    identifying_inputs: Callable[[], Mapping[str, Any]]
    further_inputs: Callable[[], Mapping[str, Any]]
    measure: Callable[[Path], None]
    outcome: Callable[[Path], Outcome]
    resumable: bool = False


def choose(run: Run, choice: Choice) -> None:
    """Measure an open value, and continue with the recipe that names the best one."""
    if not (choice.applies and choice.is_open):
        return
    inputs = {**choice.identifying_inputs(), **choice.further_inputs()}
    run.stage(choice.name, choice.folder, inputs, choice.measure, resumable=choice.resumable)
    outcome = choice.outcome(choice.folder)
    run.reporter.say(f"  {outcome.message}")
    run.freeze(outcome.values, outcome.heading)


def recall(run: Run, choice: Choice) -> None:
    """Reuse the record of a choice that an earlier command made, if this recipe names its outcome."""
    if choice.name in run.records or not choice.applies or not choice.folder.is_dir():
        return
    record = run.earlier(choice.name, choice.folder, choice.identifying_inputs())
    if record is not None and _names(run.recipe.model_dump(mode="json"), choice.outcome(choice.folder).values):
        run.records[choice.name] = record


def _names(recipe: Mapping[str, Any], values: Mapping[str, Any]) -> bool:
    """Return whether a recipe has these values; one that was left open again may be any."""
    keys = [(key.split("."), value) for key, value in values.items() if value != "auto"]
    return all(recipe[table][name] == value for (table, name), value in keys)
