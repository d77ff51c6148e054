"""Checks of a search space before anything is trained: hours of labelling should not end in an invalid value."""

import itertools
import math
from typing import Any

from pydantic import ValidationError

from distill.export.runtime.errors import InputError
from distill.recipe.complaints import complaint_of
from distill.recipe.load import with_values
from distill.recipe.recipe import Recipe
from distill.recipe.section import Section
from distill.recipe.student import ObjectiveRecipe, Span, StudentRecipe
from distill.students.families import FAMILIES
from distill.training.preflight import check_models

# larger products are not checked here; each trial is checked before it is trained
MOST_COMBINATIONS = 2000

TABLES: dict[str, type[Section]] = {"student": StudentRecipe, "objective": ObjectiveRecipe}


def check_space(recipe: Recipe, config: Any) -> None:
    """Check that every value of a recipe's [search.space] is valid, alone and with some choice of the others.

    Args:
        recipe: with the search space.
        config: the teacher's configuration.

    Raises:
        InputError: the space is empty, or it has a value that is invalid alone or with every choice of the others.
    """
    space = recipe.search.space
    if not space:
        raise InputError(
            "search.space is empty. Add values to try to the recipe, for example `[search.space] "
            '"objective.temperature" = [1.0, 2.0, 4.0]`.'
        )
    samples = {key: _samples(choices) for key, choices in space.items()}
    for key, values in samples.items():
        for value in values:
            _check_alone(key, value)
    _refuse_open_layers(recipe)
    if math.prod(map(len, samples.values())) <= MOST_COMBINATIONS:
        _check_together(recipe, samples, config)


def _samples(choices: list[Any] | Span) -> list[Any]:
    """Return a whole list, or the ends of a span, with a fraction in between where the span is not of integers."""
    if isinstance(choices, list):
        return choices
    if isinstance(choices.low, int) and isinstance(choices.high, int):
        return [choices.low, choices.high]
    return [choices.low, choices.low + (choices.high - choices.low) / math.pi, choices.high]


def _check_alone(key: str, value: Any) -> None:
    table, _, name = key.partition(".")
    if key == "student.layers" and value == "auto":
        raise InputError("search.space: student.layers cannot be 'auto' in a search. List layers to choose from.")
    try:
        TABLES[table].model_validate({name: value})
    except ValidationError as error:
        # conflicts with the table's other values show when all are combined
        complaints = [complaint_of(problem) for problem in error.errors() if problem["loc"][:1] == (name,)]
        if complaints:
            raise InputError(f"search.space: {key} cannot be {value!r}. {complaints[0]}") from None


def _refuse_open_layers(recipe: Recipe) -> None:
    """Refuse a space in which open layers cannot be chosen once, before the first trial."""
    space, student = recipe.search.space, recipe.student
    kinds = space.get("student.kind", [student.kind])
    if "student.layers" in space or not isinstance(kinds, list):
        return
    if not any(FAMILIES[kind].of(dict(student)).is_open for kind in kinds):
        return
    for key in ("student.kind", "student.depth"):
        if key in space:
            raise InputError(
                f"search.space has {key}, but student.layers is 'auto', which is chosen once for all trials. "
                "Give student.layers as a list, or lists of layers in search.space."
            )


def _check_together(recipe: Recipe, samples: dict[str, list[Any]], config: Any) -> None:
    """Check that each value is valid with at least one choice of the others."""
    good: dict[str, list[Any]] = {key: [] for key in samples}
    complaints: dict[str, list[tuple[Any, InputError]]] = {key: [] for key in samples}
    for combination in itertools.product(*samples.values()):
        values = dict(zip(samples, combination, strict=True))
        try:
            check_models(with_values(recipe, values, "search.space"), config)
        except InputError as error:
            for key, value in values.items():
                complaints[key].append((value, error))
        else:
            for key, value in values.items():
                good[key].append(value)
    for key, refused in complaints.items():
        for value, complaint in refused:
            if value not in good[key]:
                raise InputError(
                    f"search.space: No trial can have {key} = {value!r}, whatever the others are: {complaint}"
                )
