"""The export stages: each variant of the student through its gate, and the bundle of the one that is chosen."""

import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from corpora.corpus import Corpus, label_matrix, load_corpus
from corpora.metrics import Bools, macro_f1
from corpora.provenance import SOURCE_FILE
from corpora.tokens import TokenRows
from distill.calibrate import Decision, Logits, fit_decision
from distill.fingerprints import recipe_hash
from distill.floors import check_kept
from distill.job import Job
from distill.json_files import read_json, write_json
from distill.labelling import label_identity
from distill.members import members_of
from distill.model_card import model_card
from distill.models import export_graph, load_student, published_config
from distill.qat import SCALES_FILE, calibration_feeds, load_scales
from distill.quality import (
    LOGITS_FILE,
    assess,
    read_logits_file,
    read_quality,
    write_logits_file,
)
from distill.stages import EXPORT_PACKAGES, package_versions, recorded_versions
from distill.variants import GATE_FILE, MODEL_FILE, QUALITY_FILE, form_of, read_gate, source_of
from export.bundle import Shipment, write_bundle
from export.gate import Bounds, Check, check_contract, check_decisions, check_shapes, failures
from export.graph import FUSED_OPERATORS, add_calibration, count_operators, save, strip, torch_logits
from export.quantize import (
    LADDER,
    STATIC_LADDER,
    quantize_as_trained,
    quantize_dynamic,
    quantize_static,
    quantize_weights,
)
from export.runtime.classifier import Classifier
from export.runtime.errors import CheckFailedError
from export.session import GraphRunner
from teachers.classifier import load_tokenizer
from teachers.label import encode

FUSED_FILE = "fused.onnx"
INTEGER_OPERATORS = ("MatMulIntegerToFloat", "MatMul", "MultiHeadAttention")
STREAM_TEXTS = 300
# validation texts on which the finished bundle is compared with what the gate saw, and by how much it may differ
COMPARED_TEXTS = 500
BUNDLE_TOLERANCE = 1e-3
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


def export_variant(job: Job, folder: Path, name: str) -> None:
    """Make one variant and measure it; of an int8 one the fastest rung of the ladder that passes, or the last."""
    corpus = load_corpus(job.corpus)
    tokenizer = load_tokenizer(source_of(job, name))
    rows = {
        split: encode(tokenizer, dict(corpus.splits())[split].texts, job.recipe.corpus.max_tokens)
        for split in ("train", "validation", "test")
    }
    ladder = STATIC_LADDER if job.recipe.student.kind == "static" else LADDER
    rungs: tuple[tuple[Any, ...], ...] = ladder if form_of(name) in ("int8-dynamic", "int8-static") else ((),)
    tried = []
    for keep in rungs:
        graph = folder / "raw.onnx"
        operators = _make_graph(job, name, keep, graph, rows["train"])
        candidate = _measure(job, name, keep, graph, corpus, rows["validation"])
        tried.append({"kept_fp32": list(keep), "checks": [check.to_dict() for check in candidate.checks]})
        if candidate.passed:
            break
    candidate = _write_variant(job, folder, name, candidate, corpus, rows["test"])
    gate = {
        "passed": candidate.passed,
        "failures": failures(candidate.checks),
        "checks": [check.to_dict() for check in candidate.checks],
        "kept_fp32": list(candidate.kept_fp32),
        "batch_invariant": candidate.batch_invariant,
        "operators": operators,
        "tried": tried,
    }
    write_json(gate, folder / GATE_FILE)
    if name != "fp32":
        (folder / FUSED_FILE).unlink(missing_ok=True)


def make_bundle(job: Job, chosen: str) -> None:
    """Write the bundle of the chosen variant, once it answers as the variant did in front of the gate.

    Raises:
        CheckFailedError: it does not.
    """
    corpus, folder = load_corpus(job.corpus), job.variant(chosen)
    decision = Decision.from_dict(read_quality(folder)["decision"])
    gate = read_gate(folder)
    student = source_of(job, chosen)
    shipment = Shipment(
        name=job.recipe.name,
        task=corpus.task.kind.value,
        labels=corpus.task.labels,
        scale=decision.scale,
        bias=decision.bias,
        thresholds=decision.thresholds,
        abstain_below=decision.abstain_below,
        max_tokens=job.recipe.corpus.max_tokens,
        max_batch=None if gate["batch_invariant"] else 1,
        precision=form_of(chosen),
        inputs=tuple(GraphRunner(folder / MODEL_FILE).inputs),
        graph=folder / MODEL_FILE,
        tokenizer_folder=student,
        config=published_config(student),
        provenance=_provenance(job, corpus, student),
        metrics=_metrics(job, chosen),
        model_card=model_card(job, chosen),
    )
    write_bundle(job.bundle, shipment, lambda bundle: _check_bundle(job, chosen, corpus, bundle))


