"""Recipes: every packaged one loads, errors name key, value, bound and remedy."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distill.recipe import load_recipe, packaged_recipes, parse_recipe
from distill.recipe_page import recipe_page
from export.runtime.errors import InputError


@pytest.mark.parametrize("name", packaged_recipes())
def test_packaged_recipes_load_and_survive_their_resolved_form(name, tmp_path) -> None:  # type: ignore[no-untyped-def]
    recipe = load_recipe(name)
    path = tmp_path / "recipe.toml"
    path.write_text(recipe.to_toml(), encoding="utf-8")
    assert load_recipe(str(path)) == recipe


@pytest.mark.parametrize(
    ("override", "parts"),
    [
        ("student.layer=[1]", ["student.layer", "student.layers"]),
        ("objective.temperature=0", ["objective.temperature", "greater than 0"]),
        ("corpus.max_tokens=5000", ["corpus.max_tokens", "5000", "512"]),
        ("student.layers=[3,1]", ["ascending"]),
        ("teacher.freeze=0", ["freeze"]),
        ("export.precision=['int4']", ["export.precision", "int8-dynamic"]),
        ("name='a/b'", ["name"]),
        ("seed", ["KEY=VALUE"]),
    ],
)
def test_errors_name_key_bound_and_remedy(override: str, parts: list[str]) -> None:
    with pytest.raises(InputError) as caught:
        load_recipe("smoke", [override])
    for part in parts:
        assert part in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_unknown_recipe_suggests_the_nearest() -> None:
    with pytest.raises(InputError, match="quickstart"):
        load_recipe("quickstat")


def test_broken_toml_names_the_file(tmp_path) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "r.toml"
    path.write_text("name = ", encoding="utf-8")
    with pytest.raises(InputError, match=r"r\.toml: not valid TOML"):
        load_recipe(str(path))


@given(
    st.dictionaries(
        st.sampled_from(["name", "seed", "corpus", "student", "x"]), st.integers() | st.text(), max_size=4
    )
)
def test_whatever_is_parsed_the_error_is_ours(data: dict[str, object]) -> None:
    with pytest.raises(InputError):
        parse_recipe(data, "somewhere")


def test_the_page_of_all_keys_is_what_the_code_says() -> None:
    page = (Path(__file__).resolve().parents[1] / "docs/recipe.md").read_text(encoding="utf-8")
    assert page == recipe_page(), "run: python -m distill.recipe_page > docs/recipe.md"
