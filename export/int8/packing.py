"""Integers of 4 to 6 bits packed into bytes, and the row widths that allow it."""

import numpy as np
from numpy.typing import NDArray

from distill.export.runtime.errors import InputError

# bits per integer -> the bit widths of its planes, from the lowest bits; each plane is a byte table of its own.
# 8 bits are one byte and need no packing.
PLANES = {4: (4,), 5: (4, 1), 6: (4, 2)}

BYTE = 8


def packed_multiple(bits: int) -> int:
    """Return the number that a row's width must be a multiple of to fill whole bytes; 1 with 8 bits."""
    return max(BYTE // plane for plane in PLANES.get(bits, (BYTE,)))


def pack(integers: NDArray[np.uint8], bits: int) -> list[NDArray[np.uint8]]:
    """Return the packed bytes ``(V, 1, H * width / 8)`` of each plane; values that share a byte are far apart.

    Args:
        integers: ``(V, H)``, each below ``2**bits``.
        bits: a key of PLANES.

    Raises:
        InputError: a row does not fill whole bytes.
    """
    rows, width = integers.shape
    if width % packed_multiple(bits):
        raise InputError(
            f"`table_bits` is {bits}, but rows of {width} numbers do not fill whole bytes. Set it to 8."
        )
    packed, shift = [], 0
    for plane in PLANES[bits]:
        share = BYTE // plane
        part = (integers >> shift & (2**plane - 1)).reshape(rows, share, width // share)
        places = (plane * np.arange(share, dtype=np.uint8))[:, None]
        packed.append(np.bitwise_or.reduce(part << places, axis=1, keepdims=True))
        shift += plane
    return packed
