"""A static student that learns with rounded tables decides as the table of few bits that it ships in."""

from pathlib import Path

import numpy as np
import pytest
import torch

from distill.export.graph.session import GraphRunner
from distill.export.int8.quantize import quantize_weights
from distill.export.int8.tables import fit_table
from distill.export.runtime.errors import InputError
from distill.recipe.load import load_recipe
from distill.students.networks.narrow import channel_scales, rounded_rows, rounded_table
from distill.students.networks.static import StaticClassifier, StaticConfig
from distill.students.networks.static_files import load_static, save_static
from distill.students.static import StaticFamily
from distill.teachers.inference import predict_logits
from tests.support.export_models import MAX_TOKENS, VOCABULARY, batch, random_rows
from tests.support.tiny_models import bert_tokenizer, multi_label_task

BITS = (4, 5, 6)


def table_of(rows: int = 300, width: int = 16) -> torch.Tensor:
    """A table whose channels differ in width, with the row of "no token"."""
    draws = torch.Generator().manual_seed(5)
    table = torch.randn(rows, width, generator=draws) * torch.linspace(0.2, 2, width)
    table[0] = 0
    return table


@pytest.mark.parametrize("bits", BITS)
def test_rows_are_rounded_as_the_export_rounds_a_table(bits: int) -> None:
    table = table_of()
    rows = rounded_rows(table, channel_scales(table), bits)
    exported = torch.from_numpy(fit_table(table.numpy(), bits).values())
    # a row with two scales that are equally good may get either of them
    same = (rows - exported).abs().amax(dim=1) < 1e-5
    assert same.float().mean() > 0.95
    assert (rows - table).square().mean() == pytest.approx(float((exported - table).square().mean()), rel=1e-3)
    assert not rows[0].any()


@pytest.mark.parametrize("bits", BITS)
def test_rounding_again_changes_a_tenth_of_what_rounding_did_at_most(bits: int) -> None:
    table = table_of()
    once = rounded_table(table, bits)
    assert (rounded_table(once, bits) - once).norm() < 0.1 * (once - table).norm()


def test_gradients_pass_through() -> None:
    table = table_of(4).requires_grad_()
    rounded_rows(table, channel_scales(table), 4).square().sum().backward()
    assert table.grad is not None
    expected = 2 * rounded_rows(table, channel_scales(table), 4).detach()
    torch.testing.assert_close(table.grad, expected)


@pytest.mark.parametrize("buckets", [0, 64])
def test_it_decides_the_same_in_pytorch_on_disk_and_in_a_table_of_few_bits(buckets: int, tmp_path: Path) -> None:
    torch.manual_seed(2)
    config = StaticConfig(VOCABULARY, 16, 24, buckets, 2, 32)
    model = StaticClassifier(config, multi_label_task(), table_bits=4).eval()
    with torch.no_grad():
        model.head.weight.normal_()
    rows = random_rows(30, seed=1)
    ids, mask = (torch.from_numpy(part) for part in batch(rows))
    learned = model(ids, mask).detach()
    plain = StaticClassifier(config, multi_label_task()).eval()
    plain.load_state_dict(model.state_dict())
    tokenizer = bert_tokenizer()
    save_static(model, tokenizer, tmp_path)
    loaded = load_static(tmp_path, multi_label_task()).eval()
    torch.testing.assert_close(model(ids, mask), learned, atol=1e-4, rtol=0)
    torch.testing.assert_close(loaded(ids, mask), learned, atol=1e-4, rtol=0)

    StaticFamily.export(loaded, tmp_path / "x.onnx", MAX_TOKENS)
    quantize_weights(tmp_path / "x.onnx", tmp_path / "narrow.onnx", table_bits=4)
    StaticFamily.export(plain, tmp_path / "plain.onnx", MAX_TOKENS)
    quantize_weights(tmp_path / "plain.onnx", tmp_path / "plain_narrow.onnx", table_bits=4)
    noise = [
        np.abs(GraphRunner(tmp_path / name).run_rows(rows) - expected.numpy()).mean()
        for name, expected in (("narrow.onnx", learned), ("plain_narrow.onnx", plain(ids, mask).detach()))
    ]
    assert noise[0] < 0.25 * noise[1]  # what is left are the other weights, of 8 bits


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        (["student.kind=static", "student.table_bits=4"], "table_bits is 4, but export.table_bits is 8. Set both"),
        (["student.kind=static", "student.table_bits=8", "export.table_bits=8"], "student.table_bits"),
    ],
)
def test_what_cannot_be_rounded_is_refused(settings: list[str], says: str) -> None:
    with pytest.raises(InputError, match=says):
        load_recipe("smoke", settings)


def test_other_kinds_of_students_have_no_such_tables() -> None:
    recipe = load_recipe("smoke", ["student.table_bits=4", "export.table_bits=6"])
    assert "table_bits" not in recipe.student.family.values


def test_predicting_rounds_too() -> None:
    torch.manual_seed(2)
    config = StaticConfig(VOCABULARY, 16, 0, 0, 2, 32)
    model = StaticClassifier(config, multi_label_task(), table_bits=4).eval()
    rows = random_rows(5, seed=1)
    before = predict_logits(model, rows, pad_id=0)
    model.round_for_good()
    np.testing.assert_allclose(predict_logits(model, rows, pad_id=0), before, atol=1e-4)
