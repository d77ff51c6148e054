"""Pooling of compact students on conversations, out of fold: all tokens of a row, or those of the decided turn.

`python -m tests.benchmarks.dialogue_pooling RECIPE [KEY=VALUE ...]` prints macro-F1 on the recipe's test
split, from gold labels alone, with the epoch that is best on validation. docs/results/dialogue.md has its numbers.
"""

import sys
from dataclasses import replace
from typing import Any

import numpy as np
from sklearn.metrics import f1_score
from torch import nn

from distill.corpora.assembly.read import read_corpus
from distill.recipe.load import load_recipe
from distill.recipe.sources import corpus_spec
from distill.students.networks.compact import Shape, compact_student
from distill.teachers.encoder import Pooling
from distill.teachers.sources import resolve_model
from tests.benchmarks.dialogue_static import learned

SHAPE, RATE = Shape(2, 128, 2), 5e-4


def main(recipe: str, *overrides: str) -> None:
    loaded = load_recipe(recipe, list(overrides))
    base, seed = resolve_model(loaded.teacher.model), loaded.seed
    corpus, _ = read_corpus(corpus_spec(loaded.corpus), seed=seed)
    assert corpus.turns is not None
    parts = {name: (split.texts, split.targets) for name, split in corpus.splits()}
    alone = replace(corpus.turns, turns=0, segments=1)
    for name, reads, pooling in (
        ("without context", alone, Pooling.MEAN),
        ("all tokens", corpus.turns, Pooling.MEAN),
        ("the decided turn", corpus.turns, Pooling.TARGET),
    ):

        def build(teacher: Any, pooling: Pooling = pooling) -> nn.Module:
            return compact_student(teacher, SHAPE, texts=None, pooling=pooling, dropout=0.1, seed=seed)

        dropout = 0.2 if reads.turns else 0.0
        model = learned(corpus, base, reads, loaded.corpus.max_tokens, seed, dropout, parts, build, RATE)
        found = model(corpus.test.texts).argmax(axis=1)
        print(f"{name}: {f1_score(np.asarray(corpus.test.targets), found, average='macro'):.3f}", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
