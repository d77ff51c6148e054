"""Recipes: every packaged one loads, errors name key, value, bound and remedy."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distill.export.runtime.errors import InputError
from distill.recipe.load import load_recipe, packaged_recipes, parse_recipe
from distill.recipe.page import recipe_page
from tests.support.command import ROOT


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
        ("export.precision='int3'", ["export.precision", "a list of any of fp32, int8-dynamic, int8-static"]),
        ("name='a/b'", ["name"]),
        ("export.threshold_shrink=20", ["unknown key export.threshold_shrink", "decisions.threshold_shrink?"]),
        ("decisions.calibration='plat'", ["decisions.calibration", "plat", "platt-per-label"]),
        ("decisions.recall_floor.joy=1.0", ["decisions.recall_floor", "The floor of 'joy' must", "less than 1"]),
        ("decisions.confidence=0.95", ["Nothing reads confidence", "a floor has its own (at_least, confidence)"]),
        ("decisions.certify_share=0.3", ["Nothing reads certify_share", "sets and answer_when_right. Remove it"]),
        ("decisions.sets_per_label=true", ["Nothing reads sets_per_label, which is for sets"]),
        ("decisions.recall_floor.joy='often'", ["The floor of 'joy' must be a number greater than 0"]),
        ("decisions.recall_floor=0.9", ["decisions.recall_floor is 0.9", "such as { sadness = 0.9 }"]),
        (
            "decisions.recall_floor.joy={at_least=0.9}",
            ["'joy' must have at_least and confidence and nothing else"],
        ),
        ("decisions.recall_floor.joy={at_least=0.9, confidence=1}", ["The confidence of 'joy' must be a number"]),
        ("decisions.precision_floor.joy={at_least=0.9, confidence=0.9}", ["precision is never certified"]),
        ("decisions={recall_floor={joy=0.9}, precision_floor={joy=0.9}}", ["decisions", "'joy'", "Keep one"]),
        ("decisions={abstain_below=0.4, abstain_coverage=0.9}", ["abstain_below", "abstain_coverage", "Keep one"]),
        ("decisions.abstain_below=1", ["decisions.abstain_below", "less than 1"]),
        ("seed", ["KEY=VALUE"]),
        (r'export.contact="a\nb"', ["export.contact", "one line"]),
        ("corpus.label_meanings={joy=' '}", ["corpus.label_meanings", "is empty"]),
    ],
)
def test_errors_name_key_bound_and_remedy(override: str, parts: list[str]) -> None:
    with pytest.raises(InputError) as caught:
        load_recipe("smoke", [override])
    for part in parts:
        assert part in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("override", "said"),
    [
        (
            "decisions.recall_floor={sustain=0.9}",
            "decisions.recall_floor is for multi_label tasks. A single_label task takes no floor",
        ),
        ("decisions.precision_floor={sustain=0.9}", "decisions.precision_floor is for multi_label tasks"),
        (
            "decisions.calibration='platt'",
            "decisions.calibration is 'platt', which is for multi_label tasks",
        ),
    ],
)
def test_what_needs_thresholds_is_refused_for_single_label(override: str, said: str) -> None:
    with pytest.raises(InputError, match=f"^annomi-client: {said}"):
        load_recipe("annomi-client", [override])


@pytest.mark.parametrize(
    ("others", "said"),
    [
        (["export.precision=['int8-static-qat']"], "int8-static-qat trains tables of 8 bits. Set it to 8"),
        (["student.kind='static'", "student.width=36"], "do not fill whole bytes. Choose a multiple of 8, or"),
        (["student.kind='static'", "student.width=34", "export.table_bits=6"], "Choose a multiple of 4, or"),
        (["student.kind='static'", "student.width=33", "export.table_bits=4"], "Choose a multiple of 2, or"),
        (["export.table_bits=7"], "export.table_bits"),
    ],
)
def test_tables_of_few_bits_are_refused_where_they_cannot_be(others: list[str], said: str) -> None:
    assert load_recipe("goemotions").export.table_bits == 8
    assert load_recipe("goemotions", ["export.table_bits=4"]).export.table_bits == 4
    with pytest.raises(InputError) as caught:
        load_recipe("goemotions", ["export.table_bits=5", *others])
    assert said in str(caught.value)


@pytest.mark.parametrize(("bits", "width"), [(4, 34), (6, 36), (5, 40)])
def test_rows_that_fill_whole_bytes_are_not_refused(bits: int, width: int) -> None:
    own = ["student.kind='static'", f"student.width={width}", f"export.table_bits={bits}"]
    assert load_recipe("goemotions", own).student.width == width


def test_an_ordinal_student_has_no_energy_to_tell_a_domain_by() -> None:
    ordered = ["corpus.task='ordinal'", "corpus.label_names=['low', 'high']", "decisions.out_of_domain_share=0.01"]
    with pytest.raises(InputError, match=r"out_of_domain_share needs logits, which .* Set it to 0\."):
        load_recipe("annomi-client", ordered)


def test_the_calibration_of_the_task_is_written_out() -> None:
    assert load_recipe("goemotions").decisions.calibration == "platt-per-label"
    assert load_recipe("annomi-client").decisions.calibration == "temperature"
    assert 'calibration = "temperature"' in load_recipe("annomi-client").to_toml()
    assert load_recipe("smoke", ["decisions.calibration='none'"]).decisions.calibration == "none"


def test_an_unknown_recipe_suggests_the_nearest() -> None:
    with pytest.raises(InputError, match="quickstart"):
        load_recipe("quickstat")


def test_broken_toml_names_the_file(tmp_path) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "r.toml"
    path.write_text("name = ", encoding="utf-8")
    with pytest.raises(InputError, match=r"r\.toml: The file is not valid TOML"):
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
    page = (ROOT / "docs/recipe.md").read_text(encoding="utf-8")
    assert page == recipe_page(), "run: python -m distill.recipe.page > docs/recipe.md"