def _check_bundle(job: Job, chosen: str, corpus: Corpus, bundle: Classifier) -> None:
    """The gate saw ids of the student's own tokenizer and a graph without calibration; this is what ships."""
    texts = corpus.validation.texts
    ids = encode(load_tokenizer(source_of(job, chosen)), texts, job.recipe.corpus.max_tokens)
    differing = sum(own != theirs for own, theirs in zip(bundle.token_ids(texts), ids, strict=True))
    if differing:
        raise CheckFailedError(
            f"bundle: its tokenizer reads {differing} of {len(texts)} validation texts in another way than the "
            "student's does; check the tokenizer's files in student/"
        )
    decision = Decision.from_dict(read_quality(job.variant(chosen))["decision"])
    expected = decision.calibrated(read_logits_file(job.variant(chosen))["validation"][:COMPARED_TEXTS])
    difference = float(np.abs(bundle.logits(texts[:COMPARED_TEXTS]) - expected).max())
    if not difference <= BUNDLE_TOLERANCE:
        raise CheckFailedError(
            f"bundle: its logits differ by {difference:.3g} from what the gate saw, above {BUNDLE_TOLERANCE}"
        )


def _make_graph(job: Job, name: str, keep: tuple[Any, ...], graph: Path, train: TokenRows) -> dict[str, int]:
    """Write the raw graph of a variant, from the fused fp32 graph of the student that it is made of."""
    form, bits = form_of(name), job.recipe.export.table_bits
    fused = (job.variant("fp32") if name == form != "fp32" else graph.parent) / FUSED_FILE
    if not fused.is_file():
        export_graph(load_student(source_of(job, name), load_corpus(job.corpus).task), fused)
    if form == "fp32":
        shutil.copyfile(fused, graph)
    elif form == "int8-weights":
        quantize_weights(fused, graph, table_bits=bits)
    elif form == "int8-dynamic":
        quantize_dynamic(fused, graph, keep=keep, table_bits=bits)
    elif name == form:
        feeds = calibration_feeds(job.seed, GraphRunner(fused), train)
        quantize_static(fused, graph, keep=keep, feeds=feeds, table_bits=bits)
    else:
        quantize_as_trained(fused, graph, keep=keep, scales=load_scales(job.qat(form) / SCALES_FILE))
    proto = onnx.load(graph)
    strip(proto)
    save(proto, graph)
    return count_operators(proto, FUSED_OPERATORS if form == "fp32" else INTEGER_OPERATORS)


def _measure(
    job: Job, name: str, keep: tuple[str, ...], graph: Path, corpus: Corpus, rows: TokenRows
) -> Candidate:
    """Run a graph on validation and through the gate, its own calibration and thresholds applied to both sides."""
    task, recipe = corpus.task, job.recipe.export
    bounds = Bounds(**recipe.model_dump(exclude={"precision", "table_bits"}))
    runner = GraphRunner(graph)
    check_contract(runner.session, runner.inputs, task.num_labels)
    with job.reporter.bar(f"gate {name} {' '.join(keep)}", len(rows)) as advance:
        logits = runner.each(rows, advance)
    broken = _check_finite(name, "validation", logits)
    if broken:  # no decision can be fitted; another rung or variant may do
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
    return Candidate(graph, keep, decision, logits, tuple(checks), shapes.batch_invariant)


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


def _provenance(job: Job, corpus: Corpus, student: Path) -> dict[str, Any]:
    recipe = job.recipe
    identity = label_identity(job, corpus, "train")
    base = read_json(job.teacher / SOURCE_FILE)
    others = members_of(recipe)[1:]
    ensemble = [label_identity(job, corpus, "train", member.index).teacher_hash for member in others]
    return {
        "recipe_sha256": recipe_hash(recipe),
        "teacher": base["name"],
        "teacher_sha256": identity.teacher_hash,
        **({"further_teachers_sha256": ensemble} if ensemble else {}),
        "base_model_sha256": base["sha256"],
        "corpus_fingerprint": corpus.fingerprint,
        "corpus_licence": recipe.corpus.licence,
        "seed": job.seed,
        # those that trained the student may be another machine's; those that exported it are inputs of that stage
        "versions": recorded_versions(student) | package_versions(EXPORT_PACKAGES),
    }


def _metrics(job: Job, chosen: str) -> dict[str, Any]:
    """Quality of what ships beside its teacher's."""
    quality, teacher = read_quality(job.variant(chosen)), read_quality(job.quality(job.reference))
    keys = ("macro_f1", "macro_f1_at_half", "micro_f1", "accuracy", "brier", "brier_skill", "ece")
    found = {split: {key: quality[split][key] for key in keys} for split in ("validation", "test")}
    best = teacher["test"]["macro_f1"]
    return {
        **found,
        "teacher_test_macro_f1": best,
        "retention": quality["test"]["macro_f1"] / best if best else None,
    }
