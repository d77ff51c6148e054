"""Export of a PyTorch classifier as a fused ONNX graph: Optimum's exporter, then ONNX Runtime's fusions.

Optimum is used in this module only. The graph takes int64 `input_ids`, `attention_mask` and, where the
architecture has them, `token_type_ids`, all ``(batch, sequence)`` with both axes dynamic, and returns float32
`logits` ``(batch, C)``.
"""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import torch
from torch import Tensor, nn

from distill.export.graph.config import ModelConfig
from distill.export.graph.model import OPSET, count_operators
from distill.export.graph.norms import split_residual_norms
from distill.export.graph.pooling import pool_by_matmul
from distill.export.runtime.errors import CheckFailedError, InputError

# operators that ONNX Runtime's optimizer may make of a transformer; which ones depends on the exporter's defaults
FUSED_OPERATORS = ("MultiHeadAttention", "LayerNormalization", "Gelu", "BiasGelu", "FastGelu")


class _Named(nn.Module):
    """Adapter to Optimum's exporter: a module with a configuration and named outputs."""

    def __init__(self, model: nn.Module, config: ModelConfig) -> None:
        super().__init__()
        self.model, self.config = model, config

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
    ) -> dict[str, Tensor]:
        """Return `logits` ``(B, C)``."""
        extra = {} if token_type_ids is None else {"token_type_ids": token_type_ids}
        return {"logits": self.model(input_ids, attention_mask, **extra)}


def export_onnx(model: nn.Module, config: ModelConfig, path: Path) -> tuple[str, ...]:
    """Write the fp32 graph of `model` with raw logits, and return the names of its inputs.

    Args:
        model: maps ids, mask and, where the architecture has them, token types ``(B, T)`` to logits ``(B, C)``.
        config: its transformers configuration.
        path: the file to write.

    Raises:
        InputError: Optimum cannot export this architecture.
    """
    from optimum.exporters.onnx import export
    from optimum.exporters.tasks import TasksManager

    try:
        make = TasksManager.get_exporter_config_constructor(
            exporter="onnx", task="text-classification", model_type=config.model_type, library_name="transformers"
        )
    except (KeyError, ValueError) as error:
        raise InputError(
            f"A {config.model_type} encoder cannot be exported to ONNX. Use BERT, RoBERTa or DistilBERT."
        ) from error
    onnx_config = make(config)
    wrapped = _Named(model, config).eval()
    inputs, _ = export(model=wrapped, config=onnx_config, output=path, opset=OPSET, disable_dynamic_axes_fix=True)
    return tuple(inputs)


def export_fused(model: nn.Module, config: ModelConfig, target: Path) -> dict[str, int]:
    """Write the fused fp32 graph of `model` with raw logits, and return the number of nodes per fused operator.

    Raises:
        InputError, CheckFailedError: as `export_onnx` and `fuse` do.
    """
    plain = target.with_name(f"unfused-{target.name}")
    export_onnx(model, config, plain)
    counts = fuse(plain, target, heads=config.num_attention_heads, width=config.hidden_size)
    plain.unlink()
    return counts


def fuse(source: Path, target: Path, *, heads: int, width: int) -> dict[str, int]:
    """Fuse a graph with ONNX Runtime's transformer optimizer, and return the number of nodes per fused operator.

    The matmuls of attention become one operator; the query, key and value projections stay MatMul nodes,
    which can be quantized one by one. Mean pooling becomes a matmul, so that a text's logits are bit-identical in
    every batch. Residual sums stay apart from their norms, which is faster.

    Raises:
        CheckFailedError: no attention was recognised.
    """
    from onnxruntime.transformers.fusion_options import FusionOptions
    from onnxruntime.transformers.optimizer import optimize_model

    options = FusionOptions("bert")
    # a fused embedding block would hide the table from quantization; approximated GELU would move decisions
    options.enable_embed_layer_norm = False
    options.enable_gelu_approximation = False
    options.use_multi_head_attention = True
    # the mask as it is: the alternative, one length per row, is right only for padding on the right
    options.use_raw_attention_mask(True)
    optimized = optimize_model(
        str(source),
        model_type="bert",
        num_heads=heads,
        hidden_size=width,
        optimization_options=options,
        opt_level=0,
    )
    pool_by_matmul(optimized.model)
    split_residual_norms(optimized.model)
    optimized.save_model_to_file(str(target))
    counts = count_operators(onnx.load(target), FUSED_OPERATORS)
    if "MultiHeadAttention" not in counts:
        fused = ", ".join(f"{count} {kind}" for kind, count in counts.items()) or "none"
        raise CheckFailedError(
            f"{target.name}: Attention was not fused (fused operators: {fused}). Compare the versions of "
            "onnxruntime and optimum with constraints.txt."
        )
    return counts


def torch_logits(model: nn.Module, *batch: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
    """Return PyTorch's logits ``(B, C)`` for ids, mask and, where there are some, token types ``(B, T)``."""
    with torch.inference_mode():
        logits: npt.NDArray[np.float32] = model(*map(torch.from_numpy, batch)).float().numpy()
    return logits
