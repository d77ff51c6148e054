"""Students with random weights, exported and bundled as a run does it, and timed from string to decision.

Latency and size do not depend on the values of the weights, as long as shape, vocabulary and precision are those
that will ship. The set of matmuls that the gate lets compute in int8 does depend on them: a student with some of
them left in fp32 is slower and larger than its plan predicts, and the check of the run's bundle reports it.
"""

import math
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from distill.corpora.corpus import Corpus
from distill.corpora.storage.token_rows import TokenRows
from distill.export.bundle import Shipment, write_bundle
from distill.export.graph.model import add_calibration, save_model, strip_metadata
from distill.export.graph.session import GraphRunner
from distill.export.int8.input_scales import InputScales, fit_input_scales
from distill.export.int8.precisions import write_precision
from distill.export.measure.latency import cold_start
from distill.export.precision import Precision
from distill.export.runtime.classifier import Classifier, load
from distill.export.runtime.deciding.task import Policy, Task
from distill.export.runtime.errors import InputError
from distill.export.runtime.reading.inputs import Input, Row, Turns
from distill.files.sizes import folder_bytes
from distill.planning.candidates import Architecture
from distill.planning.ranking import Measured
from distill.recipe.recipe import Recipe
from distill.recipe.sources import corpus_spec
from distill.students.start import Start
from distill.students.vocabulary import Trimmed
from distill.teachers.encoder import EncoderClassifier
from distill.teachers.encoding import encode
from distill.teachers.markers import add_markers, with_markers
from distill.training.start import student_vocabulary
from distill.variants.reference import reference_of

PRECISIONS = tuple(precision for precision in Precision if precision.is_int8)

# enough to fit scales of the right shape; a run uses more
CALIBRATION_TEXTS = 32

LEAST_ROUNDS = 3

# on an idle machine, the p95 over median times is at most this many times the p95 over least times
BUSY = 1.25

# sizes of a model card, and of the provenance in a manifest, measured on bundles of the packaged recipes
CARD_BYTES, CARD_BYTES_PER_LABEL = 1800, 60

HISTORY_BYTES = 1800

# a watch's reference is as long for few texts as for many, but for digits
REFERRED_TEXTS = 4


@dataclass(frozen=True)
class TimedBundle:
    """An opened bundle of one student in one precision."""

    student: Architecture
    precision: str
    folder: Path
    classifier: Classifier

    @property
    def size_mb(self) -> float:
        """Size of all its files, in MB (10^6 bytes)."""
        return folder_bytes(self.folder) / 1e6


@dataclass(frozen=True)
class Workbench:
    """Everything that students are made and timed with.

    Attributes:
        recipe: of the run.
        teacher: students take their shape, and the ones that copy layers their weights, from it.
        teacher_tokenizer: before trimming.
        trimmed: the students' vocabulary; None if it is the teacher's.
        corpus: its train rows fit scales, its task shapes the head.
        texts: to time.
        folder: for graphs and bundles.
    """

    recipe: Recipe
    teacher: EncoderClassifier
    teacher_tokenizer: Any
    trimmed: Trimmed | None
    corpus: Corpus
    texts: list[Row]
    folder: Path

    @property
    def task(self) -> Task:
        """The corpus's task."""
        return self.corpus.task

    @property
    def reads(self) -> Input:
        """The kind of input that one row of the corpus is."""
        turns = self.corpus.turns
        if turns is not None:
            return turns.with_template(self.tokenizer.backend_tokenizer)
        return corpus_spec(self.recipe.corpus).reads

    @property
    def tokenizer(self) -> Any:
        """The students' tokenizer."""
        return self.teacher_tokenizer if self.trimmed is None else self.trimmed.tokenizer

    @property
    def vocabulary(self) -> int:
        """Number of tokens in the students' vocabulary."""
        return len(self.tokenizer)

    def tokens(self) -> float:
        """Return the mean number of tokens in a text, by the students' tokenizer."""
        rows = self.encode(self.texts)
        return float(np.mean([len(row) for row in rows]))

    def encode(self, texts: Sequence[Row]) -> TokenRows:
        """Return the token ids of texts by the students' tokenizer."""
        return encode(self.tokenizer, texts, self.recipe.corpus.max_tokens, reads=self.reads)

    def tokenizer_bytes(self) -> int:
        """Return the size of the students' tokenizer file."""
        return len(self.tokenizer.backend_tokenizer.to_str())


def new_workbench(
    recipe: Recipe, corpus: Corpus, teacher: EncoderClassifier, tokenizer: Any, folder: Path
) -> Workbench:
    """Return a workbench, with the vocabulary trimmed as the run will trim it, once for all students.

    The pieces of roles are added to the teacher, in place, where rows are turns.
    """
    reads = corpus.turns or corpus_spec(recipe.corpus).reads
    marked = with_markers(tokenizer, reads)
    add_markers(teacher, tokenizer, marked, reads)
    trimmed = student_vocabulary(recipe.student, teacher.config, marked, corpus, reads)
    texts = list(corpus.unseen_texts[: recipe.bench.texts])
    return Workbench(recipe, teacher, marked, trimmed, corpus, texts, folder)


