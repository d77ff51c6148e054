"""The run's own student, exported as tutorials do: torch.onnx, and ONNX Runtime's quantize_dynamic by default."""

import warnings
from pathlib import Path

import torch
from onnxruntime.quantization import quantize_dynamic
from torch import Tensor, nn

from distill.export.graph.model import OPSET
from distill.export.graph.session import GraphRunner
from tests.benchmarks.peer import Made, Peer, PlainTokenizer, size_of


def plain_export_peers(made: Made) -> list[Peer]:
    """The same weights as the bundle's, without fusions, calibrated scales or a gate."""
    folder = made.shipped.layout.student
    tokenizer = PlainTokenizer(folder, made.shipped.recipe.corpus.max_tokens)
    plain, quantized = made.folder / "student.onnx", made.folder / "student-int8.onnx"
    export_plain(made.shipped.recipe.student.family.load(folder, made.corpus.task).eval(), plain)
    quantize_dynamic(str(plain), str(quantized))
    found = []
    for name, path in (("fp32", plain), ("default int8", quantized)):
        runner = GraphRunner(path)
        found.append(
            Peer(
                f"student, plain torch.onnx, {name}",
                "ONNX Runtime",
                size_of(path, folder / "tokenizer.json"),
                lambda texts, runner=runner: runner(*tokenizer(texts)),
            )
        )
    return found


def export_plain(model: nn.Module, path: Path) -> None:
    """Trace the model on a short batch; both axes stay free."""
    ids = torch.tensor([[1, 2, 3, 4], [2, 3, 0, 0]])
    axes = {0: "batch", 1: "sequence"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of tracing, and of which exporter is the newer
        torch.onnx.export(
            _IdsAndMask(model).eval(),
            (ids, (ids > 0).long()),
            str(path),
            input_names=["input_ids", "attention_mask"],
            output_names=["logits"],
            dynamic_axes={"input_ids": axes, "attention_mask": axes, "logits": {0: "batch"}},
            opset_version=OPSET,
            dynamo=False,
        )


class _IdsAndMask(nn.Module):
    """Two inputs and nothing optional, which a trace would take for more."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Logits ``(B, C)``."""
        return self.model(input_ids, attention_mask)
