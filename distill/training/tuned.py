"""Merge what a method of tuning trained into the body of a teacher, and compare the two on validation."""

from pathlib import Path

import numpy as np

from distill.artifacts.tuning import TuningRecord
from distill.corpora.corpus import label_matrix
from distill.evaluation.decision import Logits
from distill.evaluation.evaluators import evaluator_of
from distill.export.runtime.errors import DistillError
from distill.recipe.kinds import KINDS
from distill.recipe.peft import PeftRecipe
from distill.recipe.shipping import DecisionsRecipe
from distill.runs.progress import Reporter
from distill.teachers.encoder import parameter_count
from distill.teachers.inference import predict_logits
from distill.teachers.tokenizers import pad_id_of
from distill.teachers.tuning.stored import keep
from distill.teachers.tuning.weights import trained_weights
from distill.training.session import TrainingSession

# float32 moves logits by about 1e-5; more means that something else than rounding happened
MAX_DIFFERENCE = 1e-3


def merge(folder: Path, session: TrainingSession, recipe: PeftRecipe, base: str, reporter: Reporter) -> None:
    """Keep the few weights that a session trained, merge them in float32 if they can be, and write `tuning.json`.

    Args:
        folder: the teacher's.
        session: its model is prepared by the method, trained, and plain afterwards.
        recipe: the method.
        base: the sha256 of the base's weights.
        reporter: shows a bar.

    Raises:
        DistillError: the merged body has other logits.
    """
    tuning, model = recipe.tuning, session.model
    keep(folder, tuning, model.encoder, base)
    parameters = parameter_count(model)
    trained = sum(tensor.numel() for tensor in trained_weights(model).values())
    rows = len(session.tokens["validation"])
    difference = changed = None
    decisions = 0
    if tuning.is_mergeable:
        with reporter.bar("compare the merged teacher", 2 * rows) as advance:

            def logits() -> Logits:
                tokens, pad_id = session.tokens["validation"], pad_id_of(session.tokenizer)
                return predict_logits(model, tokens, pad_id=pad_id, progress=advance)

            before = logits()
            tuning.merge(model)
            after = logits()
        difference = float(np.abs(after - before).max(initial=0.0))
        if not difference <= MAX_DIFFERENCE:
            raise DistillError(
                f"The logits of the teacher changed by {difference:.2g} when its {tuning.method} weights were "
                f"merged, and only {MAX_DIFFERENCE:g} is rounding. Lower teacher.peft.learning_rate."
            )
        decisions, changed = _decisions(session, before, after)
    TuningRecord(
        method=tuning.method,
        size=next(iter(tuning.options.values()), None),
        learning_rate=recipe.rate,
        base=base,
        trained=trained,
        parameters=parameters,
        merged=tuning.is_mergeable,
        rows=rows,
        decisions=decisions,
        max_logit_difference=difference,
        decisions_changed=changed,
    ).write(folder)


def _decisions(session: TrainingSession, before: Logits, after: Logits) -> tuple[int, int]:
    """Return how many decisions, one per row and label, there are and how many differ; fitted before the merge."""
    corpus = session.corpus
    task, evaluator = corpus.task, evaluator_of(corpus.task)
    policy = DecisionsRecipe(calibration=KINDS[task.kind].calibrations[0])
    decision = evaluator.fit(before, label_matrix(corpus.validation, task), policy, corpus.validation.groups)
    was, now = decision.decide(before, task), decision.decide(after, task)
    return was.size, int((was != now).sum())
