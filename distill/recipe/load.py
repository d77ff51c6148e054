"""Read a recipe from TOML: packaged or a file, with overrides; errors name key, value, bound and remedy."""

import difflib
import tomllib
from pathlib import Path
from typing import Any

from distill.export.runtime.errors import InputError
from distill.recipe.packaged_recipes import packaged_recipes, packaged_text
from distill.recipe.recipe import IN_PYTHON, Recipe


def with_values(recipe: Recipe, values: dict[str, Any], where: str) -> Recipe:
    """Return a recipe with some values replaced, by keys such as `student.epochs`; the whole is checked again.

    Raises:
        InputError: a value is out of its bounds, or contradicts another.
    """
    data = recipe.model_dump(mode="json", exclude_none=True)
    for key, value in values.items():
        table, _, name = key.partition(".")
        data.setdefault(table, {})[name] = value
    return parse_recipe(data, where)


def load_recipe(name: str, overrides: list[str] | None = None) -> Recipe:
    """Load a recipe by file or packaged name, with `key.path=value` overrides.

    Raises:
        InputError: no such recipe, broken TOML, an unknown key, a value out of its bounds.
    """
    data, where = recipe_data(name)
    for override in overrides or []:
        _apply(data, override)
    return parse_recipe(data, where)


def recipe_data(recipe: str | Path | Recipe) -> tuple[dict[str, Any], str]:
    """Return a recipe's parsed TOML, by file or packaged name, and the name that begins a message about it.

    Of a `Recipe` it is what was said when it was made, and its name.

    Raises:
        InputError: no such recipe, broken TOML, or something else than a recipe.
    """
    if isinstance(recipe, Recipe):
        return recipe.model_dump(mode="json", exclude_unset=True), recipe.name
    if not isinstance(recipe, str | Path):
        raise InputError(
            f"recipe: This must be a Recipe, a path or a name, but is {type(recipe).__name__}. `distill recipes` "
            "lists the packaged ones."
        )
    path, name = Path(recipe), str(recipe)
    if path.is_file():
        text, where = _read(path), str(path)
    elif name in packaged_recipes():
        text, where = packaged_text(name), name
    else:
        near = difflib.get_close_matches(name, packaged_recipes(), n=1)
        hint = f"Did you mean {near[0]!r}? " if near else ""
        raise InputError(
            f"{name}: There is no such file and no packaged recipe. {hint}The packaged ones are "
            f"{', '.join(packaged_recipes())}."
        )
    try:
        return tomllib.loads(text), where
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{where}: The file is not valid TOML: {error}. Correct it there.") from error


def set_value(data: dict[str, Any], key: str, value: Any, shown: str) -> None:
    """Set one value of parsed TOML, by a key such as `student.epochs`; `shown` begins a message.

    Raises:
        InputError: a part of the key is a value, not a table.
    """
    *tables, name = key.split(".")
    table = data
    for part in tables:
        table = table.setdefault(part, {})
        if not isinstance(table, dict):
            raise InputError(f"{shown}: {part!r} is a value, not a table.")
    table[name] = value


def parse_recipe(data: dict[str, Any], where: str) -> Recipe:
    """Validate parsed TOML; `where` begins a message.

    Raises:
        InputError: a key is unknown or missing, or a value is out of its bounds.
    """
    try:
        return Recipe(**data)
    except InputError as error:
        raise InputError(f"{where}: {str(error).removeprefix(IN_PYTHON)}") from None


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: The file cannot be read as UTF-8 text. Check it.") from error


def _apply(data: dict[str, Any], override: str) -> None:
    """Set one `table.key=value`; the value is TOML, or else a plain string."""
    key, equals, value = override.partition("=")
    parts = [part.strip() for part in key.split(".")]
    if not equals or not all(parts):
        raise InputError(f"--set {override!r}: The form is KEY=VALUE, for instance student.layers=[0,3,5].")
    try:
        parsed = tomllib.loads(f"value = {value.strip()}")["value"]
    except tomllib.TOMLDecodeError:
        parsed = value.strip()
    set_value(data, ".".join(parts), parsed, f"--set {override!r}")
