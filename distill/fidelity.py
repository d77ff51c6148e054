"""How near a quantized variant is to the student in fp32, on rows that no gate compared."""

from typing import Any

from corpora.task import TaskKind
from distill.calibrate import Decision, Logits


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
