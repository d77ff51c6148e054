"""Export a variant: its graph, with as many products in int8 as the gate allows."""

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import onnx

from distill.artifacts.gate import GATE_FILE
from distill.artifacts.logits import LOGITS_FILE, write_logits_file
from distill.artifacts.quality import QUALITY_FILE
from distill.corpora.corpus import Corpus
from distill.corpora.storage.parquet import load_corpus
from distill.corpora.storage.token_rows import TokenRows
from distill.evaluation.quality import assess
from distill.export.gate import (
    failures,
)
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
from distill.export.int8.sensitivity import Sensitivity, Writer, fewest, measure_sensitivity
from distill.export.runtime.tasks import Task
from distill.files.json_files import write_json
from distill.runs.context import Job
from distill.teachers.encoding import encode
from distill.teachers.tokenizers import load_tokenizer
from distill.variants.gate import Candidate, _check_finite, _measure, _reportable
from distill.variants.variant import MODEL_FILE, form_of, source_of

FUSED_FILE = "fused.onnx"

INTEGER_OPERATORS = ("MatMulIntegerToFloat", "MatMul", "MultiHeadAttention")

# validation texts on which the sensitivity of products is measured
SENSITIVITY_TEXTS = 300

# forms that compute products in int8, each of which can be left out of it
SEARCHED = ("int8-dynamic", "int8-static")


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
            found = attempt([one.matmul for one in order[:count]])
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
    products = len(find_matmuls(GraphBuilder.load(fused)))
    if products < 2:  # there is nothing to choose
        return []
    with job.reporter.bar(f"sensitivity of {name}", len(some) * (products + 1)) as advance:
        return measure_sensitivity(fused, write, some, folder, advance)


def _fused_graph(job: Job, name: str, folder: Path, task: Task) -> Path:
    """The fused fp32 graph of the student that a variant is made of; a plain variant's is that of `fp32`."""
    fused = (job.variant("fp32") if name == form_of(name) != "fp32" else folder) / FUSED_FILE
    if not fused.is_file():
        family = job.recipe.student.family
        family.export(family.load(source_of(job, name), task), fused, job.recipe.corpus.max_tokens)
    return fused


def _writer(job: Job, name: str, fused: Path, train: TokenRows) -> Writer:
    """What writes the raw graph of a variant, some products left in fp32; scales are fitted once for all."""
    form = form_of(name)
    scales: InputScales = {}
    if form == "int8-static" and name == form:
        feeds = calibration_feeds(job.seed, GraphRunner(fused), train)
        scales = fit_input_scales(fused, feeds, job.recipe.export.calibrator)
    elif form == "int8-static":
        scales = load_input_scales(job.qat(form) / SCALES_FILE)

    def write(graph: Path, keep: Collection[str]) -> None:
        write_precision(form, fused, graph, keep_fp32=keep, scales=scales, table_bits=job.recipe.export.table_bits)
        proto = onnx.load(graph)
        strip_metadata(proto)
        save_model(proto, graph)

    return write


def _write_variant(
    job: Job, folder: Path, name: str, candidate: Candidate, corpus: Corpus, rows: TokenRows
) -> Candidate:
    """Write the calibrated graph, its logits on validation and test, and its quality.

    Gives the candidate with what the test rows add to its checks: that their logits are finite, and no more.
    """
    proto = onnx.load(candidate.graph)
    add_calibration(proto, candidate.decision.scale, candidate.decision.bias)
    save_model(proto, folder / MODEL_FILE)
    with job.reporter.bar("judge the variant", len(rows)) as advance:
        test = GraphRunner(candidate.graph).run_rows(rows, advance)
    candidate.graph.unlink()
    logits = {"validation": candidate.logits, "test": _reportable(test)}
    write_logits_file(logits, folder / LOGITS_FILE)
    write_json(assess(logits, corpus, candidate.decision, job.recipe.decisions), folder / QUALITY_FILE)
    return replace(candidate, checks=(*candidate.checks, *_check_finite(name, "test", test)))
