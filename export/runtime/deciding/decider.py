"""From logits to predictions: what is noticed of each row, and the decision on its scores."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import final

import numpy as np

from distill.export.runtime.deciding.call_time import with_best
from distill.export.runtime.deciding.hand_over import Lookout
from distill.export.runtime.deciding.scores import Floats
from distill.export.runtime.deciding.task import Noticed, Policy, Prediction, Task
from distill.export.runtime.reading.inputs import Encoded, Row

# is told of scores (N, C), tokens, what was noticed, and what was decided, all of the same texts
Observer = Callable[[Floats, Sequence[Encoded], Sequence[Noticed], Sequence[Prediction]], None]


@final
@dataclass(frozen=True)
class Decider:
    """The part of a classifier that begins at logits.

    Attributes:
        task: the kind of labels.
        lookout: reasons to hand a row over that do not depend on its scores.
        policy: the bundle's own, by which an observer is told of decisions whatever a caller asks for.
        tells_context: whether predictions say how many turns before the decided one were read.
    """

    task: Task
    lookout: Lookout
    policy: Policy
    tells_context: bool

    def decide(
        self,
        rows: list[Row],
        encoded: list[Encoded],
        logits: Floats,
        policy: Policy,
        best: int | None,
        observer: Observer | None,
    ) -> list[Prediction]:
        """Return the prediction on each row.

        Args:
            rows: N of them.
            encoded: their tokens.
            logits: calibrated ``(N, C)``.
            policy: what decides on their scores.
            best: number of scores to keep of each; None for all.
            observer: is told of them, with all scores.
        """
        noticed = self.lookout.noticed(rows, encoded, logits, self.task)
        scores = self.task.scores(logits)
        found = self._predictions(scores, policy, noticed)
        if self.tells_context:
            found = [replace(one, context=row.turns) for one, row in zip(found, encoded, strict=True)]
        if observer is not None:
            told = found if policy is self.policy else self._predictions(scores, self.policy, noticed)
            observer(scores, encoded, noticed, told)
        return found if best is None else [with_best(prediction, best) for prediction in found]

    def _predictions(self, scores: Floats, policy: Policy, noticed: list[Noticed]) -> list[Prediction]:
        """Return what a policy decides on scores ``(N, C)``."""
        if len(noticed) == 1:
            return [self.task.prediction(scores[0].tolist(), policy, noticed[0])]
        return self.task.predictions(scores.astype(np.float64), policy, noticed)
