"""Decoders with a classification head: the last token is found by the mask, whatever padding there is."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from tokenizers import processors
from torch import Tensor, nn
from transformers import AutoConfig, AutoModelForSequenceClassification, PreTrainedTokenizerFast

from distill.export.runtime.deciding.kinds.multi_label import MultiLabel
from distill.export.runtime.deciding.kinds.ordinal import Ordinal
from distill.export.runtime.errors import BundleError, InputError
from distill.labelling.onnx_teacher import in_onnxruntime
from distill.labelling.soft_labels import teacher_hash
from distill.runs.progress import Reporter
from distill.teachers.bodies import check_pooling
from distill.teachers.checkpoints import build_classifier, load_classifier, save_classifier
from distill.teachers.encoder import EncoderClassifier, Pooling, pool
from distill.teachers.encoding import encode, pad_batch
from distill.teachers.finetune import freeze, parameter_groups
from distill.teachers.layer_places import any_layers_of
from distill.teachers.tokenizers import load_tokenizer, pad_id_of
from tests.support import tiny_causal
from tests.support.tiny_bodies import DECODERS, ENCODERS, tiny_body, tiny_config
from tests.support.tiny_models import LABELS, multi_label_task

LENGTHS = (9, 5, 2, 1)
PAD = 7  # also a token of the texts, as where the end of a text is used as padding


def batch(side: str) -> tuple[Tensor, Tensor]:
    """The same rows with padding on one side: ids and mask (B, T); a real token of two of them is the padding."""
    ids = torch.randint(10, 400, (len(LENGTHS), 9), generator=torch.Generator().manual_seed(1))
    ids[0, 4] = ids[1, 4] = PAD
    rows = [row[:length] for row, length in zip(ids, LENGTHS, strict=True)]

    def placed(row: Tensor, fill: int) -> Tensor:
        rest = torch.full((9 - len(row),), fill)
        return torch.cat([row, rest] if side == "right" else [rest, row])

    ones = [torch.ones_like(row) for row in rows]
    return torch.stack([placed(row, PAD) for row in rows]), torch.stack([placed(one, 0) for one in ones])


@torch.inference_mode()
def logits_of(model: nn.Module, *given: Tensor) -> Tensor:
    logits: Tensor = model.eval()(*given)
    return logits


def published(kind: str, folder: Path, *, pad: int | None = PAD) -> Any:
    """Write a decoder with the head of transformers, and return it."""
    config = tiny_config(kind)
    config.id2label, config.label2id = dict(enumerate(LABELS)), {name: row for row, name in enumerate(LABELS)}
    config.pad_token_id = pad
    torch.manual_seed(4)
    model = AutoModelForSequenceClassification.from_config(config).eval()
    model.save_pretrained(folder)
    return model


def decoder(kind: str, pooling: Pooling = Pooling.LAST) -> EncoderClassifier:
    torch.manual_seed(5)
    return EncoderClassifier(tiny_body(kind), multi_label_task(), pooling, 0.0).eval()


@pytest.mark.parametrize("kind", DECODERS)
def test_a_published_head_gives_the_logits_of_transformers(kind: str, tmp_path: Path) -> None:
    model = published(kind, tmp_path)
    ids, mask = batch("right")
    # its own batches have no padding inside, which transformers would take for the end
    ids = ids.where(ids != PAD, 8).where(mask == 1, PAD)
    with torch.inference_mode():
        expected = model(input_ids=ids, attention_mask=mask).logits
    ours = load_classifier(tmp_path, MultiLabel(LABELS))
    assert isinstance(ours, EncoderClassifier)
    assert ours.pooling is Pooling.LAST
    torch.testing.assert_close(logits_of(ours, ids, mask), expected, rtol=0, atol=1e-5)
    reordered = load_classifier(tmp_path, MultiLabel(LABELS[::-1]))
    torch.testing.assert_close(logits_of(reordered, ids, mask), expected.flip(1), rtol=0, atol=1e-5)


@pytest.mark.parametrize("kind", DECODERS)
def test_a_text_that_holds_or_ends_with_the_padding_is_read_to_its_end(kind: str, tmp_path: Path) -> None:
    model = published(kind, tmp_path)
    ids, mask = batch("right")
    ours = logits_of(load_classifier(tmp_path, MultiLabel(LABELS)), ids, mask)
    for row, length in enumerate(LENGTHS):  # alone, and with no id for the padding
        model.config.pad_token_id = None
        with torch.inference_mode():
            expected = model(input_ids=ids[row : row + 1, :length]).logits
        torch.testing.assert_close(ours[row : row + 1], expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("pooling", [Pooling.LAST, Pooling.MEAN])
@pytest.mark.parametrize("kind", DECODERS)
def test_the_side_and_the_id_of_the_padding_change_nothing(kind: str, pooling: Pooling) -> None:
    model = decoder(kind, pooling)
    right, left = (logits_of(model, *batch(side)) for side in ("right", "left"))
    torch.testing.assert_close(left, right, rtol=0, atol=1e-5)
    ids, mask = batch("right")
    torch.testing.assert_close(logits_of(model, ids.where(mask == 1, 11), mask), right, rtol=0, atol=1e-6)
    for row, length in enumerate(LENGTHS):
        alone = logits_of(model, ids[row : row + 1, :length], mask[row : row + 1, :length])
        torch.testing.assert_close(alone, right[row : row + 1], rtol=0, atol=1e-5)


def test_the_last_token_is_that_of_the_mask() -> None:
    hidden = torch.arange(24.0).reshape(2, 4, 3)
    mask = torch.tensor([[1, 1, 0, 0], [0, 0, 0, 1]])
    assert pool(hidden, mask, Pooling.LAST).tolist() == [[3.0, 4.0, 5.0], [21.0, 22.0, 23.0]]


@pytest.mark.parametrize("kind", DECODERS)
def test_a_text_without_any_token_has_logits(kind: str) -> None:
    model = decoder(kind)
    both = logits_of(model, *pad_batch([[], [12, 30]], PAD))
    assert torch.isfinite(both).all()
    torch.testing.assert_close(both[:1], logits_of(model, *pad_batch([[]], PAD)), rtol=0, atol=1e-5)


@pytest.mark.parametrize("frozen", ["none", 1])
@pytest.mark.parametrize("kind", DECODERS)
def test_it_is_taught_stored_and_read_again(kind: str, frozen: Any, tmp_path: Path) -> None:
    tiny_body(kind).save_pretrained(tmp_path / "base")
    torch.manual_seed(5)
    model = build_classifier(tmp_path / "base", multi_label_task(), Pooling.LAST, 0.0)
    freeze(model, frozen)
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    groups = parameter_groups(model, body_learning_rate=1e-3, head_learning_rate=1e-2, weight_decay=0.0)
    given = batch("right")
    nn.functional.binary_cross_entropy_with_logits(model.train()(*given), torch.eye(4, 3)).backward()
    torch.optim.AdamW(groups).step()
    changed = {name for name, weight in model.state_dict().items() if not torch.equal(weight, before[name])}
    layers = any_layers_of(model.encoder)
    assert layers is not None
    first = {name for name in changed if ".0." in name}
    assert bool(first) == (frozen == "none")
    assert any(f".{len(layers) - 1}." in name for name in changed)
    taught = logits_of(model, *given)
    save_classifier(model, tiny_causal.tokenizer(), tmp_path / "teacher")
    read = load_classifier(tmp_path / "teacher", multi_label_task())
    assert read.pooling is Pooling.LAST
    torch.testing.assert_close(logits_of(read, *given), taught, rtol=0, atol=1e-6)


def tokenizer_with(folder: Path, *, begins: bool, pad: str | None) -> Any:
    made = tiny_causal.tokenizer()
    if begins:
        made.backend_tokenizer.post_processor = processors.TemplateProcessing(
            single="<|begin|> $A", special_tokens=[("<|begin|>", made.convert_tokens_to_ids("<|begin|>"))]
        )
    names = {"bos_token": "<|begin|>"} if begins else {}
    PreTrainedTokenizerFast(
        tokenizer_object=made.backend_tokenizer, **names, **({} if pad is None else {"pad_token": pad})
    ).save_pretrained(folder)
    return load_tokenizer(folder)


@pytest.mark.parametrize("begins", [False, True])
def test_a_tokenizer_needs_no_padding(begins: bool, tmp_path: Path) -> None:
    without = tokenizer_with(tmp_path / "without", begins=begins, pad=None)
    usual = tokenizer_with(tmp_path / "usual", begins=begins, pad="<|end|>")
    assert without.pad_token_id is None
    assert pad_id_of(without) == 0
    assert pad_id_of(usual) == usual.convert_tokens_to_ids("<|end|>")
    texts = tiny_causal.TEXTS[:5]
    rows = encode(without, texts, 20)
    assert [list(row) for row in rows] == [list(row) for row in encode(usual, texts, 20)]
    assert len(rows[2]) == int(begins)  # of an empty text
    model, rows = decoder("llama"), [row for row in rows if len(row)]
    first, second = (logits_of(model, *pad_batch(rows, pad_id_of(tokenizer))) for tokenizer in (without, usual))
    torch.testing.assert_close(first, second, rtol=0, atol=1e-6)


def test_the_tokenizer_of_a_decoder_may_have_a_pattern_of_its_own(tmp_path: Path) -> None:
    """Llama 3 and Qwen have one; a bundle must not, and the tokenizer of a decoder is never in one."""
    saved = tiny_causal.tokenizer()
    saved.save_pretrained(tmp_path)
    state = json.loads((tmp_path / "tokenizer.json").read_text())
    split = {"type": "Split", "pattern": {"Regex": r"\p{N}{1,3}"}, "behavior": "Isolated", "invert": False}
    state["pre_tokenizer"] = {"type": "Sequence", "pretokenizers": [split, state["pre_tokenizer"]]}
    (tmp_path / "tokenizer.json").write_text(json.dumps(state))
    with pytest.raises(BundleError, match="pattern of its own"):
        load_tokenizer(tmp_path)
    tiny_body("qwen2").save_pretrained(tmp_path)
    assert encode(load_tokenizer(tmp_path), ["1234"], 8)


@pytest.mark.parametrize(
    ("kind", "pooling", "message"),
    [
        ("llama", Pooling.FIRST, "`pooling` is 'first', and a token of this llama decoder sees .* Use 'last' or"),
        ("gpt2", Pooling.TARGET, "`pooling` is 'target', and a token of this gpt2 decoder"),
        ("opt", Pooling.FIRST, "`pooling` is 'first', and a token of this opt decoder"),  # not in our table
        ("camembert", Pooling.LAST, "`pooling` is 'last', which is for decoders"),
        ("xlm", Pooling.LAST, "`pooling` is 'last', which is for decoders"),
        ("bert", Pooling.LAST, "`pooling` is 'last', which is for decoders, .* Use 'mean' or 'first'"),
    ],
)
def test_a_pooling_that_cannot_work_is_refused(kind: str, pooling: Pooling, message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message):
        check_pooling(AutoConfig.for_model(kind), pooling.value)
    if kind in (*ENCODERS, *DECODERS):
        tiny_body(kind).save_pretrained(tmp_path)
        with pytest.raises(InputError, match=message):
            build_classifier(tmp_path, multi_label_task(), pooling, 0.0)


def test_a_head_that_is_not_there_or_does_not_fit_is_refused(tmp_path: Path) -> None:
    tiny_body("llama").save_pretrained(tmp_path / "body")
    with pytest.raises(InputError, match="no fine-tuned head. Give it as `model`"):
        load_classifier(tmp_path / "body", multi_label_task(), label_order="corpus")
    published("llama", tmp_path / "headed")
    with pytest.raises(InputError, match="ordinal task needs 2"):
        load_classifier(tmp_path / "headed", Ordinal(LABELS))


@pytest.mark.parametrize("kind", DECODERS)
def test_pytorch_labels_for_a_decoder(kind: str) -> None:
    assert in_onnxruntime(decoder(kind), batch("right"), Reporter(quiet=True)) is None


def test_the_hash_of_a_large_teacher_is_of_all_its_shards() -> None:
    files = {
        "head.safetensors": "a",
        "model-00001-of-00002.safetensors": "b",
        "model-00002-of-00002.safetensors": "c",
    }
    changed = {**files, "model-00002-of-00002.safetensors": "d"}
    assert teacher_hash(files) != teacher_hash(changed)
    assert teacher_hash(files) == teacher_hash({**files, "config.json": "e"})
