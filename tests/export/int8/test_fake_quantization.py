"""A fake-quantized model computes what its integer graph computes, and learns through the rounding."""

import numpy as np
import pytest
import torch
from torch import nn

from distill.export.graph.builder import GraphBuilder
from distill.export.graph.from_torch import torch_logits
from distill.export.graph.matmuls import find_matmuls
from distill.export.graph.roles import Role
from distill.export.graph.session import GraphRunner
from distill.export.int8.fake_quantization import FakeQuantization, TokenScale, fake_quantize, table_names
from distill.export.int8.input_scales import fit_input_scales
from distill.export.int8.precisions import write_precision
from distill.export.int8.quantize import quantize_with_scales
from distill.export.int8.ranges import InputScale, fit_input_scale
from distill.export.runtime.errors import InputError
from distill.teachers.bodies import products_of
from tests.support.export_models import KEEPS, KINDS, batch, feeds, random_rows, tiny_classifier, tiny_graph

FORMS = ("int8-static", "int8-dynamic", "int8-weights")


@pytest.fixture(scope="module", params=KINDS)
def kind(request):
    return request.param


@pytest.fixture(scope="module")
def fused(kind, tmp_path_factory):
    return tiny_graph(tmp_path_factory.mktemp(kind), tiny_classifier(kind))


def fitted(fused):
    """The scales of static int8, by layer and role."""
    return fit_input_scales(fused, feeds(random_rows(60, seed=9), GraphRunner(fused).inputs))


def rounding(form, product, scales, keep):
    if form == "int8-weights" or product.name in keep:
        return None
    if form == "int8-dynamic":
        return TokenScale(product.after_exact_gelu)
    return scales[product.layer, product.role]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("keep", KEEPS)
def test_it_computes_what_the_integer_graph_computes(kind, fused, tmp_path, form, keep):
    scales = fitted(fused)
    write_precision(form, fused, tmp_path / "x.onnx", keep_fp32=keep, scales=scales)
    model = tiny_classifier(kind)
    modules = products_of(model.encoder)
    matmuls = find_matmuls(GraphBuilder.load(fused))
    assert len(matmuls) == 12
    products = {
        f"encoder.{modules[one.layer, one.role]}": rounding(form, one, scales, keep)
        for one in matmuls
        # a product that int8-weights keeps has its weights in fp32, too
        if not (form == "int8-weights" and one.name in keep)
    }
    fake_quantize(model, FakeQuantization(products, table_names(model)))
    rows = random_rows(40, seed=6)
    ids, mask = batch(rows)
    graph = GraphRunner(tmp_path / "x.onnx")(ids, mask)
    difference = np.abs(torch_logits(model, ids, mask) - graph).max(axis=1)
    noise = np.abs(GraphRunner(fused)(ids, mask) - graph).max(axis=1)
    assert np.median(difference) < 1e-4
    # where two ways of adding up fall on either side of a half, one integer is another
    assert np.quantile(difference, 0.9) < 0.1 * np.median(noise)


class Small(nn.Module):
    """A table and a product, to be rounded by name."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.table = nn.Embedding(20, 8)
        self.kinds = nn.Embedding(2, 8)
        self.product = nn.Linear(8, 3)

    def forward(self, ids):
        return self.product(self.table(ids))


IDS = torch.arange(20)[None]
FIXED = fit_input_scale(np.random.default_rng(0).normal(size=(200, 8)).astype(np.float32))


@pytest.mark.parametrize("rounding", [None, TokenScale(), TokenScale(after_exact_gelu=True), FIXED])
def test_gradients_pass_the_rounding_and_names_stay(rounding):
    plain, model = Small(), Small()
    fake_quantize(model, FakeQuantization({"product": rounding}, table_names(model)))
    assert list(model.state_dict()) == list(plain.state_dict())
    for one in (plain, model):
        one(IDS).square().sum().backward()
    assert not torch.equal(plain(IDS), model(IDS))
    for name, parameter in model.named_parameters():
        if name != "kinds.weight":
            expected = plain.get_parameter(name).grad
            angle = nn.functional.cosine_similarity(parameter.grad.flatten(), expected.flatten(), dim=0)
            assert angle > 0.95, name


def test_a_value_beyond_a_fixed_scale_gets_no_gradient():
    model = nn.Sequential(nn.Linear(2, 1, bias=False))
    nn.init.ones_(model[0].weight)
    scale = InputScale(np.ones(2, dtype=np.float32), np.float32(0.01), np.uint8(128))
    fake_quantize(model, FakeQuantization({"0": scale}, ()))
    hidden = torch.tensor([[1.0, 5.0]], requires_grad=True)
    model(hidden).sum().backward()
    assert hidden.grad[0].tolist() == pytest.approx([1.0, 0.0])


def test_a_token_does_not_see_its_neighbours():
    model = nn.Sequential(nn.Linear(8, 3))
    fake_quantize(model, FakeQuantization({"0": TokenScale()}, ()))
    tokens = torch.randn(5, 8)
    alone = torch.cat([model(token[None]) for token in tokens])
    tokens_and_a_wide_one = torch.cat([tokens, torch.full((1, 8), 100.0)])
    torch.testing.assert_close(model(tokens_and_a_wide_one)[:5], alone)
    assert torch.isfinite(model(torch.zeros(1, 8))).all()


def test_tables_of_a_few_rows_stay_and_wrong_names_are_refused():
    assert table_names(Small()) == ("table",)
    for plan in (FakeQuantization({"nothing": None}, ()), FakeQuantization({"table": None}, ())):
        with pytest.raises(InputError, match="no Linear called"):
            fake_quantize(Small(), plan)


def test_scales_of_another_student_are_refused(kind, fused, tmp_path):
    scales = {place: scale for place, scale in fitted(fused).items() if place != (1, Role.FFN_UP)}
    with pytest.raises(InputError, match="Layer 1 has no scale for its ffn_up"):
        quantize_with_scales(fused, tmp_path / "x.onnx", scales=scales)
