"""The interface of an evaluator of one kind of task: the headline metric, what is fitted, reported, and gated.

Only numpy is imported here and in kinds/, because a bundle is evaluated with the base install; functions that fit
import scipy when they are called.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from distill.evaluation.decided import DecidedRows
from distill.evaluation.decision import Decision, Logits
from distill.evaluation.metrics import Quality
from distill.export.gate import Bounds, Check
from distill.export.runtime.deciding.scores import Bools, Floats
from distill.export.runtime.deciding.task import Policy, Task

if TYPE_CHECKING:
    from distill.recipe.shipping import DecisionsRecipe

# probabilities nearer to 0 or 1 have no meaningful logit in float32
EDGE = 1e-7

Gold = NDArray[np.float32]

Groups = NDArray[np.int32] | None


class Evaluator(Protocol):
    """Evaluator of models of one kind of task; `gold` is 0/1 ``(N, C)``, `decisions` bool ``(N, C)``.

    `headline` names the metric that chooses the epoch, the student and the variant, and that retention and the
    gate's drop are about; greater is better, as ratios and drops require. `title` is how a reader knows it.
    `further` are the keys of the metrics that only this kind has.
    """

    headline: ClassVar[str]
    title: ClassVar[str]
    further: ClassVar[tuple[str, ...]]

    @property
    def task(self) -> Task:
        """Return the task."""
        ...

    def head_gold(self, gold: Floats) -> Floats:
        """Return the targets of the head's outputs, 0/1: ``(N, C) -> (N, K)``."""
        ...

    def head_logits(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return logits of the head's outputs from one score per label: ``(N, C) -> (N, K)``."""
        ...

    def fit(self, logits: Logits, gold: Gold, policy: "DecisionsRecipe", groups: Groups = None) -> Decision:
        """Return calibration, thresholds and the rule to abstain from validation's raw logits ``(N, C)``.

        `groups` are the numbers of the rows' groups. Floors that no threshold can keep are missed by as little as
        possible; `floors.measure_floors` says so.
        """
        ...

    def fit_temperature(self, logits: Logits, gold: Gold) -> float:
        """Return what raw logits ``(N, C)`` are divided by for the least log loss."""
        ...

    def quick_score(self, logits: Logits, gold: Gold) -> float:
        """Return the headline of raw logits ``(N, C)`` under the quickest decision, to compare epochs by."""
        ...

    def evaluate(self, rows: DecidedRows, policy: Policy) -> Quality:
        """Return everything that is reported of decided rows, as if nothing abstained; `policy` is only named."""
        ...

    def score(self, decisions: Bools, gold: Floats) -> float:
        """Return the headline."""
        ...

    def resampled(self, decisions: Bools, gold: Floats, weights: Floats) -> Floats:
        """Return the headline under each row of weights: ``(S, N) -> (S,)``."""
        ...

    def compare(self, variant: Bools, reference: Bools, gold: Gold, bounds: Bounds) -> tuple[Check, ...]:
        """Return the gate's checks of a variant's decisions against PyTorch's, on validation."""
        ...

    def floor_metrics(self, decisions: Bools, gold: Floats) -> Mapping[str, Floats]:
        """Return each metric that can have a floor, per label ``(C,)``, by its name in `FLOOR_KEYS`."""
        ...

    def floor_scores(self, scores: Floats) -> Floats:
        """Return the scores that a floor of each label compares with its threshold: ``(N, C) -> (N, C)``."""
        ...

    def floor_rows(self, gold: Floats) -> Bools:
        """Return the rows that a floor of each label applies to, ``(N, C)``."""
        ...

    def copied_errors(self, student: Bools, teacher: Bools, gold: Floats) -> float | None:
        """Return the share of the teacher's errors that the student repeats; None where there are none."""
        ...

    def average_probabilities(self, members: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
        """Return the logits ``(N, C)`` of the mean of several models' probabilities, from their logits."""
        ...
