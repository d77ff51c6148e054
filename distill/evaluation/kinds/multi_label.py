"""Evaluation of models that decide any number of labels per row."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, final

import numpy as np
from numpy.typing import NDArray

from distill.evaluation.decided import DecidedRows
from distill.evaluation.decision import Decision, Logits
from distill.evaluation.disagreement import drop_check, flip_checks, recall_check
from distill.evaluation.evaluator import EDGE, Gold, Groups
from distill.evaluation.metrics import (
    Quality,
    jaccard,
    macro_f1,
    mean_label_kappa,
    precision_per_label,
    quality_of_labels,
    recall_per_label,
    weighted_macro_f1,
)
from distill.evaluation.reliability import brier_of_cells, ece_of_cells
from distill.evaluation.thresholds import common_threshold
from distill.evaluation.trials import parts_of
from distill.export.gate import Bounds, Check
from distill.export.runtime.deciding.kinds.multi_label import MultiLabel
from distill.export.runtime.deciding.scores import Bools, Floats
from distill.export.runtime.deciding.task import Policy

if TYPE_CHECKING:
    from distill.recipe.shipping import DecisionsRecipe


@final
@dataclass(frozen=True)
class MultiLabelEvaluator:
    """Any number of labels per row."""

    headline: ClassVar[str] = "macro_f1"
    title: ClassVar[str] = "macro-F1"
    further: ClassVar[tuple[str, ...]] = ()

    task: MultiLabel

    def head_gold(self, gold: Floats) -> Floats:
        """Return gold as it is."""
        return gold

    def head_logits(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return them as they are: the head has one output per label."""
        return scores

    def fit(self, logits: Logits, gold: Gold, policy: "DecisionsRecipe", groups: Groups = None) -> Decision:
        """Return calibration, one threshold per label, the rule to abstain, and sets per label."""
        from distill.evaluation.calibration import bernoulli_loss
        from distill.evaluation.fitting import (
            Columns,
            fit_calibration,
            fit_thresholds,
            with_abstention,
            with_floors,
            with_sets,
        )

        task, parts = self.task, parts_of(gold, groups, policy.certifying_share)
        tuning = gold[parts.tunes]
        calibration = fit_calibration(logits[parts.tunes], tuning, task, policy, bernoulli_loss)
        scores = calibration.scores(logits, task)
        tuned = fit_thresholds(scores[parts.tunes], tuning, policy)
        decision = with_floors(calibration, tuned, Columns(scores, gold, task.labels), policy, parts)
        decision = with_abstention(decision, logits, gold, task, policy, parts)
        return with_sets(decision, logits, gold, task, policy, parts, per_label=True)

    def fit_temperature(self, logits: Logits, gold: Gold) -> float:
        """Return the temperature with the least log loss over cells."""
        from distill.evaluation.calibration import bernoulli_loss, fit_temperature

        return fit_temperature(logits, gold, bernoulli_loss)

    def quick_score(self, logits: Logits, gold: Gold) -> float:
        """Return macro-F1 at the one threshold that is best on these rows."""
        scores = self.task.scores(logits)
        thresholds = (common_threshold(scores, gold),) * self.task.num_labels
        return self.score(self.task.decide(scores, Policy(thresholds)), gold)

    def evaluate(self, rows: DecidedRows, policy: Policy) -> Quality:
        """Return every metric of decided rows."""
        scores, decisions, gold = rows.scores, rows.decisions, rows.gold
        return quality_of_labels(
            scores,
            decisions,
            gold,
            self.task.labels,
            thresholds=policy.thresholds,
            jaccard=jaccard(decisions, gold),
            kappa=mean_label_kappa(decisions, gold),
            macro_f1_at_half=macro_f1(scores >= 0.5, gold),
            brier=brier_of_cells(scores, gold),
            ece=ece_of_cells(scores, gold),
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
            *flip_checks(variant, reference, bounds),
            drop_check(drop, self, variant, reference, gold, bounds.max_macro_f1_drop, bounds.confidence),
            recall_check(variant, reference, gold, self.task.labels, bounds),
        )

    def floor_metrics(self, decisions: Bools, gold: Floats) -> Mapping[str, Floats]:
        """Return recall and precision per label."""
        return {"recall": recall_per_label(decisions, gold), "precision": precision_per_label(decisions, gold)}

    def floor_scores(self, scores: Floats) -> Floats:
        """Return scores as they are."""
        return scores

    def floor_rows(self, gold: Floats) -> Bools:
        """Return the rows of each label, ``(N, C)``."""
        return np.asarray(gold > 0)

    def copied_errors(self, student: Bools, teacher: Bools, gold: Floats) -> float | None:
        """Return the share of (row, label) cells that the teacher decides wrongly on which both agree."""
        wrong = teacher != (gold > 0)
        return float((student == teacher)[wrong].mean()) if wrong.any() else None

    def average_probabilities(self, members: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
        """Return logits of each label's mean probability."""
        from scipy.special import expit, logit

        return np.asarray(logit(np.mean([expit(logits) for logits in members], axis=0).clip(EDGE, 1 - EDGE)))
