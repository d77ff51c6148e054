"""Whole numbers of few bits packed into bytes, and how many of them a row must have for that."""

import numpy as np
from numpy.typing import NDArray

from distill.export.runtime.errors import InputError

# how many bits of each integer, from the lowest, stand in which table of bytes; 8 are one byte and no packing
PLANES = {4: (4,), 5: (4, 1), 6: (4, 2)}

BYTE = 8


def whole_rows(bits: int) -> int:
    """A row of so many integers, or of a multiple of that, fills whole bytes; with 8 bits any does."""
    return max(BYTE // plane for plane in PLANES.get(bits, (BYTE,)))


def pack(integers: NDArray[np.uint8], bits: int) -> list[NDArray[np.uint8]]:
    """Bytes ``(V, 1, H * width / 8)`` for each width of PLANES; a byte holds values that stand far apart.

    Args:
        integers: ``(V, H)``, each below ``2**bits``.
        bits: of PLANES.

    Raises:
        InputError: a row does not fill whole bytes.
    """
    rows, width = integers.shape
    if width % whole_rows(bits):
        raise InputError(
            f"export.table_bits is {bits}, and rows of {width} numbers do not fill whole bytes; set it to 8"
        )
    packed, shift = [], 0
    for plane in PLANES[bits]:
        share = BYTE // plane
        part = (integers >> shift & (2**plane - 1)).reshape(rows, share, width // share)
        places = (plane * np.arange(share, dtype=np.uint8))[:, None]
        packed.append(np.bitwise_or.reduce(part << places, axis=1, keepdims=True))
        shift += plane
    return packed
