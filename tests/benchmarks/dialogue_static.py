"""Static students on conversations, with and without context, out of fold: gold labels alone, no teacher's.

`python -m tests.benchmarks.dialogue_static RECIPE [KEY=VALUE ...]` prints macro-F1 over all rows, each decided by
the student of the fold that did not see it, and the gain of context with its interval over conversations.
docs/results/dialogue.md has its numbers.
"""

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from transformers import set_seed

from distill.corpora.assembly.read import read_corpus
from distill.corpora.corpus import label_matrix
from distill.corpora.storage.token_rows import TokenRows
from distill.evaluation.comparison import paired_bootstrap
from distill.evaluation.evaluators import evaluator_of
from distill.export.runtime.reading.inputs import Row, Turns
from distill.recipe.load import load_recipe
from distill.recipe.sources import corpus_spec
from distill.students.networks.static import StaticConfig, static_student
from distill.students.vocabulary import trim
from distill.teachers.checkpoints import build_classifier
from distill.teachers.encoder import Pooling
from distill.teachers.encoding import encode, pad_batch
from distill.teachers.finetune import class_weights
from distill.teachers.inference import predict_logits
from distill.teachers.markers import add_markers, with_markers
from distill.teachers.sources import resolve_model
from distill.teachers.tokenizers import load_tokenizer
from distill.training.batches import Examples, LengthSortedBatches
from distill.training.start import texts_and_groups

EPOCHS, BATCH, RATE = 10, 32, 2e-3

Build = Callable[[Any], nn.Module]

SHAPE = (128, 64, 0, 2, 256)  # width, window channels, buckets, n-grams, hidden


def learned(
    corpus: Any,
    base: Any,
    reads: Turns,
    max_tokens: int,
    seed: int,
    dropout: float,
    parts: Mapping[str, Any],
    build: Build | None = None,
    rate: float = RATE,
) -> Callable[[Sequence[Row]], NDArray[np.float32]]:
    """Return the logits of a static student by rows, with the weights of the epoch that is best on validation.

    Args:
        corpus: with the labels of `train` and `validation`.
        base: the encoder whose vectors the student starts from.
        reads: what one row is.
        max_tokens: length at which rows are cut.
        seed: of the student.
        dropout: of context.
        parts: the rows to learn from, with their targets, as `train`, and those to choose the epoch by.
        build: makes another student of the encoder, with the encoder's tokenizer.
        rate: AdamW's.
    """
    task, evaluator = corpus.task, evaluator_of(corpus.task)
    plain = load_tokenizer(base.folder)
    marked = with_markers(plain, reads)
    set_seed(seed)
    teacher = build_classifier(base.folder, task, Pooling.MEAN, 0.1)
    add_markers(teacher, plain, marked, reads)
    if build is None:
        trimmed = trim(marked, texts_and_groups(corpus), min_groups=3, kept=reads.pieces)
        config = StaticConfig(len(trimmed.sources), *SHAPE, reads.segments)
        model: nn.Module = static_student(teacher, marked, trimmed.sources, config, dropout=0.2, seed=seed)
        tokenizer = trimmed.tokenizer
    else:
        model, tokenizer = build(teacher), marked

    def encoded(texts: Sequence[Row]) -> TokenRows:
        return encode(tokenizer, texts, max_tokens, reads=reads)

    rows = {name: encoded(texts) for name, (texts, _) in parts.items()}
    pad_id = tokenizer.pad_token_id
    targets = torch.tensor(parts["train"][1], dtype=torch.long)
    examples = Examples(rows["train"], targets, targets, targets, context_dropout=dropout)
    batches = LengthSortedBatches(
        rows["train"].lengths(), BATCH, seed, own_lengths=rows["train"].own_lengths(), context_dropout=dropout
    )
    weights = class_weights(np.eye(task.num_labels, dtype=np.float32)[targets.numpy()])
    optimizer = torch.optim.AdamW(model.parameters(), lr=rate, weight_decay=0.01)
    best, state = -1.0, model.state_dict()
    for epoch in range(EPOCHS):
        batches.set_epoch(epoch)
        model.train()
        for batch in batches:
            chosen, tokens = examples.read(batch)
            loss = nn.functional.cross_entropy(model(*pad_batch(tokens, pad_id)), targets[chosen], weights)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
        logits = predict_logits(model, rows["validation"], pad_id=pad_id)
        score = evaluator.quick_score(logits, np.eye(task.num_labels, dtype=np.float32)[parts["validation"][1]])
        if score > best:
            best, state = score, {name: tensor.clone() for name, tensor in model.state_dict().items()}
    model.load_state_dict(state)
    return lambda texts: predict_logits(model, encoded(texts), pad_id=pad_id)


def decided(corpus: Any, base: Any, reads: Turns, max_tokens: int, seed: int, dropout: float) -> Any:
    """Return decisions on test, 0 or 1 ``(N, C)``."""
    parts = {name: (split.texts, split.targets) for name, split in corpus.splits()}
    found = learned(corpus, base, reads, max_tokens, seed, dropout, parts)(corpus.test.texts)
    hard: NDArray[np.bool_] = np.eye(corpus.task.num_labels, dtype=np.bool_)[found.argmax(axis=1)]
    return hard


def main(recipe: str, *overrides: str) -> None:
    loaded = load_recipe(recipe, list(overrides))
    base = resolve_model(loaded.teacher.model)
    folds = loaded.corpus.folds or 5
    hard: dict[str, list[Any]] = {"without": [], "with": []}
    gold, groups = [], []
    for fold in range(folds):
        spec = replace(corpus_spec(loaded.corpus), folds=folds, fold=fold)
        corpus, _ = read_corpus(spec, seed=loaded.seed)
        assert corpus.turns is not None
        for name, reads, dropout in (
            ("without", replace(corpus.turns, turns=0, segments=0), 0.0),
            ("with", corpus.turns, 0.2),
        ):
            hard[name].append(decided(corpus, base, reads, loaded.corpus.max_tokens, loaded.seed, dropout))
        gold.append(label_matrix(corpus.test, corpus.task))
        assert corpus.test.groups is not None
        groups.append(corpus.test.groups + 10_000 * fold)
        evaluator = evaluator_of(corpus.task)
        scores = {name: f"{evaluator.score(parts[-1], gold[-1]):.3f}" for name, parts in hard.items()}
        print(f"fold {fold}, {len(gold[-1])} rows: {scores}", flush=True)
    everything = {name: np.concatenate(parts) for name, parts in hard.items()}
    all_gold, all_groups = np.concatenate(gold), np.concatenate(groups)
    for name, decisions in everything.items():
        print(f"{name}: {evaluator.score(decisions, all_gold):.3f}")
    gain = paired_bootstrap(
        evaluator, [everything["with"]], [everything["without"]], all_gold, all_groups, seed=loaded.seed
    )
    print(f"gain: {gain.difference:+.3f} ({gain.low:+.3f} to {gain.high:+.3f})")


if __name__ == "__main__":
    main(*sys.argv[1:])
