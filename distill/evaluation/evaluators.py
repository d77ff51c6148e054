"""Evaluators by the name of the kind of task."""

from collections.abc import Mapping
from typing import Any

from distill.evaluation.evaluator import Evaluator
from distill.evaluation.kinds.multi_label import MultiLabelEvaluator
from distill.evaluation.kinds.ordinal import OrdinalEvaluator
from distill.evaluation.kinds.single_label import SingleLabelEvaluator
from distill.export.runtime.deciding.task import Task

EVALUATORS: Mapping[str, type[Evaluator]] = {
    "multi_label": MultiLabelEvaluator,
    "single_label": SingleLabelEvaluator,
    "ordinal": OrdinalEvaluator,
}


def evaluator_of(task: Task) -> Evaluator:
    """Return the evaluator of a task."""
    build: type[Any] = EVALUATORS[task.kind]  # each is of its own kind of task
    evaluator: Evaluator = build(task)
    return evaluator
