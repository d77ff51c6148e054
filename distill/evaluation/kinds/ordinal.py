"""Evaluation of models that decide one of ordered levels per row."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, final

import numpy as np
from numpy.typing import NDArray

from distill.evaluation.bootstrap import weighted_sums
from distill.evaluation.decided import DecidedRows
from distill.evaluation.decision import Decision, Logits
from distill.evaluation.disagreement import drop_check, recall_check, share_check
from distill.evaluation.evaluator import EDGE, Gold, Groups
from distill.evaluation.metrics import Quality, accuracy, cohen_kappa, quality_of_labels, ratio
from distill.evaluation.reliability import brier_of_rows, ece_of_top
from distill.evaluation.trials import parts_of
from distill.export.gate import Bounds, Check
from distill.export.runtime.deciding.kinds.ordinal import Ordinal, at_or_above
from distill.export.runtime.deciding.scores import Bools, Floats
from distill.export.runtime.deciding.task import Policy

if TYPE_CHECKING:
    from distill.recipe.shipping import DecisionsRecipe


@final
@dataclass(frozen=True)
class OrdinalEvaluator:
    """Exactly one level per row, of labels in ascending order.

    Graded precision and recall (Gaur et al. 2019) count a row above its level as a false positive and one below as
    a false negative.
    """

    headline: ClassVar[str] = "quadratic_weighted_kappa"
    title: ClassVar[str] = "quadratic weighted kappa"
    further: ClassVar[tuple[str, ...]] = (
        "quadratic_weighted_kappa",
        "mean_absolute_error",
        "graded_precision",
        "graded_recall",
        "two_levels_too_low",
    )

    task: Ordinal

    def head_gold(self, gold: Floats) -> Floats:
        """Return whether each row is above each cut: ``(N, C) -> (N, C - 1)``."""
        return np.asarray(at_or_above(gold)[:, 1:], dtype=np.float32)

    def head_logits(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the log-odds of a level above each cut, with the levels' shares as a softmax of their scores."""
        shares = np.exp(scores - np.logaddexp.reduce(scores, axis=1, keepdims=True))
        above = np.clip(np.cumsum(shares[:, ::-1], axis=1)[:, ::-1][:, 1:], EDGE, 1 - EDGE)
        return np.asarray(np.log(above) - np.log1p(-above))

    def fit(self, logits: Logits, gold: Gold, policy: "DecisionsRecipe", groups: Groups = None) -> Decision:
        """Return a temperature, the cutoffs, lowered as far as floors need, the rule to abstain, and sets."""
        from distill.evaluation.calibration import bernoulli_loss
        from distill.evaluation.fitting import Columns, fit_calibration, with_abstention, with_floors, with_sets

        task, parts = self.task, parts_of(gold, groups, policy.certifying_share)
        above, tunes = self.head_gold(gold), parts.tunes
        calibration = fit_calibration(logits[tunes], above[tunes], task, policy, bernoulli_loss)
        probabilities = at_or_above(calibration.scores(logits, task))[:, 1:]
        columns = Columns(probabilities, above, task.labels[1:])
        decision = with_floors(calibration, np.array(self._median), columns, policy, parts)
        decision = with_abstention(decision, logits, gold, task, policy, parts)
        return with_sets(decision, logits, gold, task, policy, parts, per_label=policy.sets_per_label)

    def fit_temperature(self, logits: Logits, gold: Gold) -> float:
        """Return the temperature with the least log loss over cuts."""
        from distill.evaluation.calibration import bernoulli_loss, fit_temperature

        return fit_temperature(logits, np.asarray(self.head_gold(gold), dtype=np.float32), bernoulli_loss)

    def quick_score(self, logits: Logits, gold: Gold) -> float:
        """Return the kappa of median levels."""
        scores = self.task.scores(self.task.finish(logits))
        return self.score(self.task.decide(scores, Policy(self._median)), gold)

    def evaluate(self, rows: DecidedRows, policy: Policy) -> Quality:
        """Return every metric of decided rows."""
        scores, decisions, gold = rows.scores, rows.decisions, rows.gold
        distance = _distance(decisions, gold)
        exact, over, under = (float((value).mean()) for value in (distance == 0, distance > 0, distance < 0))
        return quality_of_labels(
            scores,
            decisions,
            gold,
            self.task.labels,
            accuracy=accuracy(decisions, gold),
            kappa=cohen_kappa(decisions, gold),
            brier=brier_of_rows(scores, gold),
            ece=ece_of_top(scores, gold),
            further={
                "quadratic_weighted_kappa": self.score(decisions, gold),
                "mean_absolute_error": float(np.abs(distance).mean()),
                "graded_precision": float(ratio(exact, exact + over)),
                "graded_recall": float(ratio(exact, exact + under)),
                "two_levels_too_low": float((distance <= -2).mean()),
            },
        )

    def score(self, decisions: Bools, gold: Floats) -> float:
        """Return the quadratic weighted kappa; 0 where gold and decisions are all one level."""
        return float(self.resampled(decisions, gold, np.ones((1, len(gold)), dtype=np.float32))[0])

    def resampled(self, decisions: Bools, gold: Floats, weights: Floats) -> Floats:
        """Return the kappa under each row of weights: ``(S, N) -> (S,)``."""
        levels = gold.shape[1]
        pairs = gold.argmax(axis=1) * levels + decisions.argmax(axis=1)
        counts = weighted_sums(weights, np.eye(levels**2, dtype=np.float64)[pairs])  # (S, C * C)
        counts = counts.reshape(-1, levels, levels)
        penalty = (np.arange(levels)[:, None] - np.arange(levels)) ** 2.0
        true, decided, total = counts.sum(axis=2), counts.sum(axis=1), counts.sum(axis=(1, 2))
        by_chance = true[:, :, None] * decided[:, None] / total[:, None, None]
        observed, expected = (counts * penalty).sum(axis=(1, 2)), (by_chance * penalty).sum(axis=(1, 2))
        return np.asarray(np.where(expected > 0, 1 - ratio(observed, expected), 0.0))

    def compare(self, variant: Bools, reference: Bools, gold: Gold, bounds: Bounds) -> tuple[Check, ...]:
        """Return checks of flips, of flips by two or more levels, and of drops in kappa and recall."""
        moved = np.abs(variant.argmax(axis=1) - reference.argmax(axis=1))
        drop, sure = f"{self.title} drop", bounds.confidence
        return (
            share_check("rows with another level", moved > 0, bounds.max_row_flip_rate, sure),
            share_check("rows two or more levels away", moved > 1, bounds.max_label_flip_rate, sure),
            drop_check(drop, self, variant, reference, gold, bounds.max_macro_f1_drop, sure),
            recall_check(variant, reference, gold, self.task.labels, bounds),
        )

    def floor_metrics(self, decisions: Bools, gold: Floats) -> Mapping[str, Floats]:
        """Return, of the rows at each level or above it, the share that is decided so, ``(C,)``."""
        true, decided = at_or_above(gold), at_or_above(decisions.astype(np.float64))
        return {"share at or above": ratio((true * decided).sum(axis=0), true.sum(axis=0))}

    def floor_scores(self, scores: Floats) -> Floats:
        """Return the probability of each level or a higher one, ``(N, C)``."""
        return at_or_above(scores)

    def floor_rows(self, gold: Floats) -> Bools:
        """Return the rows at each level or above it, ``(N, C)``."""
        return np.asarray(at_or_above(gold) > 0)

    def copied_errors(self, student: Bools, teacher: Bools, gold: Floats) -> float | None:
        """Return the share of rows that the teacher decides wrongly on which both have the same wrong level."""
        wrong = (teacher != (gold > 0)).any(axis=1)
        return float((student == teacher).all(axis=1)[wrong].mean()) if wrong.any() else None

    def average_probabilities(self, members: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
        """Return logits of the mean probability of being above each cut."""
        from scipy.special import expit, logit

        return np.asarray(logit(np.mean([expit(logits) for logits in members], axis=0).clip(EDGE, 1 - EDGE)))

    @property
    def _median(self) -> tuple[float, ...]:
        return (0.5,) * self.task.num_thresholds


def _distance(decisions: Bools, gold: Floats) -> NDArray[np.int64]:
    """Return by how many levels each row is decided too high, ``(N,)``."""
    return np.asarray(decisions.argmax(axis=1) - gold.argmax(axis=1), dtype=np.int64)
