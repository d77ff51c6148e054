"""The cost of quantization: each variant compared with the student in fp32."""

from collections import defaultdict
from collections.abc import Sequence

from distill.artifacts.model_report import Fidelity, QuantizationCost, SplitCost
from distill.evaluation.comparison import fidelity
from distill.evaluation.evaluators import evaluator_of
from distill.export.runtime.deciding.task import Task
from distill.report.models import RunModel


def quantization_cost(variant: RunModel, student: RunModel, source: RunModel, task: Task) -> QuantizationCost:
    """Return what a variant's integer arithmetic costs.

    Args:
        variant: the exported variant; its decision is applied to both sides.
        student: the plain student in fp32.
        source: the model that the variant was made of, in fp32: the student before or after quantization-aware
            training.
        task: the kind and its labels.
    """

    def cost(
        split: str, variants: Sequence[RunModel], students: Sequence[RunModel], sources: Sequence[RunModel]
    ) -> SplitCost:
        quality = source.quality().splits[split]
        return SplitCost(
            macro_f1_in_fp32=quality.macro_f1,
            headline_in_fp32=quality.metric(evaluator_of(task).headline),
            against_student=_fidelity(split, variants, students, task),
            against_own_fp32=_fidelity(split, variants, sources, task),
        )

    return QuantizationCost(
        source.name != student.name,
        validation=cost("validation", (variant,), (student,), (source,)),
        test=cost("test", variant.testers, student.testers, source.testers),
    )


def _fidelity(split: str, variants: Sequence[RunModel], references: Sequence[RunModel], task: Task) -> Fidelity:
    """Return flips and noise of variants against their references; of several pairs, the mean over their rows."""
    values: dict[str, float] = defaultdict(float)
    rows = 0
    for variant, reference in zip(variants, references, strict=True):
        logits = variant.logits(split)
        rows += len(logits)
        for name, value in fidelity(logits, reference.logits(split), variant.decision(), task).items():
            values[name] += value * len(logits)
    return Fidelity(**{name: value / rows for name, value in values.items()})
