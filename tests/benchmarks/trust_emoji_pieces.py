"""Students with emoji pieces of their own beside students without, on GoEmotions: trained, one of each per seed.

    python -m tests.benchmarks.trust_emoji_pieces RUNS CORPORA/goemotions TEACHER --seeds 13 14 [--twin]

Each emoji that at least `LEAST_TEXTS` train texts have becomes a piece, at the start of a word and inside of one,
which starts from the teacher's pieces of its Unicode name and is learned with everything else. Thresholds are
fitted on validation for each student. `--twin` trains on gold labels alone: the teacher reads every emoji as
[UNK], and its soft labels cannot know them.
"""

import argparse
import json
import unicodedata
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

import numpy as np
import torch

from distill.artifacts.logits import read_logits_file
from distill.corpora.corpus import label_matrix
from distill.evaluation.bootstrap import row_weights
from distill.evaluation.evaluators import evaluator_of
from distill.evaluation.metrics import macro_f1, weighted_macro_f1
from distill.pipeline.runner import execute_run
from distill.pipeline.state import Run
from distill.pipeline.train import training_inputs
from distill.recipe.load import load_recipe
from distill.runs.layout import RunLayout
from distill.runs.progress import Reporter
from distill.students.vocabulary import Trimmed
from distill.teachers.markers import rebuilt
from distill.training import start as starts
from distill.training.student import train_student, train_twin
from tests.benchmarks.trust_emoji import LEAST_TEXTS, emoji_in


def with_pieces(trimmed: Trimmed, tokenizer: Any, emoji: Sequence[str]) -> Trimmed:
    """Return a WordPiece vocabulary with two further pieces per emoji."""
    state = json.loads(trimmed.tokenizer.backend_tokenizer.to_str())
    vocabulary, sources = state["model"]["vocab"], list(trimmed.sources)
    for sign in emoji:
        name = tuple(tokenizer(unicodedata.name(sign).lower(), add_special_tokens=False)["input_ids"])
        for piece in (sign, f"##{sign}"):
            vocabulary[piece] = len(sources)
            sources.append(name)
    return Trimmed(rebuilt(trimmed.tokenizer, state), tuple(sources))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("teacher", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", default=[13])
    parser.add_argument("--twin", action="store_true")
    given = parser.parse_args()
    recipe = load_recipe(
        "goemotions-static",
        [
            f"corpus.source={given.corpus}",
            f"teacher.checkpoint={given.teacher}",
            "teacher.label_order=corpus",
            "augmentation.rows=0",
            "name=emoji",
        ],
    )
    run = Run(recipe, RunLayout(given.runs / recipe.name), Reporter(quiet=True))
    execute_run(run, "label")
    corpus, plain = run.corpus, starts.student_vocabulary
    known = Counter(sign for text in corpus.train.texts for sign in set(emoji_in(str(text))))
    emoji = sorted(sign for sign, texts in known.items() if texts >= LEAST_TEXTS and unicodedata.name(sign, ""))

    def own_pieces(recipe: Any, config: Any, tokenizer: Any, *rest: Any) -> Trimmed:
        trimmed = plain(recipe, config, tokenizer, *rest)
        assert trimmed is not None
        return with_pieces(trimmed, tokenizer, emoji)

    gold = label_matrix(corpus.test, corpus.task)
    places = np.array([bool(emoji_in(str(text))) for text in corpus.test.texts])
    weights = row_weights(int(places.sum()), seed=0)
    print(f"{len(emoji)} emoji; {places.sum()} of {len(places)} test texts have one", flush=True)
    differences = []
    for seed in given.seeds:
        decided = {}
        for name, vocabulary in (("[UNK]", plain), ("own pieces", own_pieces)):
            with patch.object(starts, "student_vocabulary", vocabulary), TemporaryDirectory() as folder:
                learn = train_twin if given.twin else train_student
                learn(Path(folder), training_inputs(run, seed), run.controls())
                logits = read_logits_file(Path(folder))
            validation = label_matrix(corpus.validation, corpus.task)
            rule = evaluator_of(corpus.task).fit(logits["validation"], validation, recipe.decisions, None)
            decided[name] = rule.decide(logits["test"], corpus.task)
            with_one, all_rows = macro_f1(decided[name][places], gold[places]), macro_f1(decided[name], gold)
            print(f"seed {seed}, {name}: {with_one:.3f} with emoji, {all_rows:.4f} on all rows", flush=True)
        per_draw = [weighted_macro_f1(decided[name][places], gold[places], weights) for name in decided]
        differences.append(per_draw[1] - per_draw[0])
    low, high = np.quantile(np.mean(differences, axis=0), [0.025, 0.975])
    print(f"own pieces: {np.mean(differences):+.3f} ({low:+.3f} to {high:+.3f}) on texts with emoji")


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
