"""Students with random weights, exported as a run exports them, bundled, and timed: string in to decision out.

Neither latency nor bytes depend on what the weights are, as long as shape, vocabulary and precision are those
that will ship. What does depend on them is which products the gate lets compute in int8: a student whose gate
leaves some of them in fp32 is slower and larger than the plan says, and its run's own check says so.
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
from distill.export.bundle import Shipment, write_bundle
from distill.export.graph.model import add_calibration, save_model, strip_metadata
from distill.export.graph.session import GraphRunner
from distill.export.int8.input_scales import InputScales, fit_input_scales
from distill.export.int8.precisions import write_precision
from distill.export.measure.latency import cold_start
from distill.export.runtime.classifier import Classifier, load
from distill.export.runtime.tasks import Policy, Task
from distill.files.sizes import folder_bytes
from distill.planning.candidates import Architecture
from distill.planning.ranking import Measured
from distill.recipe.recipe import Recipe
from distill.students.start import Start
from distill.students.vocabulary import Trimmed
from distill.teachers.encoder import EncoderClassifier
from distill.teachers.encoding import encode
from distill.training.start import student_vocabulary

PRECISIONS = ("int8-static", "int8-dynamic", "int8-weights")

# enough for scales that are right for the shape of the graph; a run takes more
CALIBRATION_TEXTS = 32

LEAST_ROUNDS = 3

# on an idle machine the p95 of medians is no more than this times that of least times
BUSY = 1.25

# of a model card, and of what a manifest says of teacher, corpus and quality: measured on bundles of the recipes
CARD_BYTES, CARD_BYTES_A_LABEL = 1800, 60

HISTORY_BYTES = 1800


@dataclass(frozen=True)
class TimedBundle:
    """A bundle of a student in one precision, opened."""

    student: Architecture
    precision: str
    folder: Path
    classifier: Classifier

    @property
    def size_mb(self) -> float:
        """All its files together."""
        return folder_bytes(self.folder) / 1e6


@dataclass(frozen=True)
class Workbench:
    """What every student is made and timed with: teacher, trimmed tokenizer, the bench's texts, a folder."""

    recipe: Recipe
    teacher: EncoderClassifier
    teacher_tokenizer: Any
    trimmed: Trimmed | None
    corpus: Corpus
    texts: list[str]
    folder: Path

    @property
    def task(self) -> Task:
        """The corpus's."""
        return self.corpus.task

    @property
    def tokenizer(self) -> Any:
        """The students' tokenizer."""
        return self.teacher_tokenizer if self.trimmed is None else self.trimmed.tokenizer

    @property
    def vocabulary(self) -> int:
        """Tokens in the students' vocabulary."""
        return len(self.tokenizer)

    def tokens(self) -> float:
        """Mean length of the texts as the student reads them."""
        rows = encode(self.tokenizer, self.texts, self.recipe.corpus.max_tokens)
        return float(np.mean([len(row) for row in rows]))

    def tokenizer_bytes(self) -> int:
        """The tokenizer's file alone."""
        return len(self.tokenizer.backend_tokenizer.to_str())


def new_workbench(
    recipe: Recipe, corpus: Corpus, teacher: EncoderClassifier, tokenizer: Any, folder: Path
) -> Workbench:
    """Trim the vocabulary as the run will, once for all students."""
    trimmed = student_vocabulary(recipe.student, teacher.config, tokenizer, corpus)
    texts = list(corpus.test.texts[: recipe.bench.texts])
    return Workbench(recipe, teacher, tokenizer, trimmed, corpus, texts, folder)


