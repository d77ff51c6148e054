"""Measure an exported graph on validation and put it through the gate."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from distill.artifacts.logits import read_logits_file
from distill.artifacts.quality import read_quality
from distill.corpora.corpus import Corpus, label_matrix
from distill.corpora.storage.token_rows import TokenRows
from distill.evaluation.decision import Decision, Logits
from distill.evaluation.evaluator import Evaluator, evaluator_of
from distill.evaluation.floors import check_kept
from distill.export.gate import Bounds, Check, check_contract, check_shapes, same_in_batches
from distill.export.graph.from_torch import torch_logits
from distill.export.graph.session import GraphRunner
from distill.export.runtime.errors import CheckFailedError
from distill.export.runtime.tasks import Bools
from distill.runs.context import Job
from distill.variants.variant import source_of

STREAM_TEXTS = 300

# in the report, for one that is infinite
STAND_IN_LOGIT = 1e4


@dataclass(frozen=True)
class Candidate:
    """One attempt at a variant: its raw graph, what computes in fp32, and what the gate found."""

    graph: Path
    kept_fp32: tuple[str, ...]
    decision: Decision
    logits: Logits
    checks: tuple[Check, ...]
    batch_invariant: bool

    @property
    def passed(self) -> bool:
        """Whether it may ship."""
        return all(check.passed for check in self.checks)


def _measure(
    job: Job, name: str, keep: tuple[str, ...], graph: Path, corpus: Corpus, rows: TokenRows
) -> Candidate:
    """Run a graph on validation and through the gate, its own calibration and thresholds applied to both sides."""
    task, recipe = corpus.task, job.recipe.export
    evaluator = evaluator_of(task)
    bounds = Bounds(**recipe.bounds)
    runner = GraphRunner(graph)
    check_contract(runner.session, runner.inputs, task.num_labels)
    left = f", {len(keep)} products in fp32" if keep else ""
    with job.reporter.bar(f"gate {name}{left}", len(rows)) as advance:
        logits = runner.run_rows(rows, advance)
    broken = _check_finite(name, "validation", logits)
    if broken:  # no decision can be fitted; with products in fp32, or another variant, may do
        decision = Decision.from_dict(read_quality(job.variant("fp32"))["decision"])
        return Candidate(graph, keep, decision, _reportable(logits), broken, batch_invariant=False)
    gold = label_matrix(corpus.validation, task)
    decision = evaluator.fit(logits, gold, job.recipe.decisions)
    source = source_of(job, name)
    reference = read_logits_file(source)["validation"]
    decided = [decision.decide(values, task) for values in (logits, reference)]
    student = job.recipe.student.family.load(source, task).eval()
    stream = np.array([piece for row in rows[:STREAM_TEXTS] for piece in row], dtype=np.int64)  # (S,)
    shapes = check_shapes(
        runner,
        lambda ids, mask: torch_logits(student, ids, mask),
        stream,
        max_tokens=job.recipe.corpus.max_tokens,
        int8=name != "fp32",
        bounds=bounds,
    )
    floors = check_kept(job.recipe.decisions, evaluator, decided[0], gold)
    checks = [*shapes.checks, *evaluator.compare(decided[0], decided[1], gold, bounds), *floors]
    if source != job.student:
        checks.append(_check_against_plain(job, evaluator, decided[0], gold, bounds))
    invariant = shapes.batch_invariant and same_in_batches(runner, rows, logits, seed=job.seed)
    return Candidate(graph, keep, decision, logits, tuple(checks), invariant)


def _check_against_plain(
    job: Job, evaluator: Evaluator, decided: Bools, gold: NDArray[np.float32], bounds: Bounds
) -> Check:
    """A student that was trained as int8 may not have become worse by it: the student before is the measure."""
    plain = read_quality(job.quality("student"))["validation"]
    drop = evaluator.headline_of(plain) - evaluator.score(decided, gold)
    return Check(f"{evaluator.title} drop against the plain student", drop, bounds.max_macro_f1_drop)


def _check_finite(name: str, split: str, logits: Logits) -> tuple[Check, ...]:
    """A failed check where rows of a variant have logits that are not finite.

    Raises:
        CheckFailedError: they are fp32's, so no other variant will do.
    """
    broken = int((~np.isfinite(logits)).any(axis=1).sum())
    if broken and name == "fp32":
        raise CheckFailedError(
            f"gate: the student gives logits that are not finite for {broken} {split} rows; "
            "train it with lower learning rates"
        )
    return (Check(f"{split} rows with logits that are not finite", broken, 0),) if broken else ()


def _reportable(logits: Logits) -> Logits:
    """Finite logits, for the report of a variant that may not ship."""
    return np.nan_to_num(logits, posinf=STAND_IN_LOGIT, neginf=-STAND_IN_LOGIT)