def make_bundles(bench: Workbench, student: Architecture, recipe: Recipe) -> list[TimedBundle]:
    """Export and bundle one student in each precision.

    Args:
        bench: makes the students.
        student: its shape, and the bits of its tables.
        recipe: makes this student.
    """
    place = bench.folder / student.name.replace(" ", "-")
    source = place / "student"
    source.mkdir(parents=True)
    start = Start(
        teacher=bench.teacher,
        tokenizer=bench.teacher_tokenizer,
        trimmed=bench.trimmed,
        pooling=bench.teacher.pooling,
        dropout=recipe.student.dropout,
        seed=recipe.seed,
        segments=bench.reads.segments if isinstance(bench.reads, Turns) else 0,
    )
    model = student.family.random(start)
    student.family.save(model, bench.tokenizer, source)
    fused = place / "fused.onnx"
    student.family.export(model.eval(), fused, recipe.corpus.max_tokens)
    bundles, scales = [], _scales(bench, fused)
    for precision in PRECISIONS:
        graph = place / f"{precision}.onnx"
        _write_graph(bench, precision, student.table_bits, fused, scales, graph)
        bundles.append(_bundle(bench, student, precision, graph, source))
        graph.unlink()
    fused.unlink()
    shutil.rmtree(source)
    return bundles


def time_bundles(
    made: Sequence[TimedBundle], texts: Sequence[Row], rounds: int, until: float = math.inf
) -> NDArray[np.float64]:
    """Return milliseconds ``(bundles, rounds, texts)`` of single texts, in interleaved rounds after a warm-up.

    Args:
        made: the bundles.
        texts: of every round.
        rounds: the largest number of rounds.
        until: by `time.monotonic`; after it no further round begins, once there are `LEAST_ROUNDS`.
    """
    milliseconds = np.zeros((len(made), rounds + 1, len(texts)))
    done = 0
    while done <= rounds and (done <= LEAST_ROUNDS or time.monotonic() < until):
        for step in range(len(made)):
            which = (done + step) % len(made)  # each round begins with another bundle
            predict = made[which].classifier.predict
            for place, text in enumerate(texts):
                start = time.perf_counter()
                predict([text])
                milliseconds[which, done, place] = 1000 * (time.perf_counter() - start)
        done += 1
    return milliseconds[:, 1:done]


def measured(made: Sequence[TimedBundle], milliseconds: NDArray[np.float64]) -> list[Measured]:
    """Return the measurements of bundles from one time per text, ``(bundles, texts)`` in milliseconds."""
    p50, p95 = np.percentile(milliseconds, [50, 95], axis=1)
    return [
        Measured(bundle.student, bundle.precision, float(p50[which]), float(p95[which]), bundle.size_mb)
        for which, bundle in enumerate(made)
    ]


def times_of_texts(milliseconds: NDArray[np.float64]) -> tuple[NDArray[np.float64], bool]:
    """Return one time per text ``(bundles, texts)`` from several rounds, and whether the machine was busy.

    The time is the median over rounds, as in a bench. Where other work stretches medians far beyond the least
    times, it is the least, which is closer to the same call on an idle machine.

    Args:
        milliseconds: ``(bundles, rounds, texts)``.
    """
    median, least = np.median(milliseconds, axis=1), milliseconds.min(axis=1)
    stretched = np.percentile(median, 95, axis=1) / np.percentile(least, 95, axis=1)  # (bundles,)
    busy = bool(np.median(stretched) > BUSY)
    return (least if busy else median), busy


def with_memory(measurement: Measured, bundle: TimedBundle) -> Measured:
    """Return a measurement with the peak memory of a fresh process.

    Raises:
        InputError: this system does not report it, so a bound on it cannot be checked.
    """
    _, peak = cold_start(bundle.folder)
    if peak is None:
        raise InputError(
            "budget.rss_mb: This system does not report how much memory a process used. Remove the bound."
        )
    return replace(measurement, rss_mb=peak / 1e6)


def _scales(bench: Workbench, fused: Path) -> InputScales:
    runner = GraphRunner(fused)
    rows = bench.encode(list(bench.corpus.train.texts[:CALIBRATION_TEXTS]))
    return fit_input_scales(fused, [runner.row_feed(row, rows.types_of(at)) for at, row in enumerate(rows)])


def _write_graph(
    bench: Workbench, precision: Precision, table_bits: int, fused: Path, scales: InputScales, graph: Path
) -> None:
    write_precision(precision, fused, graph, scales=scales, table_bits=table_bits)
    proto = onnx.load(graph)
    strip_metadata(proto)
    add_calibration(proto, *_calibration(bench.task.num_outputs), bench.task.finish_nodes())
    save_model(proto, graph)


def _bundle(bench: Workbench, student: Architecture, precision: str, graph: Path, source: Path) -> TimedBundle:
    """Write and open a whole bundle; its card, provenance and reference of the watch are as long as real ones."""
    task = bench.task
    scale, bias = _calibration(task.num_outputs)
    folder = graph.with_suffix("")
    shipment = Shipment(
        name=bench.recipe.name,
        task=task,
        scale=scale,
        bias=bias,
        policy=Policy(scale[: task.num_thresholds] or None),
        max_tokens=bench.recipe.corpus.max_tokens,
        max_batch=None,
        precision=precision,
        inputs=tuple(GraphRunner(graph).inputs),
        graph=graph,
        tokenizer_folder=source,
        config=student.family.published_config(source),
        provenance={"planned": "x" * HISTORY_BYTES},
        metrics={},
        model_card="x" * (CARD_BYTES + CARD_BYTES_PER_LABEL * task.num_labels),
        reads=bench.reads,
    )
    referred = bench.texts[:REFERRED_TEXTS]
    gold = np.zeros((len(referred), task.num_labels), np.float32)
    write_bundle(folder, shipment, refer=lambda bundle: reference_of(bundle, referred, gold, bench.recipe.seed))
    return TimedBundle(student, precision, folder, load(folder, threads=bench.recipe.budget.threads))


def _calibration(labels: int) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return a scale below 1 (also a threshold) and a bias per label, with as many digits as fitted ones."""
    values = np.random.default_rng(0).uniform(0.1, 0.9, (2, labels))
    return tuple(values[0].tolist()), tuple(values[1].tolist())
