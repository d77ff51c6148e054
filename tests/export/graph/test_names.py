"""Writers of graphs take the names of constants from one module, and the byte accounting knows them all."""

import ast
from pathlib import Path

import pytest

from distill.export.graph import names
from distill.export.measure.components import OTHER_WEIGHTS, component_of

EXPORT = Path(__file__).resolve().parents[3] / "export"
# calls that store a constant, and the place of its name among their arguments
NAME_PLACES = {"constant": 0, "_ints": 1, "_floats": 1, "from_array": 1}
# indices, shapes and zero points: a few bytes each, which the reader of the constant tells apart
SMALL = {
    *(names.AXIS, names.FIRST_ROW, names.NO_TOKEN, names.HASH_MASK, names.slice_start(1), names.slice_end(-1)),
    *(names.hash_factor(0), names.UINT8_MIDDLE, names.GELU_DEPTH, names.HALF, names.LAST_AXIS, names.ONE),
    *(names.masks(4), names.row_shape(8, 1), names.axes_of("x")),
}


def writers():
    return [path for folder in ("graph", "int8") for path in sorted((EXPORT / folder).glob("*.py"))]


@pytest.mark.parametrize("path", writers(), ids=lambda path: path.stem)
def test_no_writer_spells_the_name_of_a_constant(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            place = NAME_PLACES.get(called)
            if place is not None and len(node.args) > place:
                name = node.args[place]
                assert not isinstance(name, ast.Constant | ast.JoinedStr), f"{path.name}:{node.lineno}"


@pytest.mark.parametrize(
    ("component", "owned"),
    [
        (
            "head_and_calibration",
            [names.CALIBRATION_SCALE, names.CALIBRATION_BIAS, names.HEAD_WEIGHT, names.HEAD_BIAS],
        ),
        ("token_table", [names.VECTORS, names.TOKEN_WEIGHTS, names.int8_of(names.VECTORS)]),
        ("token_table", [names.plane_of(names.VECTORS, 4), names.plane_of(names.VECTORS, 1)]),
        ("ngram_tables", [names.ngram_table(2), names.int8_of(names.ngram_table(3))]),
        ("window", [names.window_weight(0), names.WINDOW_BIAS]),
        ("window", [names.weight_of(names.table_at(names.VECTORS, 1))]),
        ("ffn", [names.NORM_SCALE, names.NORM_BIAS, names.UP_WEIGHT, names.UP_BIAS, names.weight_of(names.WIDE)]),
        ("ffn", [names.weight_of(names.HIDDEN), names.bias_of(names.WIDE), names.weight_of(names.NORMED)]),
        ("scales", [names.scale_of("x"), names.zero_point_of("x"), names.smoothing_of("x"), names.shift_of("x")]),
        ("scales", [names.channels_of("x"), names.middle_of("x"), names.step(0.01), names.zero_point(128)]),
        ("scales", [names.MIN_SCALE, names.scale_of(names.table_at(names.ngram_table(2), 0))]),
    ],
)
def test_every_constant_of_ours_has_its_component(component: str, owned: list[str]) -> None:
    assert {name: component_of(name, "") for name in owned} == dict.fromkeys(owned, component)


def test_small_constants_are_counted_by_their_readers() -> None:
    assert {component_of(name, "") for name in SMALL} == {OTHER_WEIGHTS}
    assert component_of(names.HALF, "/encoder/layer.0/attention/self") == "attention"
