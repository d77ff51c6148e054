"""Measure an exported graph on validation and put it through the gate."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from distill.artifacts.logits import read_logits_file
from distill.corpora.corpus import Corpus, label_matrix
from distill.corpora.storage.token_rows import TokenRows
from distill.evaluation.decision import Decision, Logits
from distill.evaluation.disagreement import drop_check
from distill.evaluation.evaluator import Evaluator
from distill.evaluation.evaluators import evaluator_of
from distill.evaluation.floors import check_kept
from distill.export.gate import Bounds, Check, check_contract, check_shapes, same_in_batches
from distill.export.graph.session import GraphRunner
from distill.export.precision import Variant
from distill.export.runtime.deciding.scores import Bools
from distill.export.runtime.errors import CheckFailedError
from distill.recipe.shipping import DecisionsRecipe
from distill.runs.progress import Reporter

# validation texts whose token ids, one after the other, are run at many lengths and batch sizes
STREAM_TEXTS = 300

# in place of an infinite logit, for the report
STAND_IN_LOGIT = 1e4

# ids, mask and, where there are some, token types ``(B, T)`` -> raw logits ``(B, C)``
TorchLogits = Callable[..., Logits]


@dataclass(frozen=True)
class Candidate:
    """One attempt at a variant: its raw graph, the matmuls that compute in fp32, and the gate's findings."""

    graph: Path
    kept_fp32: tuple[str, ...]
    decision: Decision
    logits: Logits
    checks: tuple[Check, ...]
    batch_invariant: bool

    @property
    def passed(self) -> bool:
        """Return whether it may ship."""
        return all(check.passed for check in self.checks)


@dataclass(frozen=True)
class Gate:
    """The gate of one variant: the student in PyTorch, and the bounds within which a graph must stay.

    Attributes:
        variant: the variant.
        student: folder of the student that it is made of.
        load_model: returns that student in PyTorch, in evaluation mode; called once, and only if it is needed.
        corpus: its validation rows are the measure.
        validation: token ids of the validation rows.
        policy: rule of calibration and thresholds, which are fitted again for each graph and applied to both
            sides.
        bounds: the bounds on each check.
        fallback: returns the fp32 variant's decision, for a graph whose own cannot be fitted.
        plain: returns the plain student's decisions on validation, where the variant's student was trained as
            int8; that training must not have made it worse.
        max_tokens: length of the longest row.
        seed: seed of the order in which rows are batched.
        reporter: shows a bar.
    """

    variant: Variant
    student: Path
    load_model: Callable[[], TorchLogits]
    corpus: Corpus
    validation: TokenRows
    policy: DecisionsRecipe
    bounds: Bounds
    fallback: Callable[[], Decision]
    plain: Callable[[], Bools] | None
    max_tokens: int
    seed: int
    reporter: Reporter

    @cached_property
    def _torch_logits(self) -> TorchLogits:
        return self.load_model()

    @cached_property
    def _reference(self) -> Logits:
        return read_logits_file(self.student)["validation"]

    @cached_property
    def _gold(self) -> NDArray[np.float32]:
        return label_matrix(self.corpus.validation, self.corpus.task)

    @cached_property
    def _evaluator(self) -> Evaluator:
        return evaluator_of(self.corpus.task)

    def measure(self, graph: Path, kept_fp32: tuple[str, ...]) -> Candidate:
        """Run a graph on validation, fit its decision, and compare it with the student in PyTorch.

        Args:
            graph: with raw logits.
            kept_fp32: its matmuls that compute in fp32.

        Raises:
            CheckFailedError: the graph is not of the contract, or is fp32 and has logits that are not finite.
        """
        runner = GraphRunner(graph)
        check_contract(runner.session, runner.inputs, self.corpus.task.num_outputs)
        left = f", {len(kept_fp32)} products in fp32" if kept_fp32 else ""
        with self.reporter.bar(f"gate {self.variant.name}{left}", len(self.validation)) as advance:
            logits = runner.run_rows(self.validation, advance)
        broken = check_finite(self.variant, "validation", logits)
        if broken:  # no decision can be fitted; with products in fp32, or another variant, it may be
            return Candidate(graph, kept_fp32, self.fallback(), finite(logits), broken, batch_invariant=False)
        decision = self._evaluator.fit(logits, self._gold, self.policy, self.corpus.validation.groups)
        texts = self.validation[:STREAM_TEXTS]
        types = [types for row in range(len(texts)) for types in texts.types_of(row) or ()]
        shapes = check_shapes(
            runner,
            self._torch_logits,
            np.array([token for row in texts for token in row], dtype=np.int64),  # (S,)
            types=np.array(types, dtype=np.int64) if types else None,
            max_tokens=self.max_tokens,
            int8=self.variant.precision.is_int8,
            bounds=self.bounds,
        )
        task = self.corpus.task
        decided, reference = (decision.decide(values, task) for values in (logits, self._reference))
        invariant = shapes.batch_invariant and same_in_batches(runner, self.validation, logits, seed=self.seed)
        checks = (*shapes.checks, *self._check_decisions(decision, decided, reference))
        return Candidate(graph, kept_fp32, decision, logits, checks, invariant)

    def _check_decisions(self, decision: Decision, decided: Bools, reference: Bools) -> tuple[Check, ...]:
        """Return checks of the variant's decisions against PyTorch's, against floors and the plain student."""
        evaluator, gold = self._evaluator, self._gold
        compared = evaluator.compare(decided, reference, gold, self.bounds)
        floors = check_kept(self.policy, evaluator, decision, decided, gold)
        if self.plain is None:
            return (*compared, *floors)
        name, bounds = f"{evaluator.title} drop against the plain student", self.bounds
        drop = drop_check(
            name, evaluator, decided, self.plain(), gold, bounds.max_macro_f1_drop, bounds.confidence
        )
        return (*compared, *floors, drop)


def check_finite(variant: Variant, split: str, logits: Logits) -> tuple[Check, ...]:
    """Return a failed check where rows of a variant have logits that are not finite.

    Raises:
        CheckFailedError: they are fp32's, so no other variant will be better.
    """
    broken = int((~np.isfinite(logits)).any(axis=1).sum())
    if broken and not variant.precision.is_int8:
        raise CheckFailedError(
            f"gate: The student returns logits that are not finite for {broken} {split} rows. Train it with "
            "lower learning rates."
        )
    return (Check(f"{split} rows with logits that are not finite", broken, 0),) if broken else ()


def finite(logits: Logits) -> Logits:
    """Return finite logits, for the report of a variant that may not ship."""
    return np.nan_to_num(logits, posinf=STAND_IN_LOGIT, neginf=-STAND_IN_LOGIT)
