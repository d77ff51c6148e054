"""The cost of quantization: each variant compared with the student in fp32."""

from distill.artifacts.model_report import Fidelity, QuantizationCost, SplitCost
from distill.evaluation.comparison import fidelity
from distill.evaluation.evaluators import evaluator_of
from distill.export.runtime.task import Task
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
    decision = variant.decision()

    def cost(split: str) -> SplitCost:
        logits = variant.logits(split)
        quality = source.quality().splits[split]
        return SplitCost(
            macro_f1_in_fp32=quality["macro_f1"],
            headline_in_fp32=evaluator_of(task).headline_of(quality),
            against_student=Fidelity(**fidelity(logits, student.logits(split), decision, task)),
            against_own_fp32=Fidelity(**fidelity(logits, source.logits(split), decision, task)),
        )

    return QuantizationCost(source.name != student.name, validation=cost("validation"), test=cost("test"))
