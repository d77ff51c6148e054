"""What is predicted: the kind of task and its ordered label names."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from distill.export.runtime.errors import InputError
from distill.export.runtime.untrusted.fields import is_printable


class TaskKind(StrEnum):
    """How many labels a row may have."""

    SINGLE_LABEL = "single_label"
    MULTI_LABEL = "multi_label"


@dataclass(frozen=True)
class Task:
    """A kind and the label names in logit order; both decide activation, losses and metrics."""

    kind: TaskKind
    labels: tuple[str, ...]

    def __post_init__(self) -> None:
        """Refuse label lists that no classifier could be trained on."""
        if len(self.labels) < 2:
            raise InputError(
                f"a task needs at least 2 labels, but has {len(self.labels)}: "
                "check the labels column and label_names"
            )
        # a bundle refuses them, which would come to light hours later
        odd = [name for name in self.labels if not name.strip() or not is_printable(name)]
        if odd:
            why = "has control characters" if odd[0].strip() else "is blank"
            raise InputError(f"label {odd[0]!a}: {why}; correct the label")
        repeated = sorted({name for name in self.labels if self.labels.count(name) > 1})
        if repeated:
            raise InputError(
                f"label names must differ, but these repeat: {', '.join(repeated)}; remove the repeats"
            )

    @property
    def num_labels(self) -> int:
        """The number of logits, C."""
        return len(self.labels)

    @property
    def multi_label(self) -> bool:
        """Whether a row may have any number of labels."""
        return self.kind is TaskKind.MULTI_LABEL

    @property
    def activation(self) -> str:
        """The name of the function from logits to scores."""
        return "sigmoid" if self.multi_label else "softmax"

    @property
    def problem_type(self) -> str:
        """The name that transformers has for this kind of task."""
        return "multi_label_classification" if self.multi_label else "single_label_classification"

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {"kind": self.kind.value, "labels": list(self.labels)}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Task:
        """The task that `to_dict` wrote."""
        return cls(TaskKind(data["kind"]), tuple(str(name) for name in data["labels"]))
