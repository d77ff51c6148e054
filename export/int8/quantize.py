"""int8 forms of a graph, made so that a text's scores do not depend on the texts beside it.

Weights are rounded per output channel and embedding tables per row. Products that run in int8 get unsigned
8-bit activations and 7-bit weights: no sum of two products then leaves 16 bits, so that a CPU without VNNI
gives the very integers that one with it does. Activations are scaled per token (dynamic) or by scales fixed
from calibration texts (static); either way a token gets the same integers in every batch. ONNX Runtime's own
quantizers scale a whole batch at once, or round the outputs of every product too, and flip more decisions:
docs/results/quantization.md has the numbers.
"""

from collections.abc import Collection
from pathlib import Path

from distill.export.graph.rewrite import Rewriter, find_products
from distill.export.int8.biases import take_biases_in
from distill.export.int8.integer import (
    Inputs,
    StaticInputs,
    TokenInputs,
    integer_product,
    is_table,
    lookup,
    restored_table,
    stored_weight,
)
from distill.export.int8.scales import Scales
from distill.export.runtime.errors import InputError


def quantize_weights(source: Path, target: Path, *, table_bits: int = 8) -> None:
    """Store tables and weights as int8 and compute in fp32: a quarter of the bytes, at fp32's speed.

    Args:
        source: a graph of `fuse` or `write_static_graph`.
        target: the file to write.
        table_bits: 8, or 4 to 6 for smaller embedding tables.

    Raises:
        InputError: rows of so few bits do not fill whole bytes.
        CheckFailedError: the graph has a product that no BERT-like layer has.
    """
    rewriter = Rewriter(source)
    every = [product.name for product in find_products(rewriter)]
    _write(rewriter, target, every, TokenInputs(rewriter), table_bits)


def quantize_dynamic(source: Path, target: Path, *, keep: Collection[str] = (), table_bits: int = 8) -> None:
    """int8 arithmetic whose activations are scaled at run time, each token by its own largest value.

    Args:
        source: a graph of `fuse` or `write_static_graph`.
        target: the file to write.
        keep: names of products that compute in fp32; their weights are stored as int8 all the same.
        table_bits: 8, or 4 to 6 for smaller embedding tables.

    Raises:
        InputError: rows of so few bits do not fill whole bytes.
        CheckFailedError: the graph has a product that no BERT-like layer has.
    """
    rewriter = Rewriter(source)
    _write(rewriter, target, keep, TokenInputs(rewriter), table_bits)


def quantize_with_scales(
    source: Path,
    target: Path,
    *,
    keep: Collection[str] = (),
    scales: Scales,
    table_bits: int = 8,
) -> None:
    """int8 arithmetic whose activations are scaled once, by scales fitted on real texts: the fastest form.

    Args:
        source: a graph of `fuse` or `write_static_graph`.
        target: the file to write.
        keep: names of products that compute in fp32; their weights are stored as int8 all the same.
        scales: of the input of each product, by layer and role; of `fit_scales` or a quantization-aware training.
        table_bits: 8, or 4 to 6 for smaller embedding tables.

    Raises:
        InputError: a product of the graph has no scale, or rows of so few bits do not fill whole bytes.
        CheckFailedError: the graph has a product that no BERT-like layer has.
    """
    rewriter = Rewriter(source)
    products = find_products(rewriter)
    missing = [product for product in products if (product.layer, product.role) not in scales]
    if missing:
        raise InputError(
            f"quantization: layer {missing[0].layer} has no scale for its {missing[0].role}; "
            "the scales belong to another student, train it again"
        )
    by_name = {product.hidden_state: scales[product.layer, product.role] for product in products}
    _write(rewriter, target, keep, StaticInputs(rewriter, by_name), table_bits)


def _write(rewriter: Rewriter, target: Path, keep: Collection[str], inputs: Inputs, table_bits: int) -> None:
    products = {product.node: product for product in find_products(rewriter)}
    # tables that onnxruntime multiplies while it opens the graph; it has them in fp32 then
    factors = {node.input[0] for node in rewriter.source if rewriter.is_constant_product(node)}
    for node in rewriter.source:
        product = products.get(node.name)
        if rewriter.is_constant_product(node):
            rewriter.add(
                "MatMul",
                [restored_table(rewriter, node.input[0], table_bits), stored_weight(rewriter, node)],
                node.output[0],
            )
        elif product is None and is_table(rewriter, node) and node.input[0] in factors:
            rewriter.add(
                "Gather", [restored_table(rewriter, node.input[0], table_bits), node.input[1]], node.output[0]
            )
        elif product is None and is_table(rewriter, node):
            lookup(rewriter, node, table_bits)
        elif product is None:
            rewriter.keep(node)
        elif product.name in keep:
            rewriter.add("MatMul", [node.input[0], stored_weight(rewriter, node)], node.output[0])
        else:
            integer_product(rewriter, node, inputs)
    take_biases_in(rewriter)
    rewriter.write(target)
