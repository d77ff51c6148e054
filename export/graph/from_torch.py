"""From a PyTorch classifier to an ONNX graph: Optimum's exporter, ONNX Runtime's fusions, calibration, contract.

All use of Optimum is here. The graph takes int64 `input_ids`, `attention_mask` (and `token_type_ids` where the
architecture has them), all ``(batch, sequence)`` with both axes dynamic, and gives float32
`logits` ``(batch, C)``.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import torch
from onnx import helper, numpy_helper
from torch import Tensor, nn

from distill.export.graph.norms import norm_by_sum
from distill.export.graph.pooling import pool_by_product
from distill.export.runtime.errors import CheckFailedError, InputError

# the first in which ReduceMax takes its axes as an input, which the int8 forms rely on
OPSET = 18

RAW_LOGITS = "raw_logits"

CONTRACT_KEY = "distill"

# what ONNX Runtime's optimizer makes of a transformer; which of them depends on the exporter's defaults
FUSED_OPERATORS = ("MultiHeadAttention", "LayerNormalization", "Gelu", "BiasGelu", "FastGelu")


class _Named(nn.Module):
    """The classifier as Optimum wants it: a configuration, and outputs by name."""

    def __init__(self, model: nn.Module, config: Any) -> None:
        super().__init__()
        self.model, self.config = model, config

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
    ) -> dict[str, Tensor]:
        """`logits` ``(B, C)``."""
        extra = {} if token_type_ids is None else {"token_type_ids": token_type_ids}
        return {"logits": self.model(input_ids, attention_mask, **extra)}


def export_onnx(model: nn.Module, config: Any, path: Path) -> tuple[str, ...]:
    """Write the fp32 graph of `model` with raw logits; gives the names of its inputs.

    Args:
        model: maps ids, mask and, where the architecture has them, token types ``(B, T)`` to logits ``(B, C)``.
        config: its transformers configuration.
        path: the file to write.

    Raises:
        InputError: an architecture that Optimum cannot export.
    """
    from optimum.exporters.onnx import export
    from optimum.exporters.tasks import TasksManager

    try:
        make = TasksManager.get_exporter_config_constructor(
            exporter="onnx", task="text-classification", model_type=config.model_type, library_name="transformers"
        )
    except (KeyError, ValueError) as error:
        raise InputError(
            f"a {config.model_type} body cannot be exported to ONNX; use BERT, RoBERTa or DistilBERT"
        ) from error
    onnx_config = make(config)
    wrapped = _Named(model, config).eval()
    inputs, _ = export(model=wrapped, config=onnx_config, output=path, opset=OPSET, disable_dynamic_axes_fix=True)
    return tuple(inputs)


def export_fused(model: nn.Module, config: Any, target: Path) -> dict[str, int]:
    """Write the fused fp32 graph of `model` with raw logits; gives how many of which fusions came out.

    Raises:
        InputError, CheckFailedError: as `export_onnx` and `fuse` do.
    """
    plain = target.with_name(f"unfused-{target.name}")
    export_onnx(model, config, plain)
    counts = fuse(plain, target, heads=config.num_attention_heads, width=config.hidden_size)
    plain.unlink()
    return counts


def fuse(source: Path, target: Path, *, heads: int, width: int) -> dict[str, int]:
    """Write the graph with ONNX Runtime's transformer fusions; gives how many of which came out.

    The products of attention become one operator; the query, key and value projections stay MatMul nodes,
    which can be quantized one by one. Mean pooling becomes a product, so that a text's logits are the same to the
    bit in every batch. Residual sums stay apart from their norms, which is faster.

    Raises:
        CheckFailedError: attention was not recognised.
    """
    from onnxruntime.transformers.fusion_options import FusionOptions
    from onnxruntime.transformers.optimizer import optimize_model

    options = FusionOptions("bert")
    # a fused embedding block would hide the table from quantization; approximated GELU would move decisions
    options.enable_embed_layer_norm = False
    options.enable_gelu_approximation = False
    options.use_multi_head_attention = True
    # the mask as it is: the alternative, one length a row, is right for padding on the right alone
    options.use_raw_attention_mask(True)
    optimized = optimize_model(
        str(source),
        model_type="bert",
        num_heads=heads,
        hidden_size=width,
        optimization_options=options,
        opt_level=0,
    )
    pool_by_product(optimized.model)
    norm_by_sum(optimized.model)
    optimized.save_model_to_file(str(target))
    counts = count_operators(onnx.load(target), FUSED_OPERATORS)
    if "MultiHeadAttention" not in counts:
        found = ", ".join(f"{count} {kind}" for kind, count in counts.items()) or "none"
        raise CheckFailedError(
            f"{target.name}: no fused attention came out (fused operators: {found}); "
            "check the versions of onnxruntime and optimum against constraints.txt"
        )
    return counts


def count_operators(model: onnx.ModelProto, kinds: Sequence[str]) -> dict[str, int]:
    """How many nodes of each kind there are, without kinds that do not occur."""
    found = [node.op_type for node in model.graph.node]
    return {kind: found.count(kind) for kind in kinds if kind in found}


def add_calibration(model: onnx.ModelProto, scale: npt.ArrayLike, bias: npt.ArrayLike) -> None:
    """Make `logits * scale + bias`, each ``(C,)``, the last node pair of the graph, in place."""
    graph = model.graph
    for node in graph.node:
        for index, name in enumerate(node.output):
            if name == "logits":
                node.output[index] = RAW_LOGITS
    for name, values in (("calibration_scale", scale), ("calibration_bias", bias)):
        graph.initializer.append(numpy_helper.from_array(np.asarray(values, dtype=np.float32), name))
    graph.node.append(
        helper.make_node("Mul", [RAW_LOGITS, "calibration_scale"], ["scaled_logits"], "calibrate_mul")
    )
    graph.node.append(helper.make_node("Add", ["scaled_logits", "calibration_bias"], ["logits"], "calibrate_add"))


def add_contract(model: onnx.ModelProto, contract: dict[str, Any]) -> None:
    """Write the decision contract into the metadata, so that a lone file still explains itself."""
    entry = model.metadata_props.add()
    entry.key, entry.value = CONTRACT_KEY, json.dumps(contract, sort_keys=True)


def strip(model: onnx.ModelProto) -> None:
    """Take out what differs between machines and says nothing to a reader: stack traces and doc strings."""
    model.doc_string = ""
    del model.metadata_props[:]
    for node in model.graph.node:
        node.doc_string = ""
        del node.metadata_props[:]
    for value in (*model.graph.input, *model.graph.output, *model.graph.value_info):
        del value.metadata_props[:]
    del model.graph.metadata_props[:]


def save(model: onnx.ModelProto, path: Path) -> None:
    """Write a graph; the same graph gives the same bytes."""
    path.write_bytes(model.SerializeToString(deterministic=True))


def torch_logits(
    model: nn.Module, ids: npt.NDArray[np.int64], mask: npt.NDArray[np.int64]
) -> npt.NDArray[np.float32]:
    """PyTorch's logits ``(B, C)`` for ids and mask ``(B, T)``."""
    with torch.inference_mode():
        logits: npt.NDArray[np.float32] = model(torch.from_numpy(ids), torch.from_numpy(mask)).float().numpy()
    return logits
