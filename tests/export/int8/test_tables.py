import numpy as np
import onnx
import pytest

from distill.export.graph.builder import GraphBuilder
from distill.export.graph.session import GraphRunner
from distill.export.graph.static import StaticWeights, Window, write_static_graph
from distill.export.int8.input_scales import fit_input_scales
from distill.export.int8.integer import INT8_MAX, rounded
from distill.export.int8.packing import PLANES, pack, packed_multiple
from distill.export.int8.precisions import write_precision
from distill.export.int8.quantize import quantize_weights
from distill.export.int8.tables import fit_table, middle_of, narrow_lookup
from distill.export.runtime.errors import InputError
from distill.export.runtime.untrusted.graph_file import check_graph_file
from tests.support.export_models import VOCABULARY, batch, feeds, random_rows, tiny_classifier, tiny_graph

BITS = tuple(PLANES)


def random_table(rows=40, width=16, seed=0):
    rng = np.random.default_rng(seed)
    channels = rng.uniform(0.1, 5, size=width)
    return (rng.normal(size=(rows, width)) * channels).astype(np.float32)


def static_graph(folder):
    """A static student whose tables are multiplied with a window while the graph opens, as well as looked up."""
    rng = np.random.default_rng(3)

    def floats(*shape):
        return rng.normal(size=shape).astype(np.float32)

    vectors = floats(VOCABULARY + 1, 8)
    token_weights, pairs = floats(VOCABULARY + 1), floats(16, 8)
    vectors[0], pairs[0], token_weights[0] = 0, 0, -1e4  # no token, as a student has it
    weights = StaticWeights(
        edge=2,
        vectors=vectors,
        weights=token_weights,
        ngrams=(pairs,),
        factors=(3, 5),
        window=Window(3, floats(24, 8), floats(8)),
        norm=(np.ones(24, dtype=np.float32), np.zeros(24, dtype=np.float32), 1e-5),
        up=(floats(24, 16), floats(16)),
        head=(floats(16, 3), floats(3)),
    )
    write_static_graph(weights, folder / "static.onnx")
    return folder / "static.onnx"


@pytest.fixture(scope="module", params=("bert", "static"))
def fused(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param)
    return static_graph(folder) if request.param == "static" else tiny_graph(folder, tiny_classifier("bert"))


@pytest.mark.parametrize("bits", BITS)
def test_the_scale_of_a_row_is_the_best_one_for_its_integers(bits):
    table = random_table()
    fitted = fit_table(table, bits)
    np.testing.assert_allclose(fitted.channels, np.sqrt((table**2).mean(axis=0)), rtol=1e-5)
    x = table / fitted.channels
    steps = fitted.integers - middle_of(bits)
    best = (x * steps).sum(axis=1) / (steps**2).sum(axis=1)
    np.testing.assert_allclose(fitted.rows[:, 0], best, rtol=1e-4)
    assert fitted.integers.max() == 2**bits - 1
    assert fitted.integers.min() == 0


@pytest.mark.parametrize("bits", BITS)
def test_values_that_can_be_stored_are_stored_as_they_are(bits):
    top = middle_of(bits)
    steps = np.array([top, 0.5, -0.5, 1.5, -2.5, 3.5, -top, 2.5], dtype=np.float32)
    # turned around, so that all channels have one root mean square
    table = 3.7 * np.stack([np.roll(steps, places) for places in range(8)])
    np.testing.assert_allclose(fit_table(table, bits).values(), table, rtol=1e-4)


def test_each_bit_halves_the_error_and_the_largest_value_is_not_what_counts():
    table = random_table(rows=300, width=64)
    table[0] = 0
    error = {bits: np.sqrt(((fit_table(table, bits).values() - table) ** 2).mean()) for bits in BITS}
    assert error[5] < 0.6 * error[4]
    assert error[6] < 0.6 * error[5]
    # a scale a row that covers the largest value, as tables of 8 bits have it
    values, scale = rounded(table, 2 ** (4 - 1) - 1, axis=1)
    assert error[4] < 0.75 * np.sqrt(((values * scale - table) ** 2).mean())
    values, scale = rounded(table, INT8_MAX, axis=1)
    assert error[6] < 4 * np.sqrt(((values * scale - table) ** 2).mean())
    assert not fit_table(table, 4).values()[0].any()
    assert np.isfinite(fit_table(np.zeros((3, 8), dtype=np.float32), 4).values()).all()


