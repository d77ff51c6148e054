"""Embedding tables in few bits: rows of small whole numbers, packed into bytes, unpacked where they are looked up.

``value = (integer - (2**bits - 1) / 2) * scale of the row * scale of the channel``. The middle values stand half a
step from 0, so that all 2**bits of them are used; a row of zeros has the scale 0. The scale of a row is the one of
least squared error, for with few bits the largest value of a row is worth cutting off. Plain operators unpack it:
the one that onnxruntime has for such tables, GatherBlockQuantized, takes longer (docs/results/quantization.md).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto

from distill.export.graph.rewrite import Rewriter
from distill.export.int8.packing import BYTE, PLANES, pack

# what part of a row's largest value its scale may cover
COVERED = np.linspace(1, 0.4, 25, dtype=np.float32)

MIN_CHANNEL = np.float32(1e-9)


@dataclass(frozen=True)
class NarrowTable:
    """A table of few bits: `integers` (V, H) in uint8, the scale of each row (V, 1) and of each channel (H,)."""

    integers: NDArray[np.uint8]
    rows: NDArray[np.float32]
    channels: NDArray[np.float32]
    bits: int

    @property
    def middle(self) -> np.float32:
        """What is taken off an integer."""
        return middle_of(self.bits)

    def values(self) -> NDArray[np.float32]:
        """What the graph looks up, (V, H)."""
        return (self.integers.astype(np.float32) - self.middle) * self.rows * self.channels


def middle_of(bits: int) -> np.float32:
    """Half of the largest integer of so many bits."""
    return np.float32((2**bits - 1) / 2)


def fit_table(table: NDArray[np.float32], bits: int) -> NarrowTable:
    """The integers and scales of a table (V, H).

    A channel's scale is its root mean square, so that a wide one does not cost the others their steps. Of the
    scales that a row may have, each with the integers it leads to, the one of least squared error is taken; for
    given integers u that is <x, u> / <u, u>.
    """
    channels = np.maximum(np.sqrt(np.mean(table**2, axis=0)), MIN_CHANNEL).astype(np.float32)
    x = table / channels
    top = middle_of(bits)
    peak = np.abs(x).max(axis=1, keepdims=True)
    gained = np.full((len(x), 1), -1, dtype=np.float32)  # what of a row's square the integers make up for
    steps, scale = np.zeros_like(x), np.zeros_like(peak)
    for part in COVERED:
        step = np.where(peak > 0, part * peak / top, 1)
        tried = np.clip(np.floor(x / step) + np.float32(0.5), -top, top)
        along, square = (x * tried).sum(1, keepdims=True), (tried**2).sum(1, keepdims=True)
        better = along**2 / square > gained
        gained = np.where(better, along**2 / square, gained)
        scale, steps = np.where(better, along / square, scale), np.where(better, tried, steps)
    return NarrowTable((steps + top).astype(np.uint8), scale.astype(np.float32), channels, bits)


def narrow_lookup(rewriter: Rewriter, table: str, ids: str, bits: int, output: str) -> None:
    """Rows (B, T, H) of a table for ids (B, T)."""
    planes, rows = _store(rewriter, table, bits)
    found = [rewriter.add("Gather", [plane, ids], f"{output}.bytes_{at}") for at, plane in enumerate(planes)]
    scale = rewriter.add("Gather", [rows, ids], f"{output}.scale")
    _unpack(rewriter, table, bits, found, scale, [0, 0], output)


def narrow_table(rewriter: Rewriter, table: str, bits: int, output: str) -> None:
    """The whole table (V, H); onnxruntime unpacks it while it opens the graph."""
    planes, rows = _store(rewriter, table, bits)
    _unpack(rewriter, table, bits, planes, rows, [0], output)


def _store(rewriter: Rewriter, table: str, bits: int) -> tuple[list[str], str]:
    """The names of a table's bytes and of the scales of its rows (V, 1); its other constants stand beside them."""
    names = [f"{table}.uint{plane}" for plane in PLANES[bits]]
    rows = f"{table}.scale"
    if rewriter.has(rows):
        return names, rows
    fitted = fit_table(rewriter.weight(table), bits)
    for name, values in zip(names, pack(fitted.integers, bits), strict=True):
        rewriter.constant(name, values)
    shift, width = 0, len(fitted.channels)
    for name, plane in zip(names, PLANES[bits], strict=True):
        places = np.repeat(plane * np.arange(BYTE // plane), width * plane // BYTE)  # (H,)
        # a value is left where it stands in its byte, and its place taken off here
        worth = fitted.channels * np.float32(2.0) ** (shift - places).astype(np.float32)
        rewriter.constant(f"{name}.channels", worth)
        rewriter.constant(f"uint{plane}_masks", _masks(plane))
        shift += plane
    rewriter.constant(f"{table}.middle", fitted.middle * fitted.channels)
    return names, rewriter.constant(rows, fitted.rows)


def _masks(plane: int) -> NDArray[np.uint8]:
    """Where in a byte its values stand, ``(8 / plane, 1)``."""
    places = plane * np.arange(BYTE // plane)
    masks: NDArray[np.uint8] = ((2**plane - 1) << places).astype(np.uint8)[:, None]
    return masks


def _unpack(
    rewriter: Rewriter, table: str, bits: int, found: list[str], scale: str, lead: list[int], output: str
) -> None:
    """Bytes ``(..., 1, W)`` and a scale ``(..., 1)`` to values ``(..., H)``."""
    width = rewriter.weight(table).shape[1]
    shape = rewriter.constant(f"rows_of_{width}_{len(lead)}", np.array([*lead, width], dtype=np.int64))
    parts = []
    for plane, name in zip(PLANES[bits], found, strict=True):
        own = f"{output}.uint{plane}"
        apart = rewriter.add("BitwiseAnd", [name, f"uint{plane}_masks"], f"{own}.apart")  # (..., 8 / plane, W)
        wide = rewriter.add("Cast", [apart], f"{own}.wide", to=TensorProto.FLOAT)
        flat = rewriter.add("Reshape", [wide, shape], f"{own}.flat")
        parts.append(rewriter.add("Mul", [flat, f"{table}.uint{plane}.channels"], f"{own}.worth"))
    total = rewriter.add("Add", parts, f"{output}.total") if len(parts) > 1 else parts[0]
    moved = rewriter.add("Sub", [total, f"{table}.middle"], f"{output}.moved")
    rewriter.add("Mul", [moved, scale], output)
