"""Graphs in each precision that a student can ship in."""

import shutil
from collections.abc import Collection
from pathlib import Path

from distill.export.int8.input_scales import InputScales
from distill.export.int8.quantize import quantize_dynamic, quantize_weights, quantize_with_scales
from distill.export.precision import Precision
from distill.export.runtime.errors import InputError


def write_precision(
    precision: Precision,
    fused: Path,
    target: Path,
    *,
    keep_fp32: Collection[str] = (),
    scales: InputScales | None = None,
    table_bits: int = 8,
) -> None:
    """Write a fused fp32 graph in one precision, without calibration.

    Args:
        precision: of the graph to write.
        fused: a graph written by `fuse` or `write_static_graph`.
        target: the file to write.
        keep_fp32: names of matmuls that compute in fp32; in `int8-weights`, where all do, those with fp32 weights.
        scales: input scales per matmul, by layer and role; only `int8-static` needs them.
        table_bits: 8, or 4 to 6 for smaller embedding tables; ignored by `fp32`.

    Raises:
        InputError: there is no such precision, scales are missing, or rows of `table_bits` bits do not fill whole
            bytes.
        CheckFailedError: the graph has a matmul that no BERT-like layer has.
    """
    match precision:
        case "fp32":
            shutil.copyfile(fused, target)
        case "int8-weights":
            quantize_weights(fused, target, keep_fp32=keep_fp32, table_bits=table_bits)
        case "int8-dynamic":
            quantize_dynamic(fused, target, keep_fp32=keep_fp32, table_bits=table_bits)
        case "int8-static":
            quantize_with_scales(fused, target, keep_fp32=keep_fp32, scales=scales or {}, table_bits=table_bits)
        case _:
            raise InputError(f"There is no precision {precision!r}. Choose one of {', '.join(Precision)}.")
