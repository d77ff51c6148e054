"""Errors name arguments in the packages below a recipe, and recipe keys where a recipe was given."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest

from distill.export.runtime.errors import BundleError, InputError
from distill.recipe.keys import KEYS, recipe_keys
from distill.recipe.recipe import Recipe
from distill.recipe.section import section_of

ROOT = Path(__file__).resolve().parents[2]
# packages below a recipe, all of whose messages name arguments; none of them may name a recipe key
PACKAGES = ("export", "students", "teachers")
RECIPE_KEY = re.compile(
    r"\b(corpus|teacher|augmentation|student|objective|decisions|export|budget|search)\.[a-z_]+\b(?!\.?(py|json|onnx))"
)


def messages(package: str) -> Iterator[tuple[str, str]]:
    """Every string that an error of a package is raised with, with its place."""
    for path in sorted((ROOT / package).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Raise):
                for part in ast.walk(node):
                    if isinstance(part, ast.Constant) and isinstance(part.value, str):
                        yield f"{path.relative_to(ROOT)}:{part.lineno}", part.value


@pytest.mark.parametrize("package", PACKAGES)
def test_packages_below_a_recipe_name_arguments(package: str) -> None:
    for place, message in messages(package):
        assert not RECIPE_KEY.search(message), place
        # a name without blanks between backticks is an argument; a command has blanks
        assert set(re.findall(r"`(\w+)`", message)) <= KEYS.keys(), place


def test_every_key_is_one_of_the_recipe() -> None:
    for key in KEYS.values():
        section, *inner, name = key.split(".")
        table = section_of(Recipe.model_fields[section])
        for part in inner:  # a table inside the section, which may be left out
            assert table is not None, key
            (table,) = set(get_args(table.model_fields[part].annotation)) - {type(None)}
        assert table is not None, key
        assert name in table.model_fields, key


def test_arguments_are_renamed_and_everything_else_stays() -> None:
    with pytest.raises(InputError) as caught, recipe_keys():
        raise InputError("`table_bits` is 4. Run `distill check`, or ask for `other`.")
    assert str(caught.value) == "export.table_bits is 4. Run `distill check`, or ask for `other`."


def test_other_errors_stay() -> None:
    with pytest.raises(BundleError, match="`table_bits`"), recipe_keys():
        raise BundleError("`table_bits` is 4.")
