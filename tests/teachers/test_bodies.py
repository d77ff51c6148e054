"""Bodies of ten architectures as teachers: loaded, trained, stored, and frozen by a table of their layers."""

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from transformers import AutoModel, AutoModelForSequenceClassification

from distill.export.runtime.deciding.kinds.multi_label import MultiLabel
from distill.export.runtime.errors import InputError
from distill.teachers.checkpoints import build_classifier, load_classifier, save_classifier
from distill.teachers.encoder import EncoderClassifier, Pooling
from distill.teachers.finetune import freeze, parameter_groups
from distill.teachers.layer_places import PLACES, any_layers_of, sublayer_outputs
from tests.support.tiny_bodies import DECODERS, ENCODERS, tiny_body, tiny_config
from tests.support.tiny_models import LABELS, bert_tokenizer, multi_label_task


def batch_of(pad_id: int) -> tuple[Tensor, Tensor]:
    """Rows of three lengths: ids and mask (B, T)."""
    ids = torch.randint(10, 400, (3, 9), generator=torch.Generator().manual_seed(1))
    mask = torch.tensor([[1] * 9, [1] * 5 + [0] * 4, [1] * 2 + [0] * 7])
    return ids.where(mask == 1, pad_id), mask


def logits_of(model: nn.Module, pad_id: int) -> Tensor:
    with torch.inference_mode():
        logits: Tensor = model.eval()(*batch_of(pad_id))
    return logits


@pytest.mark.parametrize("kind", ENCODERS)
def test_a_published_model_gives_the_logits_of_transformers(kind: str, tmp_path: Path) -> None:
    torch.manual_seed(4)
    config = tiny_config(kind)
    config.id2label, config.label2id = dict(enumerate(LABELS)), {name: row for row, name in enumerate(LABELS)}
    published = AutoModelForSequenceClassification.from_config(config).eval()
    published.save_pretrained(tmp_path)
    ids, mask = batch_of(config.pad_token_id)
    with torch.inference_mode():
        expected = published(input_ids=ids, attention_mask=mask).logits
    ours = logits_of(load_classifier(tmp_path, MultiLabel(LABELS)), config.pad_token_id)
    torch.testing.assert_close(ours, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("kind", ENCODERS)
def test_any_body_is_taught_stored_and_read_again(kind: str, tmp_path: Path) -> None:
    tiny_body(kind).save_pretrained(tmp_path / "base")
    torch.manual_seed(5)
    model = build_classifier(tmp_path / "base", multi_label_task(), Pooling.MEAN, 0.0)
    pad_id = model.encoder.config.pad_token_id
    before = logits_of(model, pad_id)
    groups = parameter_groups(model, body_learning_rate=1e-3, head_learning_rate=1e-2, weight_decay=0.0)
    optimizer = torch.optim.AdamW(groups)
    nn.functional.binary_cross_entropy_with_logits(model.train()(*batch_of(pad_id)), torch.eye(3)).backward()
    optimizer.step()
    taught = logits_of(model, pad_id)
    assert not torch.allclose(taught, before)
    save_classifier(model, bert_tokenizer(), tmp_path / "teacher")
    read = load_classifier(tmp_path / "teacher", multi_label_task())
    torch.testing.assert_close(logits_of(read, pad_id), taught, rtol=0, atol=1e-6)


@pytest.mark.parametrize("kind", [*ENCODERS, *DECODERS])
def test_layers_are_where_the_table_says(kind: str) -> None:
    body = tiny_body(kind)
    layers = any_layers_of(body)
    groups = kind == "albert"  # three layers that share the weights of one
    assert layers is not None
    assert len(layers) == (1 if groups else 3)
    assert len(sublayer_outputs(body)) == 2 * len(layers)
    if kind in ENCODERS:
        model = EncoderClassifier(body, multi_label_task(), Pooling.MEAN, 0.0)
        freeze(model, 1)
        learn = {name for name, weight in model.encoder.named_parameters() if weight.requires_grad}
        last = f"{PLACES[kind].layers}.{len(layers) - 1}."
        assert learn
        assert all(name.startswith(last) for name in learn)
        with pytest.raises(InputError, match="Ask for at most that"):
            freeze(model, 4)


def test_a_body_that_is_not_in_the_table_can_be_frozen_whole() -> None:
    body = AutoModel.from_config(tiny_config("bert"))
    body.config.model_type = "unheard-of"
    model = EncoderClassifier(body, multi_label_task(), Pooling.MEAN, 0.0)
    with pytest.raises(InputError, match="the layers of a unheard-of body are not known. Use 'none' or 'body'"):
        freeze(model, 1)
    freeze(model, "body")
