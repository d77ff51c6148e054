"""The export stage of a variant: its graph, measured by the gate, with as many products in int8 as that allows."""

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from corpora.corpus import Corpus, label_matrix, load_corpus
from corpora.metrics import Bools, macro_f1
from corpora.task import Task
from corpora.tokens import TokenRows
from distill.calibrate import Decision, Logits, fit_decision
from distill.floors import check_kept
from distill.job import Job
from distill.json_files import write_json
from distill.models import export_graph, load_student
from distill.qat import SCALES_FILE, calibration_feeds, load_scales
from distill.quality import LOGITS_FILE, assess, read_logits_file, read_quality, write_logits_file
from distill.variants import GATE_FILE, MODEL_FILE, QUALITY_FILE, form_of, source_of
from export.forms import write_form
from export.gate import (
    Bounds,
    Check,
    check_contract,
    check_decisions,
    check_shapes,
    failures,
    same_in_batches,
)
from export.graph import FUSED_OPERATORS, add_calibration, count_operators, save, strip, torch_logits
from export.rewrite import Rewriter, find_products
from export.runtime.errors import CheckFailedError
from export.scales import Scales, fit_scales
from export.sensitivity import Sensitivity, Writer, fewest, measure_sensitivity
from export.session import GraphRunner
from teachers.classifier import load_tokenizer
from teachers.label import encode

FUSED_FILE = "fused.onnx"
INTEGER_OPERATORS = ("MatMulIntegerToFloat", "MatMul", "MultiHeadAttention")
STREAM_TEXTS = 300
# validation texts on which the sensitivity of products is measured
SENSITIVITY_TEXTS = 300
# forms that compute products in int8, each of which can be left out of it
SEARCHED = ("int8-dynamic", "int8-static")
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


@dataclass(frozen=True)
class Searched:
    """A variant, and how it was found: every attempt, and how sensitive products are where that was asked."""

    candidate: Candidate
    tried: list[dict[str, Any]]
    sensitivity: list[Sensitivity]


def export_variant(job: Job, folder: Path, name: str) -> None:
    """Make one variant and measure it; of an int8 one with the fewest products in fp32 that pass the gate.

    Where none does, with as many in fp32 as can be.
    """
    corpus = load_corpus(job.corpus)
    tokenizer = load_tokenizer(source_of(job, name))
    rows = {
        split: encode(tokenizer, dict(corpus.splits())[split].texts, job.recipe.corpus.max_tokens)
        for split in ("train", "validation", "test")
    }
    fused = _fused_graph(job, name, folder, corpus.task)
    searched = _search(job, folder, name, fused, corpus, rows)
    operators = count_operators(
        onnx.load(searched.candidate.graph), FUSED_OPERATORS if name == "fp32" else INTEGER_OPERATORS
    )
    candidate = _write_variant(job, folder, name, searched.candidate, corpus, rows["test"])
    gate = {
        "passed": candidate.passed,
        "failures": failures(candidate.checks),
        "checks": [check.to_dict() for check in candidate.checks],
        "kept_fp32": list(candidate.kept_fp32),
        "batch_invariant": candidate.batch_invariant,
        "operators": operators,
        "sensitivity": [one.to_dict() for one in searched.sensitivity],
        "tried": searched.tried,
    }
    write_json(gate, folder / GATE_FILE)
    if name != "fp32":
        (folder / FUSED_FILE).unlink(missing_ok=True)


def _search(
    job: Job, folder: Path, name: str, fused: Path, corpus: Corpus, rows: dict[str, TokenRows]
) -> Searched:
    """Everything in int8; where the gate refuses that, the most sensitive products for their cost in fp32.

    How many of them is found by bisection. At least one stays in int8, for without any it would be `int8-weights`.
    """
    write = _writer(job, name, fused, rows["train"])
    tried: list[dict[str, Any]] = []

    def attempt(keep: Sequence[str]) -> Candidate:
        graph = folder / f"raw-{len(tried)}.onnx"
        write(graph, keep)
        found = _measure(job, name, tuple(keep), graph, corpus, rows["validation"])
        tried.append({"kept_fp32": list(keep), "checks": [check.to_dict() for check in found.checks]})
        return found

    best, order = attempt(()), []
    if not best.passed and form_of(name) in SEARCHED:
        order = _sensitivity(job, folder, name, fused, write, rows["validation"])

        def passes(count: int) -> bool:
            nonlocal best
            found = attempt([one.product for one in order[:count]])
            best, other = (found, best) if _better(found, best) else (best, found)
            other.graph.unlink()
            return found.passed

        fewest(len(order) - 1, passes)
    return Searched(best, tried, order)


def _better(one: Candidate, other: Candidate) -> bool:
    """Whether it passed alone, or both did and it is the faster one, or neither did and it is nearer to that."""
    if one.passed != other.passed:
        return one.passed
    left = len(one.kept_fp32) - len(other.kept_fp32)
    return left < 0 if one.passed else left > 0


