"""Out-of-domain texts by their energy: how little the logits of a text hold altogether.

Liu et al. 2020, "Energy-based out-of-distribution detection" (arXiv:2010.03759); per label and summed for several
labels per text (Wang et al. 2021, arXiv:2103.12953). `logits` are calibrated, ``(N, C)``.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from distill.export.runtime.deciding.scores import Doubles, Floats
from distill.export.runtime.deciding.task import OUT_OF_DOMAIN, UNREADABLE, Noticed, Task
from distill.export.runtime.manifest.records import names_of
from distill.export.runtime.untrusted.fields import Fields

ENERGY: Final = "energy"


def _of_several(logits: Floats) -> Doubles:
    return np.asarray(np.logaddexp(0.0, logits.astype(np.float64)).sum(axis=1))


def _of_one(logits: Floats) -> Doubles:
    return np.asarray(np.logaddexp.reduce(logits.astype(np.float64), axis=1))


# by the task's word for the function from logits to scores
_ENERGIES: Mapping[str, Callable[[Floats], Doubles]] = {"sigmoid": _of_several, "softmax": _of_one}


def has_energy(task: Task) -> bool:
    """Return whether a task's graph gives logits, whose energy differs between texts, and not probabilities."""
    return task.manifest_output is None and task.activation in _ENERGIES


def energy_of(logits: Floats, task: Task) -> Doubles:
    """Return the negative energy of each text, ``(N,)``: the lower, the less it is like texts of training."""
    return _ENERGIES[task.activation](logits)


@dataclass(frozen=True)
class OutOfDomain:
    """Rule to hand a text over if its negative energy is below `below`, as a share of validation has it."""

    kind: str
    below: float
    validation_share: float

    @classmethod
    def from_dict(cls, data: object, where: str, task: Task) -> "OutOfDomain":
        """Check and build."""
        fields = Fields(data, where, names_of(cls))
        if not has_energy(task):
            raise fields.error("kind", f"missing where task is {task.kind}, whose graph gives no logits")
        return cls(
            fields.choice("kind", (ENERGY,)), fields.number("below", -1e9, 1e9), fields.share("validation_share")
        )

    def notice(self, logits: Floats, noticed: Sequence[Noticed], task: Task) -> list[Noticed]:
        """Return what was noticed of each text, with the reason where the rule has it; unreadable texts stay."""
        low = (energy_of(logits, task) < self.below).tolist()
        return [
            one._replace(reasons=(*one.reasons, OUT_OF_DOMAIN))
            if is_low and UNREADABLE not in one.reasons
            else one
            for one, is_low in zip(noticed, low, strict=True)
        ]
