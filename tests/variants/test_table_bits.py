"""`export.table_bits` in a run: int8 variants are made anew, trainings are not, and a failed gate names it."""

import json
import shutil
from pathlib import Path

import onnx
import pytest
from transformers import BertConfig

from distill.export.runtime import load, self_test
from distill.export.runtime.errors import CheckFailedError, InputError
from distill.recipe.load import load_recipe
from distill.runs.layout import RunLayout
from distill.runs.stage import read_record
from distill.training.preflight import check_models
from distill.variants.select import shipping_variant
from tests.support.finished import execute, write_gate

GATE = ["export.max_label_flip_rate=1", "export.max_row_flip_rate=1", "export.max_macro_f1_drop=1"]
OPEN = [*GATE, "export.max_recall_drop=1"]


def test_fewer_bits_make_a_smaller_bundle_out_of_the_same_student(runs: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(runs, tmp_path / "smoke")
    before = {name: read_record(folder / name) for name in ("teacher", "student", "twin")}
    execute(folder, *OPEN, "export.table_bits=4", until="export")
    assert {name: read_record(folder / name) for name in before} == before
    smaller, larger = (place / "bundle/onnx/model_quantized.onnx" for place in (folder, runs))
    sizes = [sum(len(item.raw_data) for item in onnx.load(path).graph.initializer) for path in (smaller, larger)]
    table = next(
        item for item in onnx.load(larger).graph.initializer if "word_embeddings.weight.int8" in item.name
    )
    # half of a byte a number; the channels' scales are little beside it
    assert sizes[1] - sizes[0] > 0.4 * len(table.raw_data)
    self_test(load(folder / "bundle"))
    assert json.loads((folder / "export/int8-weights/gate.json").read_text())["batch_invariant"]


@pytest.mark.parametrize("layers", ["[0,1]", "auto"])
def test_a_teacher_whose_rows_fill_no_bytes_is_refused_before_it_is_trained(layers: str) -> None:
    config = BertConfig(hidden_size=36, num_hidden_layers=3, num_attention_heads=4)
    own = ["student.kind=layers", f"student.layers={layers}"]
    for bits in (4, 6, 8):
        check_models(load_recipe("smoke", [*own, f"export.table_bits={bits}"]), config)
    with pytest.raises(InputError, match=r"export\.table_bits is 5, but rows of the teacher's 36 numbers"):
        check_models(load_recipe("smoke", [*own, "export.table_bits=5"]), config)


@pytest.mark.parametrize(("bits", "said"), [(4, True), (8, False)])
def test_a_gate_that_failed_with_few_bits_says_that_more_may_help(tmp_path: Path, bits: int, said: bool) -> None:
    recipe = load_recipe("smoke", [f"export.table_bits={bits}", "export.precision=['int8-weights']"])
    layout = RunLayout(tmp_path)
    write_gate(layout.variant("int8-weights"), failures="rows with a flip 0.06 above 0.05")
    with pytest.raises(CheckFailedError) as caught:
        shipping_variant(layout, recipe.export)
    assert ("Raise export.table_bits above 4" in str(caught.value)) == said
