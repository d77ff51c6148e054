"""Export a variant: its graph, with as many matmuls in int8 as the gate allows."""

import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import onnx

from distill.artifacts.logits import LOGITS_FILE, write_logits_file
from distill.artifacts.quality import record_of
from distill.artifacts.records import from_dict
from distill.artifacts.variant import MODEL_FILE, Attempt, BatchProof, GateCheck, GateReport, MatmulNoise
from distill.corpora.storage.token_rows import TokenRows
from distill.evaluation.decided import DecidedRows
from distill.evaluation.quality import assess
from distill.export.gate import BATCHED_ROWS, Check, failures
from distill.export.graph.builder import GraphBuilder
from distill.export.graph.from_torch import FUSED_OPERATORS
from distill.export.graph.matmuls import find_matmuls
from distill.export.graph.model import add_calibration, count_operators, save_model, strip_metadata
from distill.export.graph.session import GraphRunner
from distill.export.int8.input_scales import (
    SCALES_FILE,
    InputScales,
    calibration_feeds,
    fit_input_scales,
    load_input_scales,
)
from distill.export.int8.precisions import write_precision
from distill.export.int8.ranges import RangeMethod
from distill.export.int8.sensitivity import Sensitivity, Writer, fewest, measure_sensitivity
from distill.export.measure.cpu import cpu_name
from distill.variants.gate import Candidate, Gate, check_finite, finite

FUSED_FILE = "fused.onnx"
INTEGER_OPERATORS = ("MatMulIntegerToFloat", "MatMul", "MultiHeadAttention")

# validation texts on which the sensitivity of matmuls is measured
SENSITIVITY_TEXTS = 300


@dataclass(frozen=True)
class ExportInputs:
    """Everything that the export of one variant depends on.

    Attributes:
        gate: of the variant, with student, corpus, policy and bounds.
        write_fused: writes the fused fp32 graph of the student.
        fused: that graph where another variant's export has already made it.
        rows: returns the token ids of a split.
        calibrator: method of choosing the range of fixed activation scales.
        table_bits: bits per number of an int8 variant's embedding tables.
        out_of_fold: returns all rows as the same variants of the folds' students decide them, where the corpus is
            in folds; else None.
    """

    gate: Gate
    write_fused: Callable[[Path], object]
    fused: Path | None
    rows: Callable[[str], TokenRows]
    calibrator: RangeMethod
    table_bits: int
    out_of_fold: Callable[[], DecidedRows | None]


@dataclass(frozen=True)
class SearchResult:
    """A variant, every attempt at it, and how sensitive its matmuls are where that was measured."""

    candidate: Candidate
    attempts: tuple[Attempt, ...]
    sensitivity: tuple[Sensitivity, ...]


def export_variant(folder: Path, inputs: ExportInputs) -> None:
    """Make one variant and measure it; an int8 one with the fewest matmuls in fp32 that pass the gate.

    Where none passes, as many as possible are in fp32.

    Args:
        folder: gets the graph, `gate.json`, `quality.json` and logits.
        inputs: of the export.

    Raises:
        CheckFailedError: the student cannot be exported, or its fp32 graph has logits that are not finite.
    """
    variant = inputs.gate.variant
    fused = inputs.fused
    if fused is None or not fused.is_file():
        fused = folder / FUSED_FILE
        if not fused.is_file():
            inputs.write_fused(fused)
    result = _search(folder, fused, inputs)
    is_int8 = variant.precision.is_int8
    counted = INTEGER_OPERATORS if is_int8 else FUSED_OPERATORS
    operators = count_operators(onnx.load(result.candidate.graph), counted)
    candidate = _write(folder, result.candidate, inputs)
    compared = min(len(inputs.gate.validation), BATCHED_ROWS)
    GateReport(
        passed=candidate.passed,
        failures=failures(candidate.checks),
        checks=_stored(candidate.checks),
        kept_fp32=candidate.kept_fp32,
        batch_invariant=candidate.batch_invariant,
        operators=operators,
        sensitivity=tuple(from_dict(MatmulNoise, matmul.to_dict()) for matmul in result.sensitivity),
        tried=result.attempts,
        batches=BatchProof(compared, cpu_name()) if candidate.batch_invariant else None,
    ).write(folder)
    if is_int8:
        (folder / FUSED_FILE).unlink(missing_ok=True)


