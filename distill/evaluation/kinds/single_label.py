"""Evaluation of models that decide exactly one label per row."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, final

import numpy as np
from numpy.typing import NDArray

from distill.evaluation.decided import DecidedRows
from distill.evaluation.decision import Decision, Logits
from distill.evaluation.disagreement import drop_check, flip_checks, recall_check
from distill.evaluation.evaluator import Gold, Groups
from distill.evaluation.metrics import (
    Quality,
    accuracy,
    cohen_kappa,
    macro_f1,
    quality_of_labels,
    weighted_macro_f1,
)
from distill.evaluation.reliability import brier_of_rows, ece_of_top
from distill.evaluation.trials import parts_of
from distill.export.gate import Bounds, Check
from distill.export.runtime.deciding.kinds.single_label import SingleLabel
from distill.export.runtime.deciding.scores import Bools, Floats
from distill.export.runtime.deciding.task import Policy

if TYPE_CHECKING:
    from distill.recipe.shipping import DecisionsRecipe


@final
@dataclass(frozen=True)
class SingleLabelEvaluator:
    """Exactly one label per row."""

    headline: ClassVar[str] = "macro_f1"
    title: ClassVar[str] = "macro-F1"
    further: ClassVar[tuple[str, ...]] = ()

    task: SingleLabel

    def head_gold(self, gold: Floats) -> Floats:
        """Return gold as it is."""
        return gold

    def head_logits(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return them as they are: the head has one output per label."""
        return scores

    def fit(self, logits: Logits, gold: Gold, policy: "DecisionsRecipe", groups: Groups = None) -> Decision:
        """Return calibration, the rule to abstain, and sets: the highest score needs no threshold."""
        from distill.evaluation.calibration import categorical_loss
        from distill.evaluation.fitting import fit_calibration, with_abstention, with_sets

        task, parts = self.task, parts_of(gold, groups, policy.certifying_share)
        tunes = parts.tunes
        calibration = fit_calibration(logits[tunes], gold[tunes], task, policy, categorical_loss)
        decision = with_abstention(calibration, logits, gold, task, policy, parts)
        return with_sets(decision, logits, gold, task, policy, parts, per_label=policy.sets_per_label)

    def fit_temperature(self, logits: Logits, gold: Gold) -> float:
        """Return the temperature with the least log loss."""
        from distill.evaluation.calibration import categorical_loss, fit_temperature

        return fit_temperature(logits, gold, categorical_loss)

    def quick_score(self, logits: Logits, gold: Gold) -> float:
        """Return macro-F1 of the highest logits."""
        return self.score(self.task.decide(self.task.scores(logits), Policy()), gold)

    def evaluate(self, rows: DecidedRows, policy: Policy) -> Quality:
        """Return every metric of decided rows."""
        scores, decisions, gold = rows.scores, rows.decisions, rows.gold
        return quality_of_labels(
            scores,
            decisions,
            gold,
            self.task.labels,
            accuracy=accuracy(decisions, gold),
            kappa=cohen_kappa(decisions, gold),
            brier=brier_of_rows(scores, gold),
            ece=ece_of_top(scores, gold),
        )

    def score(self, decisions: Bools, gold: Floats) -> float:
        """Return macro-F1."""
        return macro_f1(decisions, gold)

    def resampled(self, decisions: Bools, gold: Floats, weights: Floats) -> Floats:
        """Return macro-F1 under each row of weights: ``(S, N) -> (S,)``."""
        return weighted_macro_f1(decisions, gold, weights)

    def compare(self, variant: Bools, reference: Bools, gold: Gold, bounds: Bounds) -> tuple[Check, ...]:
        """Return checks of flips and of drops in macro-F1 and recall."""
        drop = f"{self.title} drop"
        return (
            *flip_checks(variant, reference, bounds, least=2),
            drop_check(drop, self, variant, reference, gold, bounds.max_macro_f1_drop, bounds.confidence),
            recall_check(variant, reference, gold, self.task.labels, bounds),
        )

    def floor_metrics(self, decisions: Bools, gold: Floats) -> Mapping[str, Floats]:
        """Return nothing: no threshold can be moved for a floor."""
        return {}

    def floor_scores(self, scores: Floats) -> Floats:
        """Return scores as they are."""
        return scores

    def floor_rows(self, gold: Floats) -> Bools:
        """Return the rows of each label, ``(N, C)``."""
        return np.asarray(gold > 0)

    def copied_errors(self, student: Bools, teacher: Bools, gold: Floats) -> float | None:
        """Return the share of rows that the teacher decides wrongly on which both have the same wrong label."""
        wrong = (teacher != (gold > 0)).any(axis=1)
        return float((student == teacher).all(axis=1)[wrong].mean()) if wrong.any() else None

    def average_probabilities(self, members: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
        """Return logits of the mean softmax, up to a constant per row (Hinton et al., arXiv 1503.02531, 3)."""
        from scipy.special import log_softmax, logsumexp

        mean = logsumexp([log_softmax(logits, axis=1) for logits in members], axis=0) - np.log(len(members))
        return np.asarray(mean)
