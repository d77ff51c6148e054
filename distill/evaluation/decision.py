"""The way from one model's raw logits to decisions: calibration, thresholds, and when to abstain."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from distill.export.runtime.scores import Bools, Floats
from distill.export.runtime.task import Policy, Task

Logits = NDArray[np.float32]


@dataclass(frozen=True)
class Decision:
    """Scale and bias of raw logits, then the numbers of `export.runtime.task.Policy`; fitted on validation."""

    scale: tuple[float, ...]
    bias: tuple[float, ...]
    thresholds: tuple[float, ...] | None
    abstain_below: float | None = None

    @property
    def policy(self) -> Policy:
        """Return the numbers that turn scores into decisions."""
        return Policy(self.thresholds, self.abstain_below)

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
        """Return plain data for JSON."""
        thresholds = None if self.thresholds is None else list(self.thresholds)
        return {
            "scale": list(self.scale),
            "bias": list(self.bias),
            "thresholds": thresholds,
            "abstain_below": self.abstain_below,
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> "Decision":
        """Return the decision that `to_dict` wrote."""
        thresholds = None if data["thresholds"] is None else tuple(data["thresholds"])
        return cls(tuple(data["scale"]), tuple(data["bias"]), thresholds, data["abstain_below"])
