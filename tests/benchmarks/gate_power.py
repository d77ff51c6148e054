"""How often the gate passes a variant, by the number of validation rows and by how far it truly is from a bound.

    python -m tests.benchmarks.gate_power

Drawn decisions, no model; some minutes on one core. Each line is a check at a true value of some times its bound;
its cells say how often it passes "by comparison / by test": measured value against bound, as the gate did first,
and the statistical test that it is now. 3 labels: one per row. 28 labels: any number, 1.2 per row, most of them
rare.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from distill.evaluation.disagreement import drop_check, flip_checks
from distill.evaluation.evaluator import Evaluator
from distill.evaluation.evaluators import evaluator_of
from distill.export.gate import Bounds, Check
from distill.export.runtime.deciding.kinds.multi_label import MultiLabel
from distill.export.runtime.deciding.kinds.single_label import SingleLabel
from tests.benchmarks.markdown import head_lines, line

ROWS = (100, 300, 1000, 5000, 50_000)
TIMES = (0.5, 1.0, 2.0, 4.0)
DRAWS = 400
# of the drop, whose bootstrap takes seconds where many rows have many labels; its true value is found on more rows
DROP_DRAWS = {"3 labels": dict.fromkeys(ROWS, 100), "28 labels": {100: 100, 300: 100, 1000: 60, 5000: 20}}
TRUTH_ROWS = 200_000

Array = NDArray[Any]


@dataclass(frozen=True)
class Setting:
    """A task with the shares of its labels, and the flips of a row that has any."""

    name: str
    evaluator: Evaluator
    shares: Array

    @property
    def is_single(self) -> bool:
        """Return whether a row has exactly one label."""
        return self.evaluator.task.kind == "single_label"

    def draw(self, rows: int, rng: np.random.Generator) -> tuple[Array, Array]:
        """Return gold and the decisions of a student that is right about three labels in four, ``(N, C)``."""
        count = len(self.shares)
        if self.is_single:
            gold, other = (rng.choice(count, rows, p=self.shares) for _ in range(2))
            return np.eye(count)[gold] > 0, np.eye(count)[np.where(rng.random(rows) < 0.3, other, gold)] > 0
        gold = rng.random((rows, count)) < self.shares
        lost, false = rng.random((rows, count)) < 0.35, rng.random((rows, count)) < self.shares * 0.35
        return gold, (gold & ~lost) | (~gold & false)

    def flip(self, decided: Array, rows: Array, rng: np.random.Generator) -> Array:
        """Return decisions of which these rows differ: in another label, or in one label, or in two."""
        at, count = np.flatnonzero(rows), decided.shape[1]
        variant = decided.copy()
        if self.is_single:
            moved = (decided[at].argmax(axis=1) + rng.integers(1, count, len(at))) % count
            variant[at] = np.eye(count)[moved] > 0
            return variant
        variant[at, rng.integers(0, count, len(at))] ^= True
        two = at[rng.random(len(at)) < 0.2]
        variant[two, rng.integers(0, count, len(two))] ^= True
        return variant

    def lose(self, gold: Array, decided: Array, share: float, rng: np.random.Generator) -> Array:
        """Return decisions of which this share of the right ones is lost."""
        right = (gold & decided).any(axis=1) & (rng.random(len(gold)) < share)
        if self.is_single:
            return self.flip(decided, right, rng)
        return decided & ~(gold & right[:, None])


def settings() -> tuple[Setting, Setting]:
    """Return three labels of one each, and 28 with a long tail."""
    names = tuple(f"label {number}" for number in range(28))
    tail = 1 / np.arange(1, 29)
    return (
        Setting("3 labels", evaluator_of(SingleLabel(names[:3])), np.array([0.6, 0.3, 0.1])),
        Setting("28 labels", evaluator_of(MultiLabel(names)), tail / tail.sum() * 1.2),
    )


def passed(check: Check) -> tuple[bool, bool]:
    """Return whether a check passes by comparison, and by test."""
    return check.value <= check.bound, check.passed


def rates(measure: Callable[[], Check], draws: int) -> str:
    """Return how often it passes either way, in percent."""
    both = np.mean([passed(measure()) for _ in range(draws)], axis=0)
    return f"{both[0]:.0%} / {both[1]:.0%}"


def flip_line(setting: Setting, place: int, times: float, rng: np.random.Generator) -> list[str]:
    """Return one of the flip checks (0: cells, 1: rows) at a true rate of so many times its bound."""
    bounds, labels = Bounds(), len(setting.shares)
    per_row = 2 if setting.is_single else 1.2 - 0.2 / labels
    share = times * (bounds.max_row_flip_rate if place else bounds.max_label_flip_rate * labels / per_row)
    if not setting.is_single and place:
        share /= 1 - 0.2 / labels  # a second flip of the same cell undoes the first
    cells = []
    for rows in ROWS:
        decided = setting.draw(rows, rng)[1]

        def measure(decided: Array = decided, rows: int = rows) -> Check:
            variant = setting.flip(decided, rng.random(rows) < share, rng)
            return flip_checks(variant, decided, bounds, least=2 if setting.is_single else 1)[place]

        cells.append(rates(measure, DRAWS))
    return cells


def drop_line(setting: Setting, times: float, rng: np.random.Generator) -> list[str]:
    """Return the check of the headline's drop at a true drop of so many times its bound."""
    bounds, evaluator = Bounds(), setting.evaluator
    gold, decided = setting.draw(TRUTH_ROWS, rng)
    share, wanted = 0.02, times * bounds.max_macro_f1_drop
    for _ in range(2):  # nearly linear where few are lost
        lost = [evaluator.score(setting.lose(gold, decided, share, rng), gold) for _ in range(8)]
        share *= wanted / (evaluator.score(decided, gold) - float(np.mean(lost)))
    cells = []
    for rows in ROWS:
        draws = DROP_DRAWS[setting.name].get(rows, 0)

        def measure(rows: int = rows) -> Check:
            gold, decided = setting.draw(rows, rng)
            variant = setting.lose(gold, decided, share, rng)
            values = gold.astype(np.float32)
            return drop_check("", evaluator, variant, decided, values, bounds.max_macro_f1_drop, bounds.confidence)

        cells.append(rates(measure, draws) if draws else "–")
    return cells


def main() -> None:
    """Print the table."""
    rng = np.random.default_rng(0)
    for text in head_lines(["check", "true value, times the bound", *(f"{rows:,} rows" for rows in ROWS)]):
        print(text)
    for setting in settings():
        for times in TIMES:
            print(
                line([f"flips per (row, label), {setting.name}", f"{times:g}", *flip_line(setting, 0, times, rng)])
            )
        for times in TIMES:
            print(line([f"rows with a flip, {setting.name}", f"{times:g}", *flip_line(setting, 1, times, rng)]))
        for times in TIMES:
            print(
                line([f"macro-F1 drop, {setting.name}", f"{times:g}", *drop_line(setting, times, rng)]), flush=True
            )


if __name__ == "__main__":
    main()
