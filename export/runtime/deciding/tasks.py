"""The kinds of task by name."""

from collections.abc import Mapping

from distill.export.runtime.deciding.kinds.multi_label import MultiLabel
from distill.export.runtime.deciding.kinds.ordinal import Ordinal
from distill.export.runtime.deciding.kinds.single_label import SingleLabel
from distill.export.runtime.deciding.task import Task

TASKS: Mapping[str, type[SingleLabel] | type[MultiLabel] | type[Ordinal]] = {
    "multi_label": MultiLabel,
    "single_label": SingleLabel,
    "ordinal": Ordinal,
}


def task_of(kind: str, labels: tuple[str, ...]) -> Task:
    """Return the task of a kind that is known to be in `TASKS`."""
    return TASKS[kind](labels)
