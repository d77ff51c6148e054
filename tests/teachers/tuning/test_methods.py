"""Few weights of a body learn, and these alone; merged they give the same logits; what cannot learn is refused."""

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, get_args

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from distill.export.runtime.errors import InputError
from distill.recipe.peft import PeftRecipe
from distill.teachers.checkpoints import load_classifier, save_classifier
from distill.teachers.encoder import EncoderClassifier, Pooling
from distill.teachers.encoding import encode, pad_batch
from distill.teachers.finetune import parameter_groups
from distill.teachers.protocols import Tokenizer
from distill.teachers.tokenizers import pad_id_of
from distill.teachers.tuning.methods import TUNINGS
from distill.teachers.tuning.stored import FOLDER, METHOD_FILE, WEIGHTS_FILE, keep, read_stored, restore
from distill.teachers.tuning.tuning import Tuning
from distill.teachers.tuning.weights import trained_weights
from tests.support import tiny_causal
from tests.support.tiny_bodies import DECODERS, ENCODERS, tiny_body
from tests.support.tiny_models import TEXTS, multi_label_task, pair_tokenizer, roberta_tokenizer

# small enough for a body of 32 numbers
OPTIONS = {"rank": 4, "bottleneck": 8, "tokens": 5}
WITHOUT_BIASES = ("modernbert", "llama", "gemma")


def tuning_of(method: str, **options: int) -> Tuning:
    return TUNINGS[method].of({**OPTIONS, **options})


@cache  # two trainings of a vocabulary may number its pieces in two ways
def tokenizer_for(kind: str) -> Any:
    if kind in DECODERS:
        return tiny_causal.tokenizer()
    return roberta_tokenizer() if kind in ("roberta", "xlm-roberta", "mpnet") else pair_tokenizer()


def prepared(kind: str, tuning: Tuning) -> tuple[EncoderClassifier, Tokenizer]:
    torch.manual_seed(5)
    pooling = Pooling.LAST if kind in DECODERS else Pooling.MEAN
    model = EncoderClassifier(tiny_body(kind), multi_label_task(), pooling, 0.0)
    return model, tuning.prepare(model, tokenizer_for(kind))


def batch_of(tokenizer: Tokenizer) -> tuple[torch.Tensor, ...]:
    return pad_batch(encode(tokenizer, TEXTS[:6], 40), pad_id_of(tokenizer))


def trained(model: EncoderClassifier, tokenizer: Tokenizer, steps: int = 3) -> None:
    groups = parameter_groups(model, body_learning_rate=1e-2, head_learning_rate=1e-2, weight_decay=0.01)
    optimizer, batch = torch.optim.AdamW(groups), batch_of(tokenizer)
    model.train()
    for _ in range(steps):
        optimizer.zero_grad()
        nn.functional.binary_cross_entropy_with_logits(model(*batch), torch.eye(3).repeat(2, 1)).backward()
        optimizer.step()
    model.eval()


def logits_of(model: nn.Module, tokenizer: Tokenizer) -> torch.Tensor:
    with torch.inference_mode():
        logits: torch.Tensor = model.eval()(*batch_of(tokenizer))
    return logits


def cases() -> Iterator[tuple[str, str]]:
    for kind in (*ENCODERS, *DECODERS):
        for method in TUNINGS:
            if method != "bitfit" or kind not in WITHOUT_BIASES:
                yield method, kind


def test_the_recipe_and_the_table_know_the_same_methods() -> None:
    assert get_args(PeftRecipe.model_fields["method"].annotation) == tuple(TUNINGS)
    for method, tuning in TUNINGS.items():
        assert tuning.method == method
        assert getattr(tuning, "__final__", False)
        assert tuning.of({}).options == ({} if tuning.option is None else {tuning.option: tuning.usual})


@pytest.mark.parametrize(("method", "kind"), cases())
def test_only_few_weights_learn_and_merging_changes_nothing(method: str, kind: str) -> None:
    tuning = tuning_of(method)
    tuning.check(tiny_body(kind), tokenizer_for(kind), 40)
    model, tokenizer = prepared(kind, tuning)
    few = trained_weights(model.encoder).keys()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    trained(model, tokenizer)
    changed = {name for name, tensor in model.state_dict().items() if not torch.equal(tensor, before[name])}
    assert changed == {"head.weight", "head.bias", *(f"encoder.{name}" for name in few)}
    expected = logits_of(model, tokenizer)
    tuning.merge(model)
    torch.testing.assert_close(logits_of(model, tokenizer), expected, rtol=0, atol=2e-5)
    plain = tiny_body(kind)
    if method == "prompt":
        plain.resize_token_embeddings(model.encoder.get_input_embeddings().num_embeddings, mean_resizing=False)
    if tuning.is_mergeable:
        state = model.encoder.state_dict()
        assert {name for name in state if "pooler" not in name} == {
            name for name in plain.state_dict() if "pooler" not in name
        }
        assert type(model.encoder) is type(plain)


