"""How near a quantized variant is to the student in fp32, on rows that no gate compared."""

from typing import Any

from corpora.task import TaskKind
from distill.calibrate import Decision, Logits
from distill.job import Job
from distill.quality import JUDGED, read_logits_file, read_quality
from distill.variants import form_of, source_of


def fidelity(variant: Logits, reference: Logits, decision: Decision, kind: TaskKind) -> dict[str, Any]:
    """Flips and noise of raw logits against a reference, both ``(N, C)``.

    Args:
        variant: what the quantized graph gives.
        reference: what the student gives in fp32.
        decision: the variant's, applied to both, as the gate does.
        kind: of the task.
    """
    flipped = decision.decide(variant, kind) != decision.decide(reference, kind)
    return {
        "label_flip_rate": float(flipped.mean()),
        "row_flip_rate": float(flipped.any(axis=1).mean()),
        "logit_noise": float((variant - reference).std()),
    }


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
