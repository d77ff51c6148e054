"""What quantization cost: each variant beside the student in fp32."""

from typing import Any

from distill.artifacts.logits import read_logits_file
from distill.artifacts.quality import read_quality
from distill.corpora.task import TaskKind
from distill.evaluation.comparison import fidelity
from distill.evaluation.decision import Decision
from distill.evaluation.quality import JUDGED
from distill.runs.context import Job
from distill.variants.variant import form_of, source_of


def quantization_cost(job: Job, kind: TaskKind, name: str) -> dict[str, Any]:
    """What a variant's integers cost, against the plain student and against its own weights in fp32."""
    source, aware = source_of(job, name), name != form_of(name)
    made_of = read_quality(job.quality(f"qat/{form_of(name)}" if aware else "student"))
    decision = Decision.from_dict(read_quality(job.variant(name))["decision"])
    logits = read_logits_file(job.variant(name))
    found: dict[str, Any] = {"aware": aware}
    for split in JUDGED:
        found[split] = {
            "macro_f1_in_fp32": made_of[split]["macro_f1"],
            "against_student": fidelity(logits[split], read_logits_file(job.student)[split], decision, kind),
            "against_own_fp32": fidelity(logits[split], read_logits_file(source)[split], decision, kind),
        }
    return found
