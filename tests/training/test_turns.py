"""Context in training: a label that hangs on the previous speaker alone is learned with it, and not without."""

import json
import random
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import nn
from transformers import PreTrainedTokenizerFast, set_seed

from distill.corpora.storage.token_rows import TokenRows
from distill.export.runtime.deciding.kinds.single_label import SingleLabel
from distill.export.runtime.reading.inputs import Turn, Turns, Window
from distill.export.runtime.reading.turns import Template
from distill.students.networks.static import StaticClassifier, StaticConfig
from distill.teachers.encoder import EncoderClassifier, Pooling, pool
from distill.teachers.encoding import encode, pad_batch
from distill.teachers.markers import add_markers, with_markers
from distill.training.batches import Examples, LengthSortedBatches
from tests.support.tiny_models import TEXTS, bert_tokenizer, tiny_classifier
from tests.support.turn_cases import VECTORS, drawn_cases, tokenizer

SPEAKERS = ("anna", "ben", "carl")

READS = Turns(3, {name: f"[{name[0].upper()}]" for name in SPEAKERS}, SPEAKERS, segments=4)

TASK = SingleLabel(SPEAKERS)

MAX_TOKENS = 40


def talks(rows: int, seed: int) -> tuple[list[Window], torch.Tensor]:
    """Windows of random turns; the label is the speaker of the turn before the last."""
    draw = random.Random(seed)
    words = sorted({word for text in TEXTS for word in text.split()})
    windows = []
    for _ in range(rows):
        turns = [
            Turn(draw.choice(SPEAKERS), " ".join(draw.choices(words, k=draw.randint(1, 4)))) for _ in range(4)
        ]
        windows.append(Window(turns[-1], tuple(turns[:-1])))
    return windows, torch.tensor([SPEAKERS.index(window.context[-1].speaker) for window in windows])


def static(vocabulary: int) -> nn.Module:
    return StaticClassifier(StaticConfig(vocabulary, 16, 0, 0, 2, 32, READS.segments), TASK, 0.0)


def encoder(vocabulary: int) -> nn.Module:
    model, plain = tiny_classifier(vocabulary=vocabulary, task=TASK), bert_tokenizer()
    add_markers(model, plain, with_markers(plain, READS), READS)
    return model


def accuracy(build: Callable[[int], nn.Module], reads: Turns, steps: int, rate: float) -> float:
    tokenizer = with_markers(bert_tokenizer(), READS)
    set_seed(5)
    model = build(len(tokenizer))
    (train, labels), (test, gold) = talks(600, 1), talks(300, 2)
    rows, tested = (encode(tokenizer, some, MAX_TOKENS, reads=reads) for some in (train, test))
    optimizer = torch.optim.AdamW(model.parameters(), lr=rate)
    draw = np.random.default_rng(3)
    model.train()
    for _ in range(steps):
        chosen = draw.integers(len(rows), size=64).tolist()
        logits = model(*pad_batch(rows.take(chosen), 0))
        loss = nn.functional.cross_entropy(logits, labels[chosen])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    model.eval()
    with torch.inference_mode():
        decided = model(*pad_batch(tested, 0)).argmax(dim=1)
    return float((decided == gold).float().mean())


