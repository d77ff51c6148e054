"""Checkpoints and the soft-label store: what is read is what was written, and nothing that belongs elsewhere."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Regex, pre_tokenizers

from distill.corpora.storage.token_rows import TokenRows
from distill.export.runtime.deciding.kinds.multi_label import MultiLabel
from distill.export.runtime.errors import BundleError, InputError
from distill.teachers.bodies import check_max_tokens
from distill.teachers.checkpoints import HEAD_FILE, load_classifier, load_config, save_classifier
from distill.teachers.encoder import Pooling, pool
from distill.teachers.store import SHARD_ROWS, LabelIdentity, label_split, read_logits
from distill.teachers.tokenizers import load_tokenizer
from tests.support.tiny_models import LABELS, bert_tokenizer, multi_label_task, tiny_classifier

IDENTITY = LabelIdentity("t", "k", "c", "train", LABELS, 32)
ROWS = [[row] for row in range(SHARD_ROWS + 10)]


def infer(rows):  # type: ignore[no-untyped-def]
    return np.array([[row[0], 1.0, -1.0] for row in rows], dtype=np.float32)


def test_pooling_ignores_padding() -> None:
    hidden = torch.arange(12.0).reshape(1, 3, 4)
    mask = torch.tensor([[1, 1, 0]])
    assert torch.equal(pool(hidden, mask, Pooling.MEAN), hidden[:, :2].mean(dim=1))
    assert torch.equal(pool(hidden, mask, Pooling.FIRST), hidden[:, 0])


@pytest.mark.parametrize("config", ["", "{", "[]", '{"classifier_pooling": "max"}', '{"classifier_pooling": [1]}'])
def test_a_checkpoint_with_a_broken_configuration_is_refused(config: str, tmp_path: Path) -> None:
    save_classifier(tiny_classifier(), bert_tokenizer(), tmp_path)
    (tmp_path / "config.json").write_text(config)
    with pytest.raises(InputError, match="config.json: The file is not a classifier's configuration"):
        load_classifier(tmp_path, multi_label_task())
    (tmp_path / "config.json").unlink()
    with pytest.raises(InputError, match="config.json: The file is not a classifier's configuration"):
        load_classifier(tmp_path, multi_label_task())


def test_a_checkpoint_puts_labels_into_the_tasks_order(tmp_path: Path) -> None:
    model = tiny_classifier()
    save_classifier(model, bert_tokenizer(), tmp_path)
    turned = MultiLabel(LABELS[::-1])
    ids, mask = torch.tensor([[5, 6, 7]]), torch.ones(1, 3, dtype=torch.long)
    expected = model(ids, mask).flip(1)
    assert torch.allclose(load_classifier(tmp_path, turned).eval()(ids, mask), expected)
    with pytest.raises(InputError, match="labels are not the corpus's"):
        load_classifier(tmp_path, MultiLabel(("joy", "sadness", "rage")))


def test_a_published_head_is_used_as_it_is(tmp_path: Path) -> None:
    from transformers import BertConfig, BertForSequenceClassification

    config = BertConfig(
        vocab_size=60, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32,
        id2label=dict(enumerate(LABELS)), label2id={n: i for i, n in enumerate(LABELS)},
    )  # fmt: skip
    published = BertForSequenceClassification(config).eval()
    published.save_pretrained(tmp_path)
    ids, mask = torch.tensor([[5, 6, 7]]), torch.ones(1, 3, dtype=torch.long)
    loaded = load_classifier(tmp_path, MultiLabel(LABELS[::-1])).eval()
    assert torch.allclose(loaded(ids, mask), published(ids, mask).logits.flip(1))


def test_the_store_gives_back_every_row(tmp_path: Path) -> None:
    label_split(tmp_path, ROWS, infer, IDENTITY)
    assert len(list(tmp_path.glob("part-*.parquet"))) == 2
    np.testing.assert_array_equal(read_logits(tmp_path, len(ROWS), IDENTITY), infer(ROWS))


def test_labelling_goes_on_where_it_stopped(tmp_path: Path) -> None:
    label_split(tmp_path, ROWS, infer, IDENTITY)
    (tmp_path / "part-00001.parquet").write_bytes(b"half a file")
    asked: list[int] = []

    def counting(rows):  # type: ignore[no-untyped-def]
        asked.append(len(rows))
        return infer(rows)

    label_split(tmp_path, ROWS, counting, IDENTITY)
    assert asked == [10]
    assert read_logits(tmp_path, len(ROWS), IDENTITY).shape == (len(ROWS), 3)


@pytest.mark.parametrize(
    "changed", [{"labels": LABELS[::-1]}, {"corpus_fingerprint": "x"}, {"teacher_hash": "x"}, {"max_tokens": 8}]
)
def test_logits_of_another_job_are_refused(tmp_path: Path, changed) -> None:  # type: ignore[no-untyped-def]
    label_split(tmp_path, ROWS[:5], infer, IDENTITY)
    with pytest.raises(InputError, match=next(iter(changed))):
        read_logits(tmp_path, 5, replace(IDENTITY, **changed))


def test_missing_rows_are_refused(tmp_path: Path) -> None:
    label_split(tmp_path, ROWS[:5], infer, IDENTITY)
    with pytest.raises(InputError, match="5 rows of logits where 6"):
        read_logits(tmp_path, 6, IDENTITY)


@pytest.mark.parametrize("broken", ["empty", "tokenizer", "head"])
def test_a_folder_that_is_no_model_is_one_sentence(broken: str, tmp_path: Path) -> None:
    if broken != "empty":
        save_classifier(tiny_classifier(), bert_tokenizer(), tmp_path)
    if broken == "tokenizer":
        (tmp_path / "tokenizer.json").write_text("{}")
        (tmp_path / "vocab.txt").unlink(missing_ok=True)
    if broken == "head":
        (tmp_path / HEAD_FILE).write_bytes(b"no safetensors")
    load = {"empty": load_config, "tokenizer": load_tokenizer}.get(broken)
    with pytest.raises(InputError, match=str(tmp_path.name)):
        load(tmp_path) if load else load_classifier(tmp_path, multi_label_task())


def test_texts_longer_than_a_body_reads_are_refused_with_the_bound() -> None:
    check_max_tokens(tiny_classifier().config, 64)
    with pytest.raises(InputError, match="at most 64 tokens"):
        check_max_tokens(tiny_classifier().config, 65)
    check_max_tokens(tiny_classifier("roberta").config, 64)  # of 66 positions two are never used
    with pytest.raises(InputError, match="at most 64 tokens"):
        check_max_tokens(tiny_classifier("roberta").config, 65)


@given(st.lists(st.lists(st.integers(0, 40_000), max_size=9), max_size=9), st.lists(st.just([7]), max_size=2))
def test_token_rows_are_what_lists_would_be(rows: list[list[int]], more: list[list[int]]) -> None:
    tokens = TokenRows.of(rows)
    assert list(tokens) == rows
    assert list(tokens[1:-1]) == rows[1:-1]
    assert tokens.lengths().tolist() == [len(row) for row in rows]
    assert list(tokens.followed_by(TokenRows.of(more))) == rows + more


def test_a_tokenizer_that_could_not_ship_is_refused_before_the_training(tmp_path: Path) -> None:
    tokenizer = bert_tokenizer()
    pattern = pre_tokenizers.Split(Regex("(a+)+$"), "isolated")
    tokenizer.backend_tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pattern])
    tokenizer.save_pretrained(tmp_path)
    with pytest.raises(BundleError, match="holds a pattern of its own in its pre_tokenizer"):
        load_tokenizer(tmp_path)
