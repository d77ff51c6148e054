"""A model with random weights as the bundle that a run would make of it, for every kind of input."""

from pathlib import Path
from typing import Any

import onnx
from torch import nn

from distill.export.bundle import Shipment, write_bundle
from distill.export.graph.model import add_calibration, save_model
from distill.export.graph.session import GraphRunner
from distill.export.runtime import Classifier, load
from distill.export.runtime.deciding.task import Policy
from distill.export.runtime.reading.inputs import Input
from tests.support.tiny_models import multi_label_task


def ship_model(
    folder: Path, family: Any, model: nn.Module, tokenizer: Any, reads: Input, *, max_tokens: int
) -> Classifier:
    """Save a model of three labels in `folder/student`, export it, and return its bundle of the input's kind."""
    source = folder / "student"
    source.mkdir(parents=True)
    family.save(model, tokenizer, source)
    family.export(model, folder / "fused.onnx", max_tokens)
    proto = onnx.load(folder / "fused.onnx")
    add_calibration(proto, (1.0,) * 3, (0.0,) * 3, ())
    save_model(proto, folder / "model.onnx")
    shipment = Shipment(
        name=reads.kind,
        task=multi_label_task(),
        scale=(1.0,) * 3,
        bias=(0.0,) * 3,
        policy=Policy((0.5,) * 3),
        max_tokens=max_tokens,
        max_batch=None,
        precision="fp32",
        inputs=tuple(GraphRunner(folder / "model.onnx").inputs),
        graph=folder / "model.onnx",
        tokenizer_folder=source,
        config=family.published_config(source),
        provenance={},
        metrics={},
        model_card=f"# {reads.kind}\n",
        reads=reads,
    )
    write_bundle(folder / "bundle", shipment)
    return load(folder / "bundle")
