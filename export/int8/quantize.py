"""int8 graphs in which a text's scores do not depend on the other texts of its batch.

Weights are rounded per output channel and embedding tables per row. Matmuls that run in int8 get unsigned 8-bit
activations and 7-bit weights: the sum of two products then fits into 16 bits, so that a CPU without VNNI computes
the same integers as one with it. Activations are scaled per token (dynamic) or by scales fitted on calibration
texts (static); either way a token gets the same integers in every batch. ONNX Runtime's own quantizers scale a
whole batch at once, or round the outputs of every matmul too, and flip more decisions:
docs/results/quantization.md has the numbers.
"""

from collections.abc import Collection
from pathlib import Path

from distill.export.graph.builder import GraphBuilder
from distill.export.graph.matmuls import find_matmuls
from distill.export.int8.biases import absorb_biases
from distill.export.int8.input_scales import InputScales
from distill.export.int8.integer import (
    Inputs,
    StaticInputs,
    TokenInputs,
    integer_matmul,
    is_table,
    lookup,
    restored_table,
    stored_weight,
)
from distill.export.runtime.errors import InputError


def quantize_weights(source: Path, target: Path, *, keep_fp32: Collection[str] = (), table_bits: int = 8) -> None:
    """Store tables and weights as int8 and compute in fp32: a quarter of the bytes, at fp32's speed.

    Args:
        source: a graph written by `fuse` or `write_static_graph`.
        target: the file to write.
        keep_fp32: names of matmuls whose weights stay in fp32.
        table_bits: 8, or 4 to 6 for smaller embedding tables.

    Raises:
        InputError: rows of `table_bits` bits do not fill whole bytes.
        CheckFailedError: the graph has a matmul that no BERT-like layer has.
    """
    builder = GraphBuilder.load(source)
    every = [matmul.name for matmul in find_matmuls(builder)]
    _write(builder, target, every, TokenInputs(builder), table_bits, untouched=keep_fp32)


def quantize_dynamic(source: Path, target: Path, *, keep_fp32: Collection[str] = (), table_bits: int = 8) -> None:
    """Compute in int8 with activations scaled at run time, each token by its own largest value.

    Args:
        source: a graph written by `fuse` or `write_static_graph`.
        target: the file to write.
        keep_fp32: names of matmuls that compute in fp32; their weights are stored as int8 all the same.
        table_bits: 8, or 4 to 6 for smaller embedding tables.

    Raises:
        InputError: rows of `table_bits` bits do not fill whole bytes.
        CheckFailedError: the graph has a matmul that no BERT-like layer has.
    """
    builder = GraphBuilder.load(source)
    _write(builder, target, keep_fp32, TokenInputs(builder), table_bits)


def quantize_with_scales(
    source: Path,
    target: Path,
    *,
    keep_fp32: Collection[str] = (),
    scales: InputScales,
    table_bits: int = 8,
) -> None:
    """Compute in int8 with fixed activation scales, fitted on real texts: the fastest precision.

    Args:
        source: a graph written by `fuse` or `write_static_graph`.
        target: the file to write.
        keep_fp32: names of matmuls that compute in fp32; their weights are stored as int8 all the same.
        scales: from `fit_input_scales` or quantization-aware training, per matmul, by layer and role.
        table_bits: 8, or 4 to 6 for smaller embedding tables.

    Raises:
        InputError: a matmul of the graph has no scale, or rows of `table_bits` bits do not fill whole bytes.
        CheckFailedError: the graph has a matmul that no BERT-like layer has.
    """
    builder = GraphBuilder.load(source)
    matmuls = find_matmuls(builder)
    missing = [matmul for matmul in matmuls if (matmul.layer, matmul.role) not in scales]
    if missing:
        raise InputError(
            f"quantization: Layer {missing[0].layer} has no scale for its {missing[0].role}: the scales belong "
            "to another student. Train it again."
        )
    by_name = {matmul.hidden_state: scales[matmul.layer, matmul.role] for matmul in matmuls}
    _write(builder, target, keep_fp32, StaticInputs(builder, by_name), table_bits)


def _write(
    builder: GraphBuilder,
    target: Path,
    keep_fp32: Collection[str],
    inputs: Inputs,
    table_bits: int,
    *,
    untouched: Collection[str] = (),
) -> None:
    """Write the int8 graph; matmuls in `keep_fp32` compute in fp32, those in `untouched` have fp32 weights too."""
    matmuls = {matmul.node: matmul for matmul in find_matmuls(builder)}
    # tables that onnxruntime multiplies while it opens the graph, and therefore needs in fp32
    factors = {node.input[0] for node in builder.source if builder.is_constant_matmul(node)}
    for node in builder.source:
        matmul = matmuls.get(node.name)
        if builder.is_constant_matmul(node):
            builder.add(
                "MatMul",
                [restored_table(builder, node.input[0], table_bits), stored_weight(builder, node)],
                node.output[0],
            )
        elif matmul is None and is_table(builder, node) and node.input[0] in factors:
            builder.add(
                "Gather", [restored_table(builder, node.input[0], table_bits), node.input[1]], node.output[0]
            )
        elif matmul is None and is_table(builder, node):
            lookup(builder, node, table_bits)
        elif matmul is None or matmul.name in untouched:
            builder.keep(node)
        elif matmul.name in keep_fp32:
            builder.add("MatMul", [node.input[0], stored_weight(builder, node)], node.output[0])
        else:
            integer_matmul(builder, node, inputs)
    absorb_biases(builder)
    builder.write(target)