def _search(folder: Path, fused: Path, inputs: ExportInputs) -> SearchResult:
    """Put everything in int8; where the gate refuses that, the most sensitive matmuls for their cost in fp32.

    Bisection finds how many. In `int8-weights` it is their weights. At least one
    stays in int8, because without any it would be another precision.
    """
    gate = inputs.gate
    write = _writer(fused, inputs)
    attempts: list[Attempt] = []

    def attempt(keep: Sequence[str]) -> Candidate:
        graph = folder / f"raw-{len(attempts)}.onnx"
        write(graph, keep)
        candidate = gate.measure(graph, tuple(keep))
        attempts.append(Attempt(tuple(keep), _stored(candidate.checks)))
        return candidate

    best = attempt(())
    order: list[Sensitivity] = []
    if not best.passed and gate.variant.precision.is_int8:
        order = _sensitivity(folder, fused, write, gate)

        def passes(count: int) -> bool:
            nonlocal best
            candidate = attempt([matmul.matmul for matmul in order[:count]])
            best, worse = (candidate, best) if _is_better(candidate, best) else (best, candidate)
            worse.graph.unlink()
            return candidate.passed

        fewest(len(order) - 1, passes)
    return SearchResult(best, tuple(attempts), tuple(order))


def _is_better(candidate: Candidate, other: Candidate) -> bool:
    """Return whether it passed alone, or both did and it is faster, or neither did and it is nearer to passing."""
    if candidate.passed != other.passed:
        return candidate.passed
    difference = len(candidate.kept_fp32) - len(other.kept_fp32)
    return difference < 0 if candidate.passed else difference > 0


def _sensitivity(folder: Path, fused: Path, write: Writer, gate: Gate) -> list[Sensitivity]:
    """Return the matmuls of a variant by their sensitivity, on texts from all over the validation split."""
    rows = gate.validation[:: math.ceil(len(gate.validation) / SENSITIVITY_TEXTS)]
    matmuls = len(find_matmuls(GraphBuilder.load(fused)))
    if matmuls < 2:  # there is nothing to choose
        return []
    with gate.reporter.bar(f"sensitivity of {gate.variant.name}", len(rows) * (matmuls + 1)) as advance:
        return measure_sensitivity(fused, write, rows, folder, advance)


def _writer(fused: Path, inputs: ExportInputs) -> Writer:
    """Return a writer of the variant's raw graph with some matmuls in fp32; scales are fitted once for all."""
    variant = inputs.gate.variant
    scales: InputScales = {}
    if variant.precision.has_fixed_scales and variant.qat:
        scales = load_input_scales(inputs.gate.student / SCALES_FILE)
    elif variant.precision.has_fixed_scales:
        feeds = calibration_feeds(inputs.gate.seed, GraphRunner(fused), inputs.rows("train"))
        scales = fit_input_scales(fused, feeds, inputs.calibrator)

    def write(graph: Path, keep: Collection[str]) -> None:
        write_precision(
            variant.precision, fused, graph, keep_fp32=keep, scales=scales, table_bits=inputs.table_bits
        )
        proto = onnx.load(graph)
        strip_metadata(proto)
        save_model(proto, graph)

    return write


def _write(folder: Path, candidate: Candidate, inputs: ExportInputs) -> Candidate:
    """Write the calibrated graph, its logits on validation and test, and its quality.

    Returns the candidate with a check that the test rows' logits are finite, and nothing else of them. It is
    returned as it is where there is no test split.
    """
    gate, rows = inputs.gate, inputs.rows("test")
    proto = onnx.load(candidate.graph)
    decision, finish = candidate.decision, gate.corpus.task.finish_nodes()
    add_calibration(proto, decision.scale, decision.bias, finish)
    save_model(proto, folder / MODEL_FILE)
    logits, checks = {"validation": candidate.logits}, candidate.checks
    if len(rows):
        with gate.reporter.bar("evaluate the variant", len(rows)) as advance:
            test = GraphRunner(candidate.graph).run_rows(rows, advance)
        logits["test"] = finite(test)
        checks = (*checks, *check_finite(gate.variant, "test", test))
    candidate.graph.unlink()
    write_logits_file(logits, folder / LOGITS_FILE)
    record_of(assess(logits, gate.corpus, decision, gate.policy, inputs.out_of_fold())).write(folder)
    return replace(candidate, checks=checks)


def _stored(checks: Sequence[Check]) -> tuple[GateCheck, ...]:
    return tuple(from_dict(GateCheck, check.to_dict()) for check in checks)
