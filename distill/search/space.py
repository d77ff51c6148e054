"""What a search would try, checked before anything is trained: hours of labels should not end in a wrong value."""

import itertools
import math
from typing import Any

from pydantic import ValidationError

from distill.export.runtime.errors import InputError
from distill.recipe.load import with_values
from distill.recipe.recipe import Recipe
from distill.recipe.section import Section
from distill.recipe.student import ObjectiveRecipe, Span, StudentRecipe
from distill.students.families import FAMILIES
from distill.training.preflight import check_models

# more than these are left to the trials themselves, each of which is checked before it is trained
MOST_COMBINATIONS = 2000

TABLES: dict[str, type[Section]] = {"student": StudentRecipe, "objective": ObjectiveRecipe}


def check_space(recipe: Recipe, config: Any) -> None:
    """Whether every value of the recipe's [search.space] can be tried, alone and in company.

    Args:
        recipe: of the search.
        config: the teacher's configuration.

    Raises:
        InputError: there is no space, a value that its key cannot have, or one that goes with none of the others.
    """
    space = recipe.search.space
    if not space:
        raise InputError(
            "search.space is empty; say what to try, for instance in the recipe: "
            '[search.space] "objective.temperature" = [1.0, 2.0, 4.0]'
        )
    some = {key: _some_of(choices) for key, choices in space.items()}
    for key, values in some.items():
        for value in values:
            _check_alone(key, value)
    _refuse_open_layers(recipe)
    if math.prod(map(len, some.values())) <= MOST_COMBINATIONS:
        _check_together(recipe, some, config)


def _some_of(choices: list[Any] | Span) -> list[Any]:
    """All of a list; of a span its ends, and between whole ends of a real one a number that is not whole."""
    if isinstance(choices, list):
        return choices
    if isinstance(choices.low, int) and isinstance(choices.high, int):
        return [choices.low, choices.high]
    return [choices.low, choices.low + (choices.high - choices.low) / math.pi, choices.high]


def _check_alone(key: str, value: Any) -> None:
    table, _, name = key.partition(".")
    if key == "student.layers" and value == "auto":
        raise InputError("search.space: student.layers cannot be 'auto' in a search; list layers to choose from")
    try:
        TABLES[table].model_validate({name: value})
    except ValidationError as error:
        # what stands against the table's other values is seen when all are put together
        own = [one["msg"] for one in error.errors() if one["loc"][:1] == (name,)]
        if own:
            message = own[0].removeprefix("Value error, ")
            raise InputError(
                f"search.space: {key} cannot be {value!r}; {message[0].lower()}{message[1:]}"
            ) from None


def _refuse_open_layers(recipe: Recipe) -> None:
    """Layers that are left open are chosen once, before the first trial."""
    space, student = recipe.search.space, recipe.student
    kinds = space.get("student.kind", [student.kind])
    if "student.layers" in space or not isinstance(kinds, list):
        return
    if not any(FAMILIES[kind].of(dict(student)).is_open for kind in kinds):
        return
    for key in ("student.kind", "student.depth"):
        if key in space:
            raise InputError(
                f"search.space has {key}, and student.layers is 'auto', which is found out once for all trials; "
                "give student.layers as a list, or lists of them in search.space"
            )


def _check_together(recipe: Recipe, some: dict[str, list[Any]], config: Any) -> None:
    """Each value must go with one choice of the others at least."""
    good: dict[str, list[Any]] = {key: [] for key in some}
    complaints: dict[str, list[tuple[Any, InputError]]] = {key: [] for key in some}
    for combination in itertools.product(*some.values()):
        values = dict(zip(some, combination, strict=True))
        try:
            check_models(with_values(recipe, values, "search.space"), config)
        except InputError as error:
            for key, value in values.items():
                complaints[key].append((value, error))
        else:
            for key, value in values.items():
                good[key].append(value)
    for key, found in complaints.items():
        for value, complaint in found:
            if value not in good[key]:
                raise InputError(
                    f"search.space: no trial could have {key} = {value!r}, whatever the others are: {complaint}"
                )
