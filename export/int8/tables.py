"""Embedding tables of 4 to 6 bits: rows of small integers, packed into bytes and unpacked when they are looked up.

``value = (integer - (2**bits - 1) / 2) * scale of the row * scale of the channel``. The two middle values are half
a step from 0, so that all 2**bits values are used; a row of zeros has the scale 0. The scale of a row is the one
with the least squared error, since with few bits it pays to clip the row's largest values. Plain operators unpack
it: onnxruntime's operator for such tables, GatherBlockQuantized, is slower (docs/results/quantization.md).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto

from distill.export.graph import names
from distill.export.graph.builder import GraphBuilder
from distill.export.int8.packing import BYTE, PLANES, pack

# shares of a row's largest value that its scale may cover
COVERED = np.linspace(1, 0.4, 25, dtype=np.float32)

MIN_CHANNEL = np.float32(1e-9)


@dataclass(frozen=True)
class NarrowTable:
    """A table of few bits: `integers` (V, H) in uint8, scales per row (V, 1) and per channel (H,)."""

    integers: NDArray[np.uint8]
    rows: NDArray[np.float32]
    channels: NDArray[np.float32]
    bits: int

    @property
    def middle(self) -> np.float32:
        """Offset that is subtracted from an integer."""
        return middle_of(self.bits)

    def values(self) -> NDArray[np.float32]:
        """Return the values that the graph looks up, (V, H)."""
        return (self.integers.astype(np.float32) - self.middle) * self.rows * self.channels


def middle_of(bits: int) -> np.float32:
    """Return half of the largest integer of `bits` bits."""
    return np.float32((2**bits - 1) / 2)


def fit_table(table: NDArray[np.float32], bits: int) -> NarrowTable:
    """Return the integers and scales of a table (V, H).

    A channel's scale is its root mean square, so that a wide channel does not take resolution from the others. Of
    the scales that a row may have, each with the integers that follow from it, the one with the least squared
    error is taken; for given integers u that is <x, u> / <u, u>.
    """
    channels = np.maximum(np.sqrt(np.mean(table**2, axis=0)), MIN_CHANNEL).astype(np.float32)
    x = table / channels
    top = middle_of(bits)
    peak = np.abs(x).max(axis=1, keepdims=True)
    explained = np.full((len(x), 1), -1, dtype=np.float32)  # part of a row's squared norm, as yet none
    steps, scale = np.zeros_like(x), np.zeros_like(peak)
    for part in COVERED:
        step = np.where(peak > 0, part * peak / top, 1)
        tried = np.clip(np.floor(x / step) + np.float32(0.5), -top, top)
        along, square = (x * tried).sum(1, keepdims=True), (tried**2).sum(1, keepdims=True)
        better = along**2 / square > explained
        explained = np.where(better, along**2 / square, explained)
        scale, steps = np.where(better, along / square, scale), np.where(better, tried, steps)
    return NarrowTable((steps + top).astype(np.uint8), scale.astype(np.float32), channels, bits)


def narrow_lookup(builder: GraphBuilder, table: str, ids: str, bits: int, output: str) -> None:
    """Add the lookup of a table's rows (B, T, H) by ids (B, T)."""
    planes, rows = _store(builder, table, bits)
    packed = [builder.add("Gather", [plane, ids], f"{output}.bytes_{at}") for at, plane in enumerate(planes)]
    scale = builder.add("Gather", [rows, ids], f"{output}.scale")
    _unpack(builder, table, bits, packed, scale, [0, 0], output)


def narrow_table(builder: GraphBuilder, table: str, bits: int, output: str) -> None:
    """Add the whole table (V, H), which onnxruntime unpacks while it opens the graph."""
    planes, rows = _store(builder, table, bits)
    _unpack(builder, table, bits, planes, rows, [0], output)


def _store(builder: GraphBuilder, table: str, bits: int) -> tuple[list[str], str]:
    """Store a table's constants, and return the names of its planes and of the scales of its rows (V, 1)."""
    planes = [names.plane_of(table, plane) for plane in PLANES[bits]]
    rows = names.scale_of(table)
    if builder.has(rows):
        return planes, rows
    fitted = fit_table(builder.weight(table), bits)
    for name, values in zip(planes, pack(fitted.integers, bits), strict=True):
        builder.constant(name, values)
    shift, width = 0, len(fitted.channels)
    for name, plane in zip(planes, PLANES[bits], strict=True):
        places = np.repeat(plane * np.arange(BYTE // plane), width * plane // BYTE)  # (H,)
        # a value stays at its place in its byte, and this scale undoes the shift
        worth = fitted.channels * np.float32(2.0) ** (shift - places).astype(np.float32)
        builder.constant(names.channels_of(name), worth)
        builder.constant(names.masks(plane), _masks(plane))
        shift += plane
    builder.constant(names.middle_of(table), fitted.middle * fitted.channels)
    return planes, builder.constant(rows, fitted.rows)


def _masks(plane: int) -> NDArray[np.uint8]:
    """Return the bit masks of the values in a byte, ``(8 / plane, 1)``."""
    places = plane * np.arange(BYTE // plane)
    masks: NDArray[np.uint8] = ((2**plane - 1) << places).astype(np.uint8)[:, None]
    return masks


def _unpack(
    builder: GraphBuilder, table: str, bits: int, planes: list[str], scale: str, lead: list[int], output: str
) -> None:
    """Add the values ``(..., H)`` of packed bytes ``(..., 1, W)`` and a scale ``(..., 1)``."""
    width = builder.weight(table).shape[1]
    shape = builder.constant(names.row_shape(width, len(lead)), np.array([*lead, width], dtype=np.int64))
    parts = []
    for plane, name in zip(PLANES[bits], planes, strict=True):
        value = names.plane_of(output, plane)
        apart = builder.add("BitwiseAnd", [name, names.masks(plane)], f"{value}.apart")  # (..., 8 / plane, W)
        wide = builder.add("Cast", [apart], f"{value}.wide", to=TensorProto.FLOAT)
        flat = builder.add("Reshape", [wide, shape], f"{value}.flat")
        parts.append(builder.add("Mul", [flat, names.channels_of(names.plane_of(table, plane))], f"{value}.worth"))
    total = builder.add("Add", parts, f"{output}.total") if len(parts) > 1 else parts[0]
    moved = builder.add("Sub", [total, names.middle_of(table)], f"{output}.moved")
    builder.add("Mul", [moved, scale], output)
