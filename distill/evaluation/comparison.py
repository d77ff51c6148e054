"""Two models on the same rows: what one gains over the other, and how far one follows the other. All pure.

`decisions` and `gold` are as in `corpora.metrics`: ``(N, C)``.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from distill.corpora.task import TaskKind
from distill.evaluation.bootstrap import SAMPLES, Bootstrap, interval, row_weights
from distill.evaluation.decision import Decision, Logits
from distill.evaluation.metrics import Bools, Floats, macro_f1, ratio


@dataclass(frozen=True)
class Agreement:
    """Share of rows, and of (row, label) cells, that two models decide alike."""

    rows: float
    cells: float


def agreement(ours: Bools, theirs: Bools) -> Agreement:
    """How often two models decide alike."""
    same = ours == theirs
    return Agreement(rows=float(same.all(axis=1).mean()), cells=float(same.mean()))


def copied_errors(ours: Bools, theirs: Bools, gold: Floats, kind: TaskKind) -> float | None:
    """Where they are wrong, the share in which we are wrong in the same way; None where they never are.

    Counted are (row, label) cells for multi-label, rows with the same wrong label for single-label.
    """
    true = gold > 0
    if kind is TaskKind.MULTI_LABEL:
        wrong, same = theirs != true, ours == theirs
    else:
        wrong, same = (theirs != true).any(axis=1), (ours == theirs).all(axis=1)
    return float(same[wrong].mean()) if wrong.any() else None


def paired_bootstrap(
    ours: Sequence[Bools], theirs: Sequence[Bools], gold: Floats, *, samples: int = SAMPLES, seed: int = 0
) -> Bootstrap:
    """Mean macro-F1 of ours minus that of theirs over resampled rows.

    Args:
        ours: decisions of one model, or of one for each seed.
        theirs: of the model, or models, to compare with, on the same rows.
        gold: 0/1.
        samples: how often the rows are drawn.
        seed: of the draws.
    """
    weights = row_weights(len(gold), samples=samples, seed=seed)  # (S, N)
    resampled = [
        np.mean([_weighted_macro_f1(one, gold, weights) for one in models], axis=0) for models in (ours, theirs)
    ]
    whole = [float(np.mean([macro_f1(one, gold) for one in models])) for models in (ours, theirs)]
    return interval(whole[0] - whole[1], resampled[0] - resampled[1])


def _weighted_macro_f1(decisions: Bools, gold: Floats, weights: Floats) -> Floats:
    """Macro-F1 under each row of weights, ``(S, N) -> (S,)``."""
    chosen, true = decisions.astype(np.float32), gold.astype(np.float32)
    hit, decided, positive = weights @ (chosen * true), weights @ chosen, weights @ true  # (S, C)
    return np.asarray(ratio(2 * hit, decided + positive).mean(axis=1))


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