@pytest.mark.parametrize("bits", BITS)
def test_packed_rows_have_so_many_bits_a_number(bits):
    integers = np.random.default_rng(0).integers(0, 2**bits, size=(5, 24)).astype(np.uint8)
    packed = pack(integers, bits)
    assert sum(part.nbytes for part in packed) == 5 * 24 * bits / 8
    found, shift = np.zeros_like(integers), 0
    for part, plane in zip(packed, PLANES[bits], strict=True):
        places = plane * np.arange(8 // plane)[:, None]
        found |= ((part >> places) & (2**plane - 1)).reshape(5, 24).astype(np.uint8) << shift
        shift += plane
    np.testing.assert_array_equal(found, integers)


@pytest.mark.parametrize("bits", BITS)
def test_rows_that_do_not_fill_bytes_are_refused_and_all_others_packed(bits):
    for width in range(1, 33):
        integers = np.zeros((2, width), dtype=np.uint8)
        assert (width % packed_multiple(bits) == 0) == (width * bits % 8 == 0)
        if width * bits % 8:
            with pytest.raises(InputError, match=rf"`table_bits` is {bits}, but rows of {width} numbers do"):
                pack(integers, bits)
        else:
            assert sum(part.nbytes for part in pack(integers, bits)) == 2 * width * bits // 8
    assert packed_multiple(8) == 1


@pytest.mark.parametrize("bits", BITS)
def test_the_narrowest_rows_are_looked_up_too(tmp_path, bits):
    width = packed_multiple(bits)
    table = random_table(width=width)
    ids = onnx.helper.make_tensor_value_info("input_ids", onnx.TensorProto.INT64, ["b", "t"])
    found = onnx.helper.make_tensor_value_info("logits", onnx.TensorProto.FLOAT, ["b", "t", width])
    node = onnx.helper.make_node("Gather", ["table", "input_ids"], ["logits"])
    graph = onnx.helper.make_graph([node], "g", [ids], [found], [onnx.numpy_helper.from_array(table, "table")])
    opsets = [onnx.helper.make_opsetid("", 18)]
    onnx.save(onnx.helper.make_model(graph, opset_imports=opsets, ir_version=8), tmp_path / "plain.onnx")
    builder = GraphBuilder.load(tmp_path / "plain.onnx")
    narrow_lookup(builder, "table", "input_ids", bits, "logits")
    builder.write(tmp_path / "x.onnx")
    some = np.array([[0, 5, 39], [7, 7, 1]], dtype=np.int64)
    looked_up = GraphRunner(tmp_path / "x.onnx").session.run(["logits"], {"input_ids": some})[0]
    np.testing.assert_allclose(looked_up, fit_table(table, bits).values()[some], atol=1e-5)


@pytest.mark.parametrize("bits", BITS)
def test_the_graph_looks_up_what_was_fitted(tmp_path, bits):
    source = static_graph(tmp_path)
    builder = GraphBuilder.load(source)
    fitted = fit_table(builder.weight("vectors"), bits)
    narrow_lookup(builder, "vectors", "input_ids", bits, "logits")
    del builder.model.graph.output[0].type.tensor_type.shape.dim[:]
    builder.write(tmp_path / "x.onnx")
    ids = np.array([[0, 5, 100], [7, 7, 1]], dtype=np.int64)
    found = GraphRunner(tmp_path / "x.onnx").session.run(["logits"], {"input_ids": ids, "attention_mask": ids})[0]
    np.testing.assert_allclose(found, fitted.values()[ids], atol=1e-5)
    assert not found[0, 0].any()


@pytest.mark.parametrize("bits", BITS)
@pytest.mark.parametrize("form", ["weights", "dynamic", "static"])
def test_every_form_takes_narrow_tables_and_keeps_still_in_a_batch(fused, tmp_path, bits, form):
    target, rows = tmp_path / "x.onnx", random_rows(64, seed=2)
    scales = fit_input_scales(fused, feeds(random_rows(60, seed=9), GraphRunner(fused).inputs))
    write_precision(f"int8-{form}", fused, target, scales=scales, table_bits=bits)
    check_graph_file(target.read_bytes(), target)  # no operator that a bundle may not have
    stored = onnx.load(target).graph.initializer
    tables = [item for item in stored if item.dims and item.dims[0] >= VOCABULARY and item.dims[-1] < VOCABULARY]
    assert {item.data_type for item in tables if item.dims[-1] > 1} == {onnx.TensorProto.UINT8}
    plain, variant = GraphRunner(fused).run_rows(rows), GraphRunner(target)
    alone = variant.run_rows(rows)
    assert (alone - plain).std() / plain.std() < {4: 0.4, 5: 0.25, 6: 0.15}[bits]
    np.testing.assert_array_equal(variant(*batch(rows)), alone)


def test_at_8_bits_nothing_changes(fused, tmp_path):
    quantize_weights(fused, tmp_path / "a")
    quantize_weights(fused, tmp_path / "b", table_bits=8)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    # a static student's hashes have some of their own
    unpacking = [
        sum(node.op_type == "BitwiseAnd" for node in onnx.load(path).graph.node)
        for path in (fused, tmp_path / "a")
    ]
    assert unpacking[0] == unpacking[1]
