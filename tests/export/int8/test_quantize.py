import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from distill.export.graph.builder import GraphBuilder
from distill.export.graph.matmuls import find_matmuls, find_roles
from distill.export.graph.roles import Role
from distill.export.graph.session import GraphRunner
from distill.export.int8.input_scales import fit_input_scales
from distill.export.int8.integer import INT8_MAX, SEVEN_BITS_MAX, rounded
from distill.export.int8.precisions import write_precision
from distill.export.int8.quantize import quantize_weights, quantize_with_scales
from distill.export.int8.ranges import UINT8_MAX, fit_input_scale
from distill.export.precision import Precision
from distill.export.runtime.errors import CheckFailedError, InputError
from tests.support.export_models import KEEPS, KINDS, batch, feeds, random_rows, tiny_classifier, tiny_graph

PRECISIONS = ("weights", "dynamic", "static")


def make(form, source, target, keep_fp32=()):
    scales = fit_input_scales(source, feeds(random_rows(60, seed=9), GraphRunner(source).inputs))
    write_precision(f"int8-{form}", source, target, keep_fp32=keep_fp32, scales=scales)
    return GraphRunner(target)


@pytest.fixture(scope="module", params=KINDS)
def fused(request, tmp_path_factory):
    return tiny_graph(tmp_path_factory.mktemp(request.param), tiny_classifier(request.param))


@pytest.fixture(scope="module")
def bert(tmp_path_factory):
    return tiny_graph(tmp_path_factory.mktemp("bert"), tiny_classifier("bert"))


def test_roles_are_found_in_every_body(fused):
    roles = find_roles(GraphBuilder.load(fused))
    # a window is a static student's
    assert sorted(roles.values()) == sorted(list(Role) * 2)
    names = {"query": ("query", "q_lin"), "ffn_output": ("layer.0/output", "layer.1/output", "lin2")}
    for node, role in roles.items():
        if role in names:
            assert any(part in node for part in names[role])


@pytest.mark.parametrize("form", PRECISIONS)
def test_every_form_stays_near_fp32_and_keeps_still_in_a_batch(fused, tmp_path, form):
    rows = random_rows(64, seed=2)
    plain = GraphRunner(fused).run_rows(rows)
    variant = make(form, fused, tmp_path / "x.onnx")
    alone = variant.run_rows(rows)
    noise = (alone - plain).std() / plain.std()
    assert noise < (0.02 if form == "weights" else 0.08)
    np.testing.assert_array_equal(variant(*batch(rows)), alone)
    # one token, and all of them, in a batch of two
    np.testing.assert_array_equal(variant(*batch([rows[0][:1], rows[1]]))[1], alone[1])


