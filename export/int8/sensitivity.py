"""Which products cost an int8 graph its decisions: measured one by one, and left in fp32 until a gate holds."""

import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from distill.export.graph.rewrite import Rewriter, find_products
from distill.export.graph.session import GraphRunner

# writes the int8 graph that leaves the named products in fp32
Writer = Callable[[Path, Collection[str]], None]


@dataclass(frozen=True)
class Sensitivity:
    """What one product in int8 does to the logits, and what it costs in fp32.

    `noise` is the root mean square of the change of a logit, `multiply_adds` are those of a token.
    """

    product: str
    noise: float
    multiply_adds: int

    @property
    def gain(self) -> float:
        """What leaving it in fp32 brings for its cost.

        The noises of products add up more like squares than like themselves; and time grows with multiply-adds,
        which, unlike time, are the same in every run.
        """
        return self.noise**2 / self.multiply_adds

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON; a noise that is not finite is None."""
        return {**asdict(self), "noise": self.noise if math.isfinite(self.noise) else None}


def measure_sensitivity(
    fused: Path,
    write: Writer,
    rows: Sequence[Sequence[int]],
    folder: Path,
    progress: Callable[[int], None] | None = None,
) -> list[Sensitivity]:
    """The sensitivity of each product, the one that is most worth leaving in fp32 first.

    A product's noise is what it alone adds in int8, against the same graph with none in int8. The other way round,
    what it takes away from the noise of all in int8, is a small difference of large numbers: on a student of 3
    layers one came out below zero, and the order that they give needs more in fp32 for the same noise
    (docs/results/quantization.md).

    Args:
        fused: the fused fp32 graph.
        write: makes the int8 form of it.
        rows: token ids of some hundred texts.
        folder: for graphs that are removed again.
        progress: is told how many rows were finished since it was last called.
    """
    products = find_products(Rewriter(fused))
    names = [product.name for product in products]
    graph = folder / "sensitivity.onnx"

    def logits(keep: Collection[str]) -> Any:
        write(graph, keep)
        return GraphRunner(graph).each(rows, progress)  # (N, C)

    plain = logits(names)
    found = []
    for product in products:
        alone = logits([name for name in names if name != product.name])
        noise = float(np.sqrt(np.mean(np.square(alone - plain))))
        found.append(Sensitivity(product.name, noise if math.isfinite(noise) else math.inf, product.multiply_adds))
    graph.unlink()
    return sorted(found, key=lambda one: one.gain, reverse=True)


def fewest(count: int, passes: Callable[[int], bool]) -> int | None:
    """The least number from 1 to `count` that passes, by bisection; None where `count` itself does not.

    What is above a number that passes is taken to pass too. Asks at most ``2 + log2(count)`` times.
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
