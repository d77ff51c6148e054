"""How the ranges of static int8 are chosen, and where the choice counts."""

import numpy as np
import pytest

from distill.export.graph.session import GraphRunner
from distill.export.int8.input_scales import fit_input_scales
from distill.export.int8.quantize import quantize_with_scales
from distill.export.int8.ranges import UINT8_MAX, InputScale, RangeMethod, fit_input_scale
from distill.export.precision import Precision
from distill.export.runtime.errors import InputError
from distill.recipe.load import load_recipe
from distill.runs.fingerprints import calibrated_by, portable_recipe, recipe_hash
from tests.support.export_models import feeds, random_rows, tiny_classifier, tiny_graph


def values_with_outliers() -> np.ndarray:
    """Of 160,000 values one in 20,000 is ten times too large, in channels alike."""
    rng = np.random.default_rng(0)
    values = rng.normal(size=(10_000, 16)).astype(np.float32)
    values[:4, 0] = 40
    values[4:8, 1] = -40
    return values


def held(fitted: InputScale) -> tuple[float, float]:
    """The lowest and highest of the smoothed values that the integers can say."""
    zero = float(fitted.zero_point)
    return -zero * float(fitted.scale), (UINT8_MAX - zero) * float(fitted.scale)


def error(fitted: InputScale, values: np.ndarray) -> float:
    smooth = values / fitted.smoothing
    integers = np.clip(np.rint(smooth / fitted.scale) + fitted.zero_point, 0, UINT8_MAX)
    return float(np.mean(np.square((integers - fitted.zero_point) * fitted.scale - smooth)))


def test_each_calibrator_holds_the_range_that_it_says() -> None:
    values = values_with_outliers()
    found = {name: fit_input_scale(values, name) for name in ("mse", "minmax", "percentile")}  # type: ignore[arg-type]
    smooth = values / found["minmax"].smoothing
    low, high = held(found["minmax"])
    assert low == pytest.approx(smooth.min(), rel=0.01)
    assert high == pytest.approx(smooth.max(), rel=0.01)
    low, high = held(found["percentile"])
    assert np.mean((smooth < low) | (smooth > high)) == pytest.approx(1e-4, rel=0.3)
    assert error(found["mse"], values) < min(error(found["minmax"], values), error(found["percentile"], values))
    for one in found.values():
        assert np.array_equal(one.smoothing, found["mse"].smoothing)


def test_the_default_is_the_least_squared_error() -> None:
    values = values_with_outliers()
    default, named = fit_input_scale(values), fit_input_scale(values, "mse")
    assert (default.scale, default.zero_point) == (named.scale, named.zero_point)


@pytest.mark.parametrize("calibrator", ["mse", "minmax", "percentile"])
def test_values_that_are_all_zero_get_a_scale(calibrator: RangeMethod) -> None:
    fitted = fit_input_scale(np.zeros((4, 8), dtype=np.float32), calibrator)
    assert fitted.scale > 0
    assert np.isfinite(fitted.smoothing).all()


def test_a_graph_has_the_ranges_of_its_calibrator_and_stays_near_fp32(tmp_path) -> None:  # type: ignore[no-untyped-def]
    fused = tiny_graph(tmp_path, tiny_classifier("bert"))
    plain, rows = GraphRunner(fused), random_rows(40, seed=2)
    some, expected = feeds(random_rows(60, seed=9), plain.inputs), plain.run_rows(rows)
    graphs = set()
    for calibrator in ("mse", "minmax", "percentile"):
        quantize_with_scales(fused, tmp_path / "x.onnx", scales=fit_input_scales(fused, some, calibrator))
        assert (GraphRunner(tmp_path / "x.onnx").run_rows(rows) - expected).std() / expected.std() < 0.1
        graphs.add((tmp_path / "x.onnx").read_bytes())
    assert len(graphs) == 3


def test_it_counts_in_hashes_only_where_it_is_another_one() -> None:
    default, other = load_recipe("smoke"), load_recipe("smoke", ["export.calibrator=minmax"])
    assert "calibrator" not in portable_recipe(default)["export"]
    assert recipe_hash(default) == recipe_hash(load_recipe("smoke", ["export.calibrator=mse"]))
    assert recipe_hash(default) != recipe_hash(other)
    assert calibrated_by(default, Precision.INT8_STATIC) == {}
    assert calibrated_by(other, Precision.INT8_STATIC) == {"calibrator": "minmax"}
    assert calibrated_by(other, Precision.INT8_DYNAMIC) == {}


def test_another_one_is_refused_by_its_key() -> None:
    with pytest.raises(InputError, match=r"export\.calibrator is 'entropy'. Input should be 'mse', 'minmax'"):
        load_recipe("smoke", ["export.calibrator=entropy"])