@pytest.mark.parametrize("method", TUNINGS)
def test_the_few_weights_and_the_base_are_the_teacher(method: str, tmp_path: Path) -> None:
    tuning = tuning_of(method)
    model, tokenizer = prepared("bert", tuning)
    trained(model, tokenizer)
    expected = logits_of(model, tokenizer)
    keep(tmp_path, tuning, model.encoder, "0f")
    tuning.merge(model)
    save_classifier(model, tokenizer, tmp_path)
    stored = read_stored(tmp_path)
    assert stored is not None
    assert (stored.tuning, stored.base) == (tuning, "0f")
    torch.testing.assert_close(
        logits_of(load_classifier(tmp_path, multi_label_task()), tokenizer), expected, rtol=0, atol=1e-5
    )
    again = EncoderClassifier(tiny_body("bert"), multi_label_task(), Pooling.MEAN, 0.0)
    again.head.load_state_dict(model.head.state_dict())
    restored = restore(tmp_path, stored.tuning, again, tokenizer_for("bert"))
    assert torch.equal(logits_of(again, restored), expected)


def test_a_student_of_an_adapted_teacher_starts_from_the_base(tmp_path: Path) -> None:
    tuning = tuning_of("adapter")
    model, tokenizer = prepared("bert", tuning)
    trained(model, tokenizer)
    keep(tmp_path, tuning, model.encoder, "0f")
    save_classifier(model, tokenizer, tmp_path)
    base, start = tiny_body("bert"), load_classifier(tmp_path, multi_label_task(), adapted=False)
    state = start.encoder.state_dict()
    assert all(torch.equal(tensor, base.state_dict()[name]) for name, tensor in state.items())
    assert not torch.allclose(logits_of(start, tokenizer), logits_of(model, tokenizer), atol=1e-4)


def test_weights_of_another_base_are_refused(tmp_path: Path) -> None:
    tuning = tuning_of("adapter")
    model, tokenizer = prepared("bert", tuning)
    keep(tmp_path, tuning, model.encoder, "0f")
    other = EncoderClassifier(tiny_body("distilbert"), multi_label_task(), Pooling.MEAN, 0.0)
    with pytest.raises(InputError, match="not those of adapter on this base"):
        restore(tmp_path, tuning, other, tokenizer)
    path = tmp_path / FOLDER / WEIGHTS_FILE
    save_file({name: tensor / 0 for name, tensor in load_file(path).items()}, path)
    with pytest.raises(InputError, match="holds NaN or infinite values"):
        restore(tmp_path, tuning, model, tokenizer)
    path.write_bytes(b"half")
    with pytest.raises(InputError, match="not a whole safetensors file"):
        restore(tmp_path, tuning, other, tokenizer)
    (tmp_path / FOLDER / METHOD_FILE).write_text('{"method": "none"}')
    with pytest.raises(InputError, match="does not name a method"):
        read_stored(tmp_path)


@pytest.mark.parametrize("kind", ["bert", "roberta"])
def test_a_prompt_stands_behind_the_first_token_and_no_text_is_read_as_it(kind: str) -> None:
    plain = tokenizer_for(kind)
    _, tokenizer = prepared(kind, tuning_of("prompt"))
    ids, before = tokenizer("happy and sad")["input_ids"], plain("happy and sad")["input_ids"]
    rows = list(range(len(plain), len(plain) + 5))
    assert ids == [before[0], *rows, *before[1:]]
    pair = tokenizer.backend_tokenizer.encode("happy", "sad").ids
    assert pair == [before[0], *rows, *plain.backend_tokenizer.encode("happy", "sad").ids[1:]]
    assert not set(rows) & set(tokenizer("[prompt 0]", add_special_tokens=False)["input_ids"])
    assert len(tokenizer(TEXTS[0], truncation=True, max_length=12)["input_ids"]) == 12


@pytest.mark.parametrize(
    ("method", "kind", "options", "message"),
    [
        ("bitfit", "modernbert", {}, "has no biases to train. Use 'lora'"),
        ("bitfit", "llama", {}, "llama body has no biases to train. Use 'lora'"),
        ("bitfit", "gemma", {}, "gemma body has no biases to train. Use 'lora'"),
        ("lora", "bert", {"rank": 33}, r"`rank` is 33, and the narrowest linear map .* has a width of 32"),
        ("lora", "llama", {"rank": 17}, r"k_proj, has a width of 16"),
        ("adapter", "bert", {"bottleneck": 32}, "`bottleneck` is 32, and the layers .* are 32 wide"),
        ("prompt", "bert", {"tokens": 21}, "too few positions are left .* at most 20"),
    ],
)
def test_what_cannot_be_trained_is_refused(method: str, kind: str, options: dict[str, int], message: str) -> None:
    with pytest.raises(InputError, match=message):
        tuning_of(method, **options).check(tiny_body(kind), tokenizer_for("bert"), 40)
