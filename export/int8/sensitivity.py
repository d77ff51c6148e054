"""Sensitivity of matmuls to int8: each one's noise, and the fewest to leave in fp32 for a gate to pass."""

import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from distill.export.graph.builder import GraphBuilder
from distill.export.graph.matmuls import find_matmuls
from distill.export.graph.session import GraphRunner

# writes the int8 graph in which the named matmuls compute in fp32
Writer = Callable[[Path, Collection[str]], None]


@dataclass(frozen=True)
class Sensitivity:
    """Noise of one matmul in int8, and its cost in fp32.

    `noise` is the root mean square change of a logit; `multiply_adds` are per token.
    """

    matmul: str
    noise: float
    multiply_adds: int

    @property
    def gain(self) -> float:
        """Squared noise saved per multiply-add when this matmul computes in fp32.

        Squared, because noises of independent matmuls add up as squares; per multiply-add and not per second,
        because time grows with multiply-adds, and those are the same in every run.
        """
        return self.noise**2 / self.multiply_adds

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON; a noise that is not finite becomes None."""
        noise = self.noise if math.isfinite(self.noise) else None
        return {"product": self.matmul, "noise": noise, "multiply_adds": self.multiply_adds}


def measure_sensitivity(
    fused: Path,
    write: Writer,
    rows: Sequence[Sequence[int]],
    folder: Path,
    progress: Callable[[int], None] | None = None,
) -> list[Sensitivity]:
    """Return the sensitivity of each matmul, those most worth leaving in fp32 first.

    A matmul's noise is the noise it adds as the only one in int8, against the same graph with none in int8. The
    alternative, the noise it takes away from all in int8, is a small difference of large numbers: on a student of
    3 layers one was below zero, and its order needs more matmuls in fp32 for the same noise
    (docs/results/quantization.md).

    Args:
        fused: the fused fp32 graph.
        write: writes its int8 graph.
        rows: token ids of a few hundred texts.
        folder: holds graphs while they are measured.
        progress: called with the number of rows finished since its last call.
    """
    matmuls = find_matmuls(GraphBuilder.load(fused))
    names = [matmul.name for matmul in matmuls]
    graph = folder / "sensitivity.onnx"

    def logits(keep_fp32: Collection[str]) -> Any:
        write(graph, keep_fp32)
        return GraphRunner(graph).run_rows(rows, progress)  # (N, C)

    plain = logits(names)
    measured = []
    for matmul in matmuls:
        alone = logits([name for name in names if name != matmul.name])
        noise = float(np.sqrt(np.mean(np.square(alone - plain))))
        measured.append(
            Sensitivity(matmul.name, noise if math.isfinite(noise) else math.inf, matmul.multiply_adds)
        )
    graph.unlink()
    return sorted(measured, key=lambda sensitivity: sensitivity.gain, reverse=True)


def fewest(count: int, passes: Callable[[int], bool]) -> int | None:
    """Return the least number from 1 to `count` that passes, by bisection; None if `count` itself does not.

    Every number above one that passes is assumed to pass too. Calls `passes` at most ``2 + log2(count)`` times.
    """
    if count < 1 or not passes(count):
        return None
    failed, passed = 0, count
    while passed - failed > 1:
        middle = (failed + passed) // 2
        if passes(middle):
            passed = middle
        else:
            failed = middle
    return passed
