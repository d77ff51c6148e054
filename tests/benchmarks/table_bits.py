"""What embedding tables of fewer bits cost and gain, in the int8 forms of a run's trained students.

    python -m tests.benchmarks.table_bits runs/goemotions-static --seeds 13 14 15 > table.md

Every validation and test text, one at a time, ids to logits, one thread; times come from interleaved rounds. Each
form has its own calibration and thresholds, applied to the PyTorch student as well, as the gate does it. Noise is
the root mean square of the logit difference; "moved" as in quantization.py.
"""

import argparse
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from distill.artifacts.logits import read_logits_file
from distill.corpora.corpus import label_matrix
from distill.corpora.storage.parquet import load_corpus
from distill.evaluation.evaluators import evaluator_of
from distill.evaluation.metrics import macro_f1
from distill.export.graph.session import GraphRunner
from distill.export.int8.input_scales import calibration_feeds, fit_input_scales
from distill.export.int8.precisions import write_precision
from distill.export.measure.cpu import cpu_info
from distill.recipe.load import load_recipe
from distill.teachers.encoding import encode
from distill.teachers.tokenizers import load_tokenizer
from tests.benchmarks.markdown import head_lines, line
from tests.benchmarks.quantization import moved_in_batch, times_of

FORMS = (*(("int8-static", bits) for bits in (8, 6, 5, 4)), ("int8-weights", 8), ("int8-weights", 4))
SPLITS = ("validation", "test")
HEAD = ("form", "seed", "MB", "noise", "rows flipped", "cells flipped", "val", "test", "moved", "p50 ms")


def main() -> None:
    """Print the table of one run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="a finished run's folder")
    parser.add_argument("--seeds", type=int, nargs="*", help="of a run of several; each its own rows")
    arguments = parser.parse_args()
    cpu = cpu_info()
    print(f"{cpu['model']}, {' '.join(cpu['flags'])}\n", *head_lines(HEAD), sep="\n")
    for seed in arguments.seeds or [None]:
        place = arguments.run if seed is None else arguments.run / "seeds" / str(seed)
        for row in _rows(arguments.run, place, seed):
            print(line(row), flush=True)


def _rows(run: Path, place: Path, seed: int | None) -> Iterator[tuple[str, ...]]:
    corpus, recipe = load_corpus(run / "corpus"), load_recipe(str(run / "recipe.toml"))
    task, splits = corpus.task, dict(corpus.splits())
    tokenizer = load_tokenizer(place / "student")
    tokens = {
        split: encode(tokenizer, splits[split].texts, recipe.corpus.max_tokens) for split in ("train", *SPLITS)
    }
    gold = {split: label_matrix(splits[split], task) for split in SPLITS}
    reference = read_logits_file(place / "student")["validation"]
    with tempfile.TemporaryDirectory() as folder:
        fused = place / "export/fp32/fused.onnx"
        feeds = calibration_feeds(recipe.seed if seed is None else seed, GraphRunner(fused), tokens["train"])
        scales = fit_input_scales(fused, feeds)
        graphs = {"fp32": fused}
        for form, bits in FORMS:
            name = f"{form}, tables of {bits}"
            graphs[name] = Path(folder) / f"{form}-{bits}.onnx"
            write_precision(form, fused, graphs[name], scales=scales, table_bits=bits)
        runners = {name: GraphRunner(path) for name, path in graphs.items()}
        times = times_of(runners, list(tokens["validation"]))
        for name, runner in runners.items():
            logits = {split: runner.run_rows(tokens[split]) for split in SPLITS}
            decision = evaluator_of(task).fit(logits["validation"], gold["validation"], recipe.decisions)
            decided = {split: decision.decide(logits[split], task) for split in SPLITS}
            flipped = decided["validation"] != decision.decide(reference, task)
            yield (
                name,
                "" if seed is None else str(seed),
                f"{graphs[name].stat().st_size / 1e6:.2f}",
                f"{np.sqrt(np.mean((logits['validation'] - reference) ** 2)):.3f}",
                f"{flipped.any(axis=1).mean():.2%}",
                f"{flipped.mean():.3%}",
                *(f"{macro_f1(decided[split], gold[split]):.4f}" for split in SPLITS),
                f"{moved_in_batch(runner, list(tokens['validation']), logits['validation']):.0e}",
                f"{times[name]:.3f}",
            )


if __name__ == "__main__":
    main()