def _sensitivity(
    job: Job, folder: Path, name: str, fused: Path, write: Writer, validation: TokenRows
) -> list[Sensitivity]:
    """The products of a variant on texts from all over the validation split."""
    some = validation[:: math.ceil(len(validation) / SENSITIVITY_TEXTS)]
    products = len(find_products(Rewriter(fused)))
    if products < 2:  # there is nothing to choose
        return []
    with job.reporter.bar(f"sensitivity of {name}", len(some) * (products + 1)) as advance:
        return measure_sensitivity(fused, write, some, folder, advance)


def _fused_graph(job: Job, name: str, folder: Path, task: Task) -> Path:
    """The fused fp32 graph of the student that a variant is made of; a plain variant's is that of `fp32`."""
    fused = (job.variant("fp32") if name == form_of(name) != "fp32" else folder) / FUSED_FILE
    if not fused.is_file():
        export_graph(load_student(source_of(job, name), task), fused, job.recipe.corpus.max_tokens)
    return fused


def _writer(job: Job, name: str, fused: Path, train: TokenRows) -> Writer:
    """What writes the raw graph of a variant, some products left in fp32; scales are fitted once for all."""
    form = form_of(name)
    scales: Scales = {}
    if form == "int8-static" and name == form:
        feeds = calibration_feeds(job.seed, GraphRunner(fused), train)
        scales = fit_scales(fused, feeds, job.recipe.export.calibrator)
    elif form == "int8-static":
        scales = load_scales(job.qat(form) / SCALES_FILE)

    def write(graph: Path, keep: Collection[str]) -> None:
        write_form(form, fused, graph, keep=keep, scales=scales, table_bits=job.recipe.export.table_bits)
        proto = onnx.load(graph)
        strip(proto)
        save(proto, graph)

    return write


def _measure(
    job: Job, name: str, keep: tuple[str, ...], graph: Path, corpus: Corpus, rows: TokenRows
) -> Candidate:
    """Run a graph on validation and through the gate, its own calibration and thresholds applied to both sides."""
    task, recipe = corpus.task, job.recipe.export
    bounds = Bounds(**recipe.bounds)
    runner = GraphRunner(graph)
    check_contract(runner.session, runner.inputs, task.num_labels)
    left = f", {len(keep)} products in fp32" if keep else ""
    with job.reporter.bar(f"gate {name}{left}", len(rows)) as advance:
        logits = runner.each(rows, advance)
    broken = _check_finite(name, "validation", logits)
    if broken:  # no decision can be fitted; with products in fp32, or another variant, may do
        decision = Decision.from_dict(read_quality(job.variant("fp32"))["decision"])
        return Candidate(graph, keep, decision, _reportable(logits), broken, batch_invariant=False)
    gold = label_matrix(corpus.validation, task)
    decision = fit_decision(logits, gold, task, job.recipe.decisions)
    source = source_of(job, name)
    reference = read_logits_file(source)["validation"]
    decided = [decision.decide(values, task.kind) for values in (logits, reference)]
    student = load_student(source, task).eval()
    stream = np.array([piece for row in rows[:STREAM_TEXTS] for piece in row], dtype=np.int64)  # (S,)
    shapes = check_shapes(
        runner,
        lambda ids, mask: torch_logits(student, ids, mask),
        stream,
        max_tokens=job.recipe.corpus.max_tokens,
        int8=name != "fp32",
        bounds=bounds,
    )
    floors = check_kept(job.recipe.decisions, task, decided[0], gold)
    checks = [*shapes.checks, *check_decisions(decided[0], decided[1], gold, macro_f1, bounds), *floors]
    if source != job.student:
        checks.append(_check_against_plain(job, decided[0], gold, bounds))
    invariant = shapes.batch_invariant and same_in_batches(runner, rows, logits, seed=job.seed)
    return Candidate(graph, keep, decision, logits, tuple(checks), invariant)


def _check_against_plain(job: Job, decided: Bools, gold: NDArray[np.float32], bounds: Bounds) -> Check:
    """A student that was trained as int8 may not have become worse by it: the student before is the measure."""
    plain = read_quality(job.quality("student"))["validation"]["macro_f1"]
    return Check(
        "macro-F1 drop against the plain student", plain - macro_f1(decided, gold), bounds.max_macro_f1_drop
    )


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


def _write_variant(
    job: Job, folder: Path, name: str, candidate: Candidate, corpus: Corpus, rows: TokenRows
) -> Candidate:
    """Write the calibrated graph, its logits on validation and test, and its quality.

    Gives the candidate with what the test rows add to its checks: that their logits are finite, and no more.
    """
    proto = onnx.load(candidate.graph)
    add_calibration(proto, candidate.decision.scale, candidate.decision.bias)
    save(proto, folder / MODEL_FILE)
    with job.reporter.bar("judge the variant", len(rows)) as advance:
        test = GraphRunner(candidate.graph).each(rows, advance)
    candidate.graph.unlink()
    logits = {"validation": candidate.logits, "test": _reportable(test)}
    write_logits_file(logits, folder / LOGITS_FILE)
    write_json(assess(logits, corpus, candidate.decision, job.recipe.decisions), folder / QUALITY_FILE)
    return replace(candidate, checks=(*candidate.checks, *_check_finite(name, "test", test)))
