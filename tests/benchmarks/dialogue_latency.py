"""Latency and size of students with random weights, with five turns of context and without any.

Each row is decided as a whole, when all its turns are tokenized, and as the newest turn of a live conversation
(`Conversation.add`), when those before it have been added.

`python -m tests.benchmarks.dialogue_latency RECIPE [KEY=VALUE ...]` makes bundles of each family from the recipe's
teacher and vocabulary with the same `max_tokens`, and times real rows whose own turn has about 32 tokens, uncut,
in interleaved rounds on one thread, by the thread's own computing time, which other work on the machine does not
stretch. docs/results/dialogue.md has its numbers.
"""

import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from distill.corpora.assembly.read import read_corpus
from distill.export.precision import Precision
from distill.export.runtime import Classifier, Conversation
from distill.export.runtime.reading.inputs import Window
from distill.planning.candidates import Architecture
from distill.planning.measure import TimedBundle, make_bundles, new_workbench
from distill.recipe.load import load_recipe
from distill.recipe.sources import corpus_spec
from distill.students.shape import dimensions_of
from distill.teachers.checkpoints import build_classifier
from distill.teachers.encoder import Pooling
from distill.teachers.sources import resolve_model
from distill.teachers.tokenizers import load_tokenizer

KINDS = ("layers", "compact", "static")

OWN_TOKENS = range(28, 37)

ROWS, ROUNDS = 40, 20


def main(recipe: str, *overrides: str) -> None:
    loaded = load_recipe(recipe, list(overrides))
    base = resolve_model(loaded.teacher.model).folder
    corpus, _ = read_corpus(corpus_spec(loaded.corpus), seed=loaded.seed)
    assert corpus.turns is not None
    inputs = {"without": replace(corpus.turns, turns=0, segments=1), "with": corpus.turns}
    made: list[TimedBundle] = []
    with tempfile.TemporaryDirectory(prefix="distill-dialogue-") as folder:
        for name, reads in inputs.items():
            teacher = build_classifier(base, corpus.task, Pooling.MEAN, 0.0)
            config = teacher.config
            bench = new_workbench(
                loaded, replace(corpus, turns=reads), teacher, load_tokenizer(base), Path(folder) / name
            )
            for kind in KINDS:
                own = load_recipe(recipe, [*overrides, f"student.kind={kind}"])
                family = own.student.family
                student = Architecture(kind, family, family.dimensions(dimensions_of(config)))
                wanted = Precision.INT8_WEIGHTS if kind == "static" else Precision.INT8_STATIC
                bundles = make_bundles(bench, student, own)
                made.append(next(bundle for bundle in bundles if bundle.precision == wanted))
        reader = made[-1].classifier.input.reader(  # the whole rows, with context
            bench.tokenizer.backend_tokenizer, loaded.corpus.max_tokens, type_ids=False
        )
        rows = list(corpus.train.texts[:4000])
        encoded = reader.several(rows)
        chosen = [
            (row, read)
            for row, read in zip(rows, encoded, strict=True)
            if read.own in OWN_TOKENS and not read.truncated and len(row.context) == corpus.turns.turns  # type: ignore[union-attr]
        ][:ROWS]
        tokens = [np.mean([read.own for _, read in chosen]), np.mean([len(read.ids) for _, read in chosen])]
        print(f"{len(chosen)} rows; tokens without context {tokens[0]:.0f}, with {tokens[1]:.0f}")
        ways = {"whole row": whole_row, "live": live}
        milliseconds = np.zeros((len(made), len(ways), ROUNDS, len(chosen)))
        for number in range(ROUNDS):
            for at, bundle in enumerate(made):
                for way, timed in enumerate(ways.values()):
                    for place, (row, _) in enumerate(chosen):
                        assert isinstance(row, Window)
                        milliseconds[at, way, number, place] = 1000 * timed(bundle.classifier, row)
        times = np.median(milliseconds[:, :, 1:], axis=2)  # the first round warms up
        p50, p95 = np.percentile(times, [50, 95], axis=2)
        for at, kind in enumerate(KINDS):
            other = at + len(KINDS)
            alone, larger = made[at].size_mb, made[other].size_mb
            print(f"{kind} {made[at].precision}: {alone:.2f} -> {larger:.2f} MB ({larger / alone:.3f} times)")
            for way, name in enumerate(ways):
                print(
                    f"  {name}: p50 {p50[at, way]:.2f} -> {p50[other, way]:.2f} ms, p95 {p95[at, way]:.2f} -> "
                    f"{p95[other, way]:.2f} ms ({p95[other, way] / p95[at, way]:.2f} times)"
                )


def whole_row(classifier: Classifier, row: Window) -> float:
    """Seconds that a decision on a turn takes, given with those before it."""
    began = time.thread_time()
    classifier.predict([row])
    return time.thread_time() - began


def live(classifier: Classifier, row: Window) -> float:
    """Seconds that a decision on a turn takes in a conversation to which those before it were added."""
    conversation = Conversation(classifier)
    for turn in row.context:
        conversation.add(*turn)
    began = time.thread_time()
    conversation.add(*row.target)
    return time.thread_time() - began


if __name__ == "__main__":
    main(*sys.argv[1:])