@pytest.mark.parametrize("form", PRECISIONS)
def test_the_same_graph_gives_the_same_bytes(bert, tmp_path, form):
    for name in ("a", "b"):
        make(form, bert, tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_what_is_left_out_computes_in_fp32_and_is_stored_as_int8(bert, tmp_path):
    whole = GraphBuilder.load(bert)
    nodes = {node.name: node for node in whole.source}
    outputs = {product.name: nodes[product.node].output[0] for product in find_matmuls(whole)}
    for form in ("dynamic", "static"):
        sizes = []
        for keep in KEEPS:
            make(form, bert, tmp_path / "x.onnx", keep)
            model = onnx.load(tmp_path / "x.onnx")
            kinds = [node.op_type for node in model.graph.node]
            assert kinds.count("MatMul") == len(keep) + 1  # mean pooling, which is no product with a weight
            assert kinds.count("MatMulIntegerToFloat") == 12 - len(keep)
            # the very ones that were named
            left = {node.output[0] for node in model.graph.node if node.op_type == "MatMul"}
            assert {name for name, output in outputs.items() if output in left} == set(keep)
            floats = [item for item in model.graph.initializer if item.data_type == onnx.TensorProto.FLOAT]
            # the head, and the two token types, are too small to matter
            assert all(len(item.dims) < 2 or min(item.dims) <= 4 for item in floats)
            sizes.append((tmp_path / "x.onnx").stat().st_size)
        assert max(sizes) < bert.stat().st_size * 0.75


def test_more_left_out_is_nearer_to_fp32(bert, tmp_path):
    rows = random_rows(64, seed=4)
    plain = GraphRunner(bert).run_rows(rows)
    for form in ("dynamic", "static"):
        noise = [
            (make(form, bert, tmp_path / "x.onnx", keep).run_rows(rows) - plain).std()
            for keep in (KEEPS[0], KEEPS[-1])
        ]
        assert noise[1] < noise[0]


def test_an_embedding_row_is_off_by_half_a_step_of_its_own_at_most(bert, tmp_path):
    quantize_weights(bert, tmp_path / "x.onnx")
    before = {item.name: item for item in onnx.load(bert).graph.initializer}
    after = {item.name: item for item in onnx.load(tmp_path / "x.onnx").graph.initializer}
    name = next(key for key in before if "word_embeddings" in key)
    table = numpy_helper.to_array(before[name])
    values, scale = (numpy_helper.to_array(after[f"{name}.{part}"]) for part in ("int8", "scale"))
    assert values.dtype == np.int8
    assert scale.shape == (len(table), 1)
    assert (np.abs(values * scale - table) <= scale / 2 + 1e-7).all()
    assert name not in after


def test_a_row_of_zeros_stays_zero():
    values, scale = rounded(np.zeros((2, 3), dtype=np.float32), INT8_MAX, axis=1)
    assert not values.any()
    assert (scale > 0).all()


def test_no_sum_of_two_products_leaves_16_bits():
    assert np.iinfo(np.int16).max >= 2 * UINT8_MAX * SEVEN_BITS_MAX


def test_weights_of_integer_products_have_7_bits(bert, tmp_path):
    make("static", bert, tmp_path / "x.onnx")
    graph = onnx.load(tmp_path / "x.onnx").graph
    stored = {item.name: numpy_helper.to_array(item) for item in graph.initializer}
    weights = [stored[node.input[1]] for node in graph.node if node.op_type == "MatMulIntegerToFloat"]
    assert len(weights) == 12
    assert max(int(np.abs(weight).max()) for weight in weights) == SEVEN_BITS_MAX


def test_a_fitted_scale_covers_a_wide_channel_and_finds_the_zero():
    rng = np.random.default_rng(0)
    values = rng.normal(size=(500, 8)).astype(np.float32)
    values[:, 3] *= 50
    fitted = fit_input_scale(values)
    assert fitted.smoothing[3] == fitted.smoothing.max()
    integers = np.clip(np.rint(values / fitted.smoothing / fitted.scale) + fitted.zero_point, 0, UINT8_MAX)
    again = (integers - fitted.zero_point) * fitted.scale * fitted.smoothing
    narrow = np.delete(np.arange(8), 3)
    # one scale for all channels as they are would have steps of more than 1
    assert np.abs(again - values)[:, narrow].mean() < 0.12
    silent = fit_input_scale(np.zeros((4, 8), dtype=np.float32))
    assert silent.scale > 0
    assert np.isfinite(silent.smoothing).all()


def test_static_needs_texts(bert):
    with pytest.raises(InputError, match="calibrate"):
        fit_input_scales(bert, [])


def test_static_scales_do_not_see_padding(bert, tmp_path):
    rows = random_rows(40, seed=5)
    ids, mask = batch(rows)
    padded = [{"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}]
    quantize_with_scales(bert, tmp_path / "x.onnx", scales=fit_input_scales(bert, padded))
    plain = GraphRunner(bert).run_rows(rows)
    assert (GraphRunner(tmp_path / "x.onnx").run_rows(rows) - plain).std() / plain.std() < 0.08


def test_an_unfused_graph_is_refused(bert, tmp_path):
    unfused = bert.with_name("unfused.onnx")
    for form in PRECISIONS:
        with pytest.raises(CheckFailedError, match="a BERT-like layer has none"):
            write_precision(f"int8-{form}", unfused, tmp_path / "x.onnx")
    with pytest.raises(CheckFailedError, match="a BERT-like layer has none"):
        fit_input_scales(unfused, feeds(random_rows(3), GraphRunner(unfused).inputs))


def test_a_form_by_its_name(bert, tmp_path):
    write_precision("fp32", bert, tmp_path / "x.onnx")
    assert (tmp_path / "x.onnx").read_bytes() == bert.read_bytes()
    assert sorted(Precision) == sorted(["fp32", *(f"int8-{form}" for form in PRECISIONS)])
    with pytest.raises(InputError, match=r"no precision 'int4'. Choose one of int8-static"):
        write_precision("int4", bert, tmp_path / "y.onnx")
    with pytest.raises(InputError, match="has no scale for its"):
        write_precision("int8-static", bert, tmp_path / "y.onnx")
