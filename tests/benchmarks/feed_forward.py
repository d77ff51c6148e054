"""Latency of copied layers by the width of their feed-forward blocks, beside their teacher.

    python -m tests.benchmarks.feed_forward goemotions --neurons 1536 768 --set corpus.source=CORPORA/goemotions
    python -m tests.benchmarks.older_cpu python -m tests.benchmarks.feed_forward ...      # with AVX2 kernels

Latency does not depend on the values of weights, so the students have random ones, with the corpus's vocabulary,
in int8-static. Teacher and students take turns on the same test texts, each text alone, on one thread, by the
thread's own computing time, which other work on the machine does not stretch.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from distill.corpora.assembly.read import read_corpus
from distill.corpora.corpus import Corpus
from distill.export.graph.session import GraphRunner
from distill.export.precision import Precision
from distill.planning.candidates import Architecture
from distill.planning.measure import TimedBundle, make_bundles, new_workbench
from distill.recipe.load import load_recipe
from distill.recipe.sources import corpus_spec
from distill.students.networks.encoder import export_encoder
from distill.students.shape import dimensions_of
from distill.teachers.checkpoints import build_classifier
from distill.teachers.encoder import Pooling
from distill.teachers.sources import resolve_model
from distill.teachers.tokenizers import load_tokenizer
from tests.benchmarks.markdown import head_lines, line
from tests.benchmarks.peer import PlainTokenizer

TEXTS, ROUNDS = 200, 7


def main() -> None:
    """Make, time, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe")
    parser.add_argument("--neurons", type=int, nargs="+", default=[1536, 1024, 768, 512])
    parser.add_argument("--set", action="append", default=[])
    given = parser.parse_args()
    torch.set_num_threads(1)
    recipe = load_recipe(given.recipe, given.set)
    base = resolve_model(recipe.teacher.model).folder
    corpus, _ = read_corpus(corpus_spec(recipe.corpus), seed=recipe.seed)
    teacher = build_classifier(base, corpus.task, Pooling.MEAN, 0.0).eval()
    with tempfile.TemporaryDirectory(prefix="distill-neurons-") as made:
        folder = Path(made)
        export_encoder(teacher, folder / "teacher.onnx", recipe.corpus.max_tokens)
        graph, reads = GraphRunner(folder / "teacher.onnx"), PlainTokenizer(base, recipe.corpus.max_tokens)

        def in_pytorch(text: str) -> object:
            ids, mask = (torch.from_numpy(part) for part in reads([text]))
            with torch.inference_mode():
                return teacher(ids, mask)

        calls: dict[str, Callable[[str], object]] = {
            "teacher, PyTorch": in_pytorch,
            "teacher, fused fp32 graph": lambda text: graph(*reads([text])),
        }
        sizes: dict[str, float] = {}
        for neurons in given.neurons:
            bundle = random_bundle(given.recipe, [*given.set, f"student.feed_forward={neurons}"], corpus, folder)
            calls[f"{neurons} neurons"] = bundle.classifier
            sizes[f"{neurons} neurons"] = bundle.size_mb
        times = timed(calls, [str(text) for text in corpus.test.texts[:TEXTS]])
    p50, p95 = (dict(zip(calls, np.percentile(times, at, axis=1), strict=True)) for at in (50, 95))
    teachers = [name for name in calls if name not in sizes]
    print(*head_lines(["model", "MB", "p50 ms", "p95 ms", *(f"p95: times {name}" for name in teachers)]), sep="\n")
    for name in calls:
        ratios = (f"{p95[other] / p95[name]:.1f}" for other in teachers)
        print(
            line(
                [
                    name,
                    f"{sizes[name]:.2f}" if name in sizes else "",
                    f"{p50[name]:.3f}",
                    f"{p95[name]:.3f}",
                    *ratios,
                ]
            )
        )


def random_bundle(name: str, settings: list[str], corpus: Corpus, folder: Path) -> TimedBundle:
    """Return the int8-static bundle of a recipe's student with random weights."""
    recipe = load_recipe(name, settings)
    base = resolve_model(recipe.teacher.model).folder
    teacher, family = build_classifier(base, corpus.task, Pooling.MEAN, 0.0), recipe.student.family
    bench = new_workbench(recipe, corpus, teacher, load_tokenizer(base), folder / family.name.replace(" ", "-"))
    student = Architecture(family.name, family, family.dimensions(dimensions_of(teacher.config)))
    bundles = make_bundles(bench, student, recipe)
    return next(bundle for bundle in bundles if bundle.precision == Precision.INT8_STATIC)


def timed(calls: dict[str, Callable[[str], object]], texts: list[str]) -> np.ndarray:
    """Return milliseconds ``(calls, texts)``, medians of interleaved rounds after a warm-up."""
    found = np.zeros((len(calls), ROUNDS + 1, len(texts)))
    for number in range(ROUNDS + 1):
        for row, call in enumerate(calls.values()):
            for place, text in enumerate(texts):
                began = time.thread_time()
                call(text)
                found[row, number, place] = 1000 * (time.thread_time() - began)
    return np.median(found[:, 1:], axis=1)


if __name__ == "__main__":
    main()
