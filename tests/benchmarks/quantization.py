"""What each int8 form of a run's student costs and gains, beside ONNX Runtime's own quantizers.

    python -m tests.benchmarks.quantization runs/goemotions > table.md

The student is the one that ships, of several seeds the best on validation; calibrator and tables are the recipe's.
Texts are the run's validation texts, one by one, ids to logits, one thread, spinning off; interleaved rounds.
Decisions are those of the fp32 graph's own calibration and thresholds. Noise is the standard deviation of
the logit difference; "moved" is the largest change of a logit when texts stand in batches of 32, not alone.
"""

import argparse
import tempfile
from collections.abc import Collection, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import onnx
from onnxruntime.quantization import QuantType
from onnxruntime.quantization import quantize_dynamic as ort_quantize_dynamic

from distill.artifacts.quality import read_quality
from distill.corpora.corpus import Corpus
from distill.corpora.storage.token_rows import TokenRows
from distill.export.graph.session import GraphRunner
from distill.export.int8.input_scales import calibration_feeds, fit_input_scales
from distill.export.int8.precisions import write_precision
from distill.export.int8.sensitivity import measure_sensitivity
from distill.export.measure.cpu import cpu_info
from distill.export.measure.latency import BenchTarget, time_interleaved
from distill.teachers.encoding import encode
from distill.teachers.tokenizers import load_tokenizer
from distill.variants.export import FUSED_FILE
from tests.benchmarks.markdown import head_lines, line
from tests.support.finished import Shipped, open_shipped

FLIP_TEXTS, TIMED_TEXTS, ROUNDS, BATCH = 2000, 100, 9, 32
SENSITIVITY_TEXTS, SHARES = 300, (0.0, 0.1, 0.25, 0.5, 0.75)
HEAD = ("form", "MB", "noise", "rows flipped", "cells flipped", "moved in a batch", "p50 ms", "times fp32")


def main() -> None:
    """Print the table of one run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="a finished run's folder")
    run = parser.parse_args().run
    shipped = open_shipped(run)
    corpus = shipped.run.corpus
    decision = read_quality(shipped.layout.variant("fp32")).decision
    rows = list(_tokens(shipped, corpus, "validation", FLIP_TEXTS))
    with tempfile.TemporaryDirectory() as folder:
        graphs = dict(_graphs(shipped, corpus, Path(folder)))
        runners = {name: GraphRunner(path) for name, path in graphs.items()}
        logits = {name: runner.run_rows(rows) for name, runner in runners.items()}
        timed = times_of(runners, rows)
        cpu = cpu_info()
        print(f"{cpu['model']}, {' '.join(cpu['flags'])}; {len(rows)} texts for flips, {TIMED_TEXTS} for times\n")
        print(*head_lines(HEAD), sep="\n")
        reference = decision.decide(logits["fp32"], corpus.task)
        for name, runner in runners.items():
            flipped = decision.decide(logits[name], corpus.task) != reference
            cells = (
                name,
                f"{graphs[name].stat().st_size / 1e6:.1f}",
                f"{(logits[name] - logits['fp32']).std():.3f}",
                f"{flipped.any(axis=1).mean():.2%}",
                f"{flipped.mean():.3%}",
                f"{moved_in_batch(runner, rows, logits[name]):.0e}",
                f"{timed[name]:.2f}",
                f"{timed['fp32'] / timed[name]:.2f}",
            )
            print(line(cells))


def _tokens(shipped: Shipped, corpus: Corpus, split: str, count: int | None = None) -> TokenRows:
    texts = dict(corpus.splits())[split].texts[:count]
    return encode(load_tokenizer(shipped.layout.student), texts, shipped.recipe.corpus.max_tokens)


def _graphs(shipped: Shipped, corpus: Corpus, folder: Path) -> Iterator[tuple[str, Path]]:
    """Every form by name, the integer ones with more and more of their most sensitive products in fp32."""
    fused, export = shipped.layout.variant("fp32") / FUSED_FILE, shipped.recipe.export
    yield "fp32", fused
    feeds = calibration_feeds(shipped.seed, GraphRunner(fused), _tokens(shipped, corpus, "train"))
    scales = fit_input_scales(fused, feeds, export.calibrator)

    def write(form: str, graph: Path, keep: Collection[str] = ()) -> None:
        write_precision(form, fused, graph, keep_fp32=keep, scales=scales, table_bits=export.table_bits)

    write("int8-weights", folder / "weights.onnx")
    yield "int8-weights", folder / "weights.onnx"
    some = list(_tokens(shipped, corpus, "validation", SENSITIVITY_TEXTS))
    for form in ("int8-dynamic", "int8-static"):
        order = [one.matmul for one in measure_sensitivity(fused, partial(write, form), some, folder)]
        # of a few products some shares are the same number
        for count in sorted({round(share * len(order)) for share in SHARES}):
            path = folder / f"{form}-{count}.onnx"
            write(form, path, order[:count])
            yield f"{form}, {count} of {len(order)} products in fp32", path
    # a fused graph fails on shape inference unless a default type is given
    common = {"weight_type": QuantType.QInt8, "extra_options": {"DefaultTensorType": onnx.TensorProto.FLOAT}}
    for name, options in (
        ("per tensor", {}),
        ("per channel, 7 bits", {"per_channel": True, "reduce_range": True}),
    ):
        path = folder / f"ort-{name}.onnx"
        ort_quantize_dynamic(str(fused), str(path), **common, **options)
        yield f"ONNX Runtime's dynamic, {name}", path


def times_of(runners: dict[str, GraphRunner], rows: list[list[int]]) -> dict[str, float]:
    """Median milliseconds a text, all in one interleaved run."""
    numbers = [str(row) for row in range(min(TIMED_TEXTS, len(rows)))]

    def candidate(name: str, runner: GraphRunner) -> BenchTarget:
        return BenchTarget(name, lambda texts: runner.run_rows([rows[int(text)] for text in texts]))

    candidates = [candidate(name, runner) for name, runner in runners.items()]
    return {row.name: row.p50_ms for row in time_interleaved(candidates, numbers, rounds=ROUNDS)}


def moved_in_batch(runner: GraphRunner, rows: list[list[int]], alone: np.ndarray) -> float:
    """The largest change of a logit between a text alone and in a padded batch."""
    worst = 0.0
    for start in range(0, min(len(rows), 10 * BATCH), BATCH):
        batch = rows[start : start + BATCH]
        ids = np.zeros((len(batch), max(map(len, batch))), dtype=np.int64)
        mask = np.zeros_like(ids)
        for at, row in enumerate(batch):
            ids[at, : len(row)], mask[at, : len(row)] = row, 1
        worst = max(worst, float(np.abs(runner(ids, mask) - alone[start : start + len(batch)]).max()))
    return worst


if __name__ == "__main__":
    main()
