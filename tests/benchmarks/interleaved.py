"""Ways to do one piece of work, timed in interleaved rounds, and the table of their times."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from distill.export.runtime.errors import CheckFailedError
from tests.benchmarks.flops import peak_of
from tests.benchmarks.markdown import head_lines, line

TOLERANCE = 1e-4
HEAD = ("", "products in", "rows/s", "times the first", "times the way above")


@dataclass(frozen=True)
class Way:
    """One way to do the work, and in what it multiplies; `prepare` makes what a round needs, untimed."""

    name: str
    dtype: str
    prepare: Callable[[], Callable[[], object]]


def check_equal(plain: NDArray[np.float32], ours: NDArray[np.float32], what: str) -> None:
    """Refuse to time two sides that do not compute the same.

    Raises:
        CheckFailedError: they differ in shape or by more than 1e-4 somewhere.
    """
    if plain.shape != ours.shape or not np.allclose(plain, ours, rtol=0, atol=TOLERANCE):
        raise CheckFailedError(
            f"{what}: transformers' and ours differ by more than {TOLERANCE}, so that their times would compare "
            "different work; check the run's folder and the installed versions"
        )


@dataclass(frozen=True)
class Rounds:
    """The number of interleaved rounds, and the clock that times them, in seconds."""

    number: int
    clock: Callable[[], float] = time.perf_counter

    def seconds(self, ways: Sequence[Way]) -> NDArray[np.float64]:
        """Seconds ``(ways, rounds)``; each round begins with the next way, so that a slow minute affects all."""
        found = np.zeros((len(ways), self.number))
        for round_ in range(self.number):
            for place in range(len(ways)):
                which = (round_ + place) % len(ways)
                work = ways[which].prepare()
                _wait()
                start = self.clock()
                work()
                _wait()
                found[which, round_] = self.clock() - start
        return found


def rates(
    ways: Sequence[Way], seconds: NDArray[np.float64], rows: int, flops: float | None
) -> list[dict[str, Any]]:
    """Return plain data, one row per way: medians over the rounds, and ratios of times within one round.

    `flops` of the whole work give the share of a card's peak, null where there is no card of known peak.
    """
    found = []
    for which, way in enumerate(ways):
        median = float(np.median(seconds[which]))
        peak = peak_of(torch.cuda.get_device_name(), way.dtype) if torch.cuda.is_available() else None
        found.append(
            {
                "name": way.name,
                "dtype": way.dtype,
                "rows_per_second": rows / median,
                "times_first": spread(seconds[0] / seconds[which]),
                "times_above": spread(seconds[which - 1] / seconds[which]) if which else None,
                "flops_per_second": None if flops is None else flops / median,
                "share_of_peak": None if flops is None or peak is None else flops / median / peak,
            }
        )
    return found


def spread(ratios: NDArray[np.float64]) -> dict[str, float]:
    """Median, least and most."""
    return {"median": float(np.median(ratios)), "min": float(ratios.min()), "max": float(ratios.max())}


def markdown_table(rows: Sequence[dict[str, Any]], *, card: bool) -> list[str]:
    """The lines of a table; with a card, what share of its peak each way reaches."""
    head = [*HEAD, "TFLOP/s", "of the card's peak"] if card else list(HEAD)
    lines = head_lines(head)
    for row in rows:
        cells = [row["name"], row["dtype"], f"{row['rows_per_second']:.0f}"]
        cells += [_ratio(row["times_first"]), _ratio(row["times_above"])]
        if card:
            done, share = row["flops_per_second"], row["share_of_peak"]
            cells.append("not counted" if done is None else f"{done / 1e12:.2f}")
            cells.append("no peak is known" if share is None else f"{share:.1%}")
        lines.append(line(cells))
    return lines


def _ratio(found: dict[str, float] | None) -> str:
    return "" if found is None else f"{found['median']:.2f} ({found['min']:.2f}..{found['max']:.2f})"


def _wait() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