def make_bundles(bench: Workbench, student: Architecture, recipe: Recipe) -> list[TimedBundle]:
    """A bundle of a student in each precision.

    Args:
        bench: what it is made with.
        student: its shape, and the bits of its tables.
        recipe: the one that makes this student.
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
    )
    model = student.family.random(start)
    student.family.save(model, bench.tokenizer, source)
    fused = place / "fused.onnx"
    student.family.export(model.eval(), fused, recipe.corpus.max_tokens)
    found, scales = [], _scales(bench, fused)
    for precision in PRECISIONS:
        graph = place / f"{precision}.onnx"
        _write_graph(bench, precision, student.table_bits, fused, scales, graph)
        found.append(_bundle(bench, student, precision, graph, source))
        graph.unlink()
    fused.unlink()
    shutil.rmtree(source)
    return found


def time_bundles(
    made: Sequence[TimedBundle], texts: Sequence[str], rounds: int, until: float = math.inf
) -> NDArray[np.float64]:
    """Milliseconds ``(bundles, rounds, texts)`` of each text alone, the bundles in turns; a first round warms up.

    Args:
        made: the bundles.
        texts: of every round.
        rounds: at most so many.
        until: of `time.monotonic`; behind it no round begins, once there are `LEAST_ROUNDS`.
    """
    found = np.zeros((len(made), rounds + 1, len(texts)))
    done = 0
    while done <= rounds and (done <= LEAST_ROUNDS or time.monotonic() < until):
        for step in range(len(made)):
            which = (done + step) % len(made)  # the one that begins moves on
            predict = made[which].classifier.predict
            for place, text in enumerate(texts):
                start = time.perf_counter()
                predict([text])
                found[which, done, place] = 1000 * (time.perf_counter() - start)
        done += 1
    return found[:, 1:done]


def measured(made: Sequence[TimedBundle], milliseconds: NDArray[np.float64]) -> list[Measured]:
    """Percentiles over texts of one time a text, ``(bundles, texts)``."""
    p50, p95 = np.percentile(milliseconds, [50, 95], axis=1)
    return [
        Measured(one.student, one.precision, float(p50[which]), float(p95[which]), one.size_mb)
        for which, one in enumerate(made)
    ]


def times_of_texts(milliseconds: NDArray[np.float64]) -> tuple[NDArray[np.float64], bool]:
    """One time a text from its rounds ``(bundles, rounds, texts)``, and whether the machine was busy.

    It is the median, as a bench takes it. Where other work stretches medians far beyond the least times, it is the
    least: nearer to what the same call takes on an idle machine.
    """
    median, least = np.median(milliseconds, axis=1), milliseconds.min(axis=1)
    stretched = np.percentile(median, 95, axis=1) / np.percentile(least, 95, axis=1)  # (bundles,)
    busy = bool(np.median(stretched) > BUSY)
    return (least if busy else median), busy


def with_memory(one: Measured, made: TimedBundle) -> Measured:
    """The same with the peak memory of a fresh process."""
    _, peak = cold_start(made.folder)
    return replace(one, rss_mb=peak / 1e6)


def _scales(bench: Workbench, fused: Path) -> InputScales:
    runner = GraphRunner(fused)
    some = list(bench.corpus.train.texts[:CALIBRATION_TEXTS])
    rows = encode(bench.tokenizer, some, bench.recipe.corpus.max_tokens)
    return fit_input_scales(fused, [runner.row_feed(row) for row in rows])


def _write_graph(
    bench: Workbench, precision: str, table_bits: int, fused: Path, scales: InputScales, graph: Path
) -> None:
    write_precision(precision, fused, graph, scales=scales, table_bits=table_bits)
    proto = onnx.load(graph)
    strip_metadata(proto)
    add_calibration(proto, *_calibration(bench.task.num_labels))
    save_model(proto, graph)


def _bundle(bench: Workbench, student: Architecture, precision: str, graph: Path, source: Path) -> TimedBundle:
    """A whole bundle, whose history and card are as long as real ones."""
    task = bench.task
    scale, bias = _calibration(task.num_labels)
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
        model_card="x" * (CARD_BYTES + CARD_BYTES_A_LABEL * task.num_labels),
    )
    write_bundle(folder, shipment)
    return TimedBundle(student, precision, folder, load(folder, threads=bench.recipe.budget.threads))


def _calibration(labels: int) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """A scale below 1, which is a threshold too, and a bias a label, with as many digits as fitted ones."""
    values = np.random.default_rng(0).uniform(0.1, 0.9, (2, labels))
    return tuple(values[0].tolist()), tuple(values[1].tolist())
