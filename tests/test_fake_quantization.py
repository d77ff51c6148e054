"""A fake-quantized model computes what its integer graph computes, and learns through the rounding."""

import numpy as np
import pytest

from export.fake_quantization import FakeQuantization, TokenScale, fake_quantize, table_names
from export.graph import torch_logits
from export.quantize import LADDER, quantize_as_trained, quantize_dynamic, quantize_weights
from export.rewrite import Rewriter, find_products, find_roles
from export.scales import fit_scales
from export.session import GraphRunner
from students.bodies import products_of
from tests.export_models import KINDS, batch, feeds, random_rows, tiny_classifier, tiny_graph

FORMS = ("int8-static", "int8-dynamic", "int8-weights")


@pytest.fixture(scope="module", params=KINDS)
def kind(request):
    return request.param


@pytest.fixture(scope="module")
def fused(kind, tmp_path_factory):
    return tiny_graph(tmp_path_factory.mktemp(kind), tiny_classifier(kind))


def fitted(fused):
    """The scales of static int8, by layer and role."""
    found = fit_scales(
        fused, find_roles(Rewriter(fused)), feeds(random_rows(60, seed=9), GraphRunner(fused).inputs)
    )
    return {(one.layer, one.role): found[one.hidden_state] for one in find_products(Rewriter(fused))}


def rounding(form, product, scales, keep):
    if form == "int8-weights" or product.role in keep:
        return None
    if form == "int8-dynamic":
        return TokenScale(product.after_exact_gelu)
    return scales[product.layer, product.role]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("keep", LADDER)
def test_it_computes_what_the_integer_graph_computes(kind, fused, tmp_path, form, keep):
    scales = fitted(fused)
    if form == "int8-static":
        quantize_as_trained(fused, tmp_path / "x.onnx", keep=keep, scales=scales)
    elif form == "int8-dynamic":
        quantize_dynamic(fused, tmp_path / "x.onnx", keep=keep)
    else:
        quantize_weights(fused, tmp_path / "x.onnx")
    model = tiny_classifier(kind)
    modules = products_of(model.encoder)
    products = {
        f"encoder.{modules[one.layer, one.role]}": rounding(form, one, scales, keep)
        for one in find_products(Rewriter(fused))
    }
    assert len(products) == 12
    fake_quantize(model, FakeQuantization(products, table_names(model)))
    rows = random_rows(40, seed=6)
    ids, mask = batch(rows)
    graph = GraphRunner(tmp_path / "x.onnx")(ids, mask)
    difference = np.abs(torch_logits(model, ids, mask) - graph).max(axis=1)
    noise = np.abs(GraphRunner(fused)(ids, mask) - graph).max(axis=1)
    print(form, keep, np.sort(difference)[-5:], np.median(difference), np.median(noise))
    assert np.median(difference) < 1e-4
    # where two ways of adding up fall on either side of a half, one integer is another
    assert np.quantile(difference, 0.9) < 0.1 * np.median(noise)