@pytest.mark.parametrize(
    ("build", "steps", "rate"),
    [(static, 60, 0.03), (encoder, 120, 2e-3)],
)
def test_what_hangs_on_the_previous_speaker_is_learned_with_context_alone(
    build: Callable[[int], nn.Module], steps: int, rate: float
) -> None:
    assert accuracy(build, READS, steps, rate) >= 0.95
    assert accuracy(build, READS.without_context(), steps // 4, rate) < 0.45


def test_a_body_gets_a_vector_per_role_and_a_type_per_turn() -> None:
    plain = bert_tokenizer(["anna ben carl"])
    marked = with_markers(plain, READS)
    model = tiny_classifier(vocabulary=len(plain), task=TASK)
    before = model.encoder.get_input_embeddings().weight.detach().clone()
    types = model.encoder.embeddings.token_type_embeddings.weight.detach().clone()
    add_markers(model, plain, marked, READS)
    table = model.encoder.get_input_embeddings().weight
    assert torch.equal(table[: len(before)], before)
    ids = plain("anna", add_special_tokens=False)["input_ids"]
    torch.testing.assert_close(table[marked.backend_tokenizer.token_to_id("[A]")], before[ids].mean(dim=0))
    now = model.encoder.embeddings.token_type_embeddings.weight
    assert torch.equal(now, torch.stack([types[0], types[1], types[1], types[1]]))
    assert model.config.type_vocab_size == 4
    add_markers(model, marked, marked, READS)
    assert len(model.encoder.get_input_embeddings().weight) == len(table)


def test_the_decided_turn_may_be_pooled_alone() -> None:
    hidden, mask = torch.randn(2, 5, 4), torch.tensor([[1, 1, 1, 1, 1], [1, 1, 0, 0, 0]])
    types = torch.tensor([[0, 0, 1, 1, 2], [0, 0, 0, 0, 0]])
    pooled = pool(hidden, mask, Pooling.TARGET, types)
    torch.testing.assert_close(pooled, hidden[:, :2].mean(dim=1))
    assert torch.equal(pool(hidden, mask, Pooling.TARGET), pool(hidden, mask, Pooling.MEAN))


def test_roberta_reads_marks_and_no_types() -> None:
    model = tiny_classifier("roberta", task=TASK)
    assert isinstance(model, EncoderClassifier)
    rows = TokenRows.typed([([4, 5, 6, 7], [0, 0, 1, 2]), ([4, 5], [0, 0])])
    ids, mask, types = pad_batch(rows, 1)
    with torch.inference_mode():
        assert torch.equal(model(ids, mask, types), model(ids, mask))


def test_dropped_context_leaves_the_beginning_of_a_row() -> None:
    rows = TokenRows.typed([([4, 5, 6, 7], [0, 0, 1, 2]), ([4, 5], [0, 0]), ([8, 9, 1], [0, 1, 1])])
    assert rows.own_lengths().tolist() == [2, 2, 1]
    some = rows.take([1, 2]).without_context([False, True])
    assert [(some[row], some.types_of(row)) for row in range(2)] == [([4, 5], [0, 0]), ([8], [0])]
    examples = Examples(rows, torch.zeros(3), torch.zeros(3, 2), torch.ones(3), context_dropout=0.5)
    chosen, tokens = examples.read([0, ~2])
    assert (chosen, list(tokens)) == ([0, 2], [[4, 5, 6, 7], [8]])


def test_context_is_dropped_anew_in_each_epoch_by_the_seed() -> None:
    lengths, own = np.full(4000, 9), np.full(4000, 3)

    def drawn(seed: int, epoch: int) -> list[list[int]]:
        sampler = LengthSortedBatches(lengths, 32, seed, own_lengths=own, context_dropout=0.25)
        sampler.set_epoch(epoch)
        return list(sampler)

    first = drawn(1, 0)
    assert first == drawn(1, 0)
    dropped = [{~row for batch in drawn(1, epoch) for row in batch if row < 0} for epoch in (0, 1)]
    assert dropped[0] != dropped[1]
    assert abs(len(dropped[0]) - 1000) < 150
    assert sorted(row if row >= 0 else ~row for batch in first for row in batch) == list(range(4000))
    plain = LengthSortedBatches(lengths, 32, 1)
    assert all(row >= 0 for batch in plain for row in batch)


def test_training_reads_turns_as_the_vectors_say() -> None:
    backend = tokenizer()
    stored = json.loads(VECTORS.read_text(encoding="utf-8"))
    assert stored == json.loads(json.dumps(drawn_cases(len(stored), seed=1)))
    for case in [*stored, *drawn_cases(100)]:
        template = Template(*(tuple(case["input"]["template"][part]) for part in ("target", "context")))
        reads = Turns(**{**case["input"], "decides": tuple(case["input"]["decides"]), "template": template})
        *context, target = (Turn(**turn) for turn in case["turns"])
        window = Window(Turn(target.speaker, "") if reads.predict == "next" else target, tuple(context))
        fast = PreTrainedTokenizerFast(tokenizer_object=backend)
        rows = encode(fast, [window], case["max_tokens"], reads=reads)
        assert (rows[0], rows.types_of(0)) == (case["read"]["ids"], case["read"]["types"])
