"""The prior of a language model's scores: what it would answer whatever the text says, and its removal.

Raw scores are log-probabilities of the labels ``(N, C)``, or log-odds per label where a row may have several. A
prior is an affine function of them per label, so it is a few numbers, and is fitted again without asking a model.
Content-free: Zhao et al., arXiv 2102.09690; mean of a batch: Zhou et al., arXiv 2309.17249.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from distill.artifacts.records import read_record, write_record
from distill.corpora.targets import CODECS
from distill.evaluation.decision import Logits
from distill.evaluation.evaluator import Gold
from distill.evaluation.evaluators import evaluator_of
from distill.export.runtime.deciding.task import Task

PRIOR_FILE = "prior.json"

# texts without content, whose mean scores are a prior
CONTENT_FREE_TEXTS = ("", "N/A", "[MASK]")

# pulls an affine fit towards no change, in units of rows
RIDGE = 1.0


@dataclass(frozen=True)
class Prior:
    """Logits are `scale` times scores plus `bias`, each ``(C,)``; `calibration` is the recipe's word for it."""

    calibration: str
    scale: tuple[float, ...]
    bias: tuple[float, ...]

    def values(self, scores: Logits) -> NDArray[np.float64]:
        """Return scores without the prior: ``(N, C) -> (N, C)``."""
        return np.asarray(scores.astype(np.float64) * np.array(self.scale) + np.array(self.bias))

    def logits(self, scores: Logits, task: Task) -> Logits:
        """Return logits of the head's outputs, float32: ``(N, C) -> (N, K)``."""
        return evaluator_of(task).head_logits(self.values(scores)).astype(np.float32)

    def write(self, folder: Path) -> None:
        """Write it into the teacher's folder."""
        write_record(self, folder / PRIOR_FILE)


def read_prior(folder: Path) -> Prior:
    """Read the prior in a teacher's folder."""
    return read_record(Prior, folder / PRIOR_FILE)


def fit_prior(
    calibration: str, scores: Logits, task: Task, *, gold: Gold | None, content_free: Logits | None = None
) -> Prior:
    """Return the prior of raw scores.

    Args:
        calibration: none, content_free, batch or affine.
        scores: of validation, ``(N, C)``.
        task: the corpus's.
        gold: 0/1 of validation ``(N, C)``; read for affine alone, None where no row has a label.
        content_free: scores of texts without content, for content_free.
    """
    labels = task.num_labels
    ones = (1.0,) * labels
    if calibration == "none":
        return Prior(calibration, ones, (0.0,) * labels)
    if calibration == "affine" and gold is not None:
        scale, bias = _affine(
            scores.astype(np.float64), gold.astype(np.float64), several=CODECS[task.kind].several
        )
        return Prior(calibration, tuple(scale.tolist()), tuple(bias.tolist()))
    shown = scores if content_free is None else content_free
    return Prior(calibration, ones, tuple((-shown.astype(np.float64).mean(axis=0)).tolist()))


def _affine(
    scores: NDArray[np.float64], gold: NDArray[np.float64], *, several: bool
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return scale and bias ``(C,)`` of the least log loss, pulled towards 1 and 0 by a ridge."""
    from scipy.optimize import minimize

    labels = scores.shape[1]

    def loss(parameters: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        scale, bias = parameters[:labels], parameters[labels:]
        z = scores * scale + bias
        if several:
            value = np.logaddexp(0, z).sum() - (gold * z).sum()
            slope = 1 / (1 + np.exp(-np.clip(z, -50, 50))) - gold
        else:
            total = np.logaddexp.reduce(z, axis=1, keepdims=True)
            value = (total.sum() - (gold * z).sum()) if gold.size else 0.0
            slope = np.exp(z - total) - gold
        pull = parameters - np.concatenate([np.ones(labels), np.zeros(labels)])
        gradient = np.concatenate([(slope * scores).sum(axis=0), slope.sum(axis=0)]) + RIDGE * pull
        return float(value + 0.5 * RIDGE * (pull**2).sum()), gradient

    start = np.concatenate([np.ones(labels), np.zeros(labels)])
    found: Any = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": 500})
    return found.x[:labels], found.x[labels:]
