"""The forms that a student ships in, each written by its name."""

import shutil
from collections.abc import Collection
from pathlib import Path

from distill.export.int8.quantize import quantize_dynamic, quantize_weights, quantize_with_scales
from distill.export.int8.scales import Scales
from distill.export.runtime.errors import InputError

FORMS = ("fp32", "int8-weights", "int8-dynamic", "int8-static")


def write_form(
    form: str,
    fused: Path,
    target: Path,
    *,
    keep: Collection[str] = (),
    scales: Scales | None = None,
    table_bits: int = 8,
) -> None:
    """Write one form of a fused fp32 graph, without calibration.

    Args:
        form: of FORMS.
        fused: a graph of `fuse` or `write_static_graph`.
        target: the file to write.
        keep: names of products that compute in fp32; `fp32` and `int8-weights` compute in it anyway.
        scales: of the inputs of products, by layer and role; `int8-static` needs them, others have none.
        table_bits: 8, or 4 to 6 for smaller embedding tables; `fp32` keeps its own.

    Raises:
        InputError: there is no such form, it lacks scales, or rows of so few bits do not fill whole bytes.
        CheckFailedError: the graph has a product that no BERT-like layer has.
    """
    match form:
        case "fp32":
            shutil.copyfile(fused, target)
        case "int8-weights":
            quantize_weights(fused, target, table_bits=table_bits)
        case "int8-dynamic":
            quantize_dynamic(fused, target, keep=keep, table_bits=table_bits)
        case "int8-static":
            quantize_with_scales(fused, target, keep=keep, scales=scales or {}, table_bits=table_bits)
        case _:
            raise InputError(f"form: there is no {form}; there are {', '.join(FORMS)}")
