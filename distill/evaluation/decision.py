"""The way from one model's raw logits to decisions: calibration, thresholds, and when to abstain."""

from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from distill.export.runtime.deciding.scores import Bools, Floats
from distill.export.runtime.deciding.sets import Sets
from distill.export.runtime.deciding.task import Policy, Task
from distill.export.runtime.manifest.optional import Objects
from distill.export.runtime.manifest.promises import FittedFloor, RightWhenAnswered

Logits = NDArray[np.float32]


@dataclass(frozen=True)
class Decision:
    """Scale and bias of raw logits, then the numbers of `export.runtime.task.Policy`; fitted on validation.

    `floors` are the recipe's as they were fitted, `answers` says what the rule to abstain promises, and `sets`
    which labels are possible.
    """

    scale: tuple[float, ...]
    bias: tuple[float, ...]
    thresholds: tuple[float, ...] | None
    abstain_below: float | None = None
    floors: tuple[FittedFloor, ...] = ()
    answers: RightWhenAnswered | None = None
    sets: Sets | None = None

    @property
    def policy(self) -> Policy:
        """Return the numbers that turn scores into decisions."""
        return Policy(self.thresholds, self.abstain_below)

    def objects_beside(self, others: Objects) -> Objects:
        """Return a manifest's optional objects with those that this decision supplies."""
        return replace(others, floors=self.floors or None, answers=self.answers, sets=self.sets)

    def calibrated(self, logits: Logits) -> Logits:
        """Return calibrated logits: ``(N, K) -> (N, K)``."""
        scale, bias = np.array(self.scale, dtype=np.float32), np.array(self.bias, dtype=np.float32)
        return np.asarray(logits * scale + bias, dtype=np.float32)

    def finished(self, logits: Logits, task: Task) -> Floats:
        """Return what the exported graph gives for raw logits: ``(N, K) -> (N, C)``."""
        return task.finish(self.calibrated(logits))

    def scores(self, logits: Logits, task: Task) -> Floats:
        """Return calibrated scores of raw logits: ``(N, K) -> (N, C)``."""
        return task.scores(self.finished(logits, task))

    def decide(self, logits: Logits, task: Task) -> Bools:
        """Return decisions on raw logits: ``(N, K) -> (N, C)``."""
        return task.decide(self.scores(logits, task), self.policy)

    def to_dict(self) -> dict[str, object]:
        """Return plain data for JSON; what no recipe asked for is left out."""
        thresholds = None if self.thresholds is None else list(self.thresholds)
        asked = {"floors": self.floors, "answers": self.answers, "sets": self.sets}
        return {
            "scale": list(self.scale),
            "bias": list(self.bias),
            "thresholds": thresholds,
            "abstain_below": self.abstain_below,
            **{key: value for key, value in asdict(self).items() if asked.get(key)},
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> "Decision":
        """Return the decision that `to_dict` wrote."""
        thresholds = None if data["thresholds"] is None else tuple(data["thresholds"])
        answers, sets = data.get("answers"), data.get("sets")
        return cls(
            tuple(data["scale"]),
            tuple(data["bias"]),
            thresholds,
            data["abstain_below"],
            floors=tuple(FittedFloor(**floor) for floor in data.get("floors", ())),
            answers=None if answers is None else RightWhenAnswered(**answers),
            sets=None if sets is None else Sets(**(sets | {"thresholds": tuple(sets["thresholds"])})),
        )
