"""Models whose files do not belong together: loaded whole or refused in one sentence, never partly at random."""

import json
import math
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import (
    BertForMaskedLM,
    BertForSequenceClassification,
    DistilBertForMaskedLM,
    RobertaForMaskedLM,
)

from distill.export.runtime.deciding.kinds.multi_label import MultiLabel
from distill.export.runtime.errors import InputError
from distill.teachers.checkpoints import build_classifier, load_classifier, save_classifier
from distill.teachers.encoder import Pooling
from distill.teachers.sources import resolve_model
from distill.teachers.tokenizers import require_rows
from distill.teachers.weights import common_prefix, load_body
from tests.support.tiny_models import LABELS, bert_tokenizer, multi_label_task, tiny_classifier

TASK_MODELS = {"bert": BertForMaskedLM, "roberta": RobertaForMaskedLM, "distilbert": DistilBertForMaskedLM}
WEIGHTS = "model.safetensors"


def body(kind: str, folder: Path) -> dict[str, torch.Tensor]:
    """Save a body alone, and return its tensors."""
    encoder = tiny_classifier(kind).encoder
    encoder.save_pretrained(folder, safe_serialization=True)
    return {name: tensor.clone() for name, tensor in load_file(folder / WEIGHTS).items()}


def rename(folder: Path, new: Callable[[str], str]) -> None:
    tensors = {new(name): tensor for name, tensor in load_file(folder / WEIGHTS).items()}
    save_file(tensors, folder / WEIGHTS, metadata={"format": "pt"})


def configure(folder: Path, **values: object) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | values))


def assert_loads(folder: Path, expected: dict[str, torch.Tensor]) -> None:
    loaded = build_classifier(folder, multi_label_task(), Pooling.MEAN, 0.0).encoder.state_dict()
    assert expected.keys() <= loaded.keys()
    assert all(torch.equal(loaded[name], tensor) for name, tensor in expected.items())


def refusal(folder: Path) -> str:
    with pytest.raises(InputError) as found:
        load_body(folder, "model")
    message = str(found.value)
    assert "\n" not in message
    assert len(message) < 500 + len(str(folder))
    return message


@pytest.mark.parametrize("kind", TASK_MODELS)
@pytest.mark.parametrize(
    "prefix", ["", "bert.", "roberta.", "model.", "module.", "encoder.", "module.model.bert."]
)
def test_prefixes_of_known_wrappers_are_taken_off(kind: str, prefix: str, tmp_path: Path) -> None:
    expected = body(kind, tmp_path)
    rename(tmp_path, lambda name: prefix + name)
    assert_loads(tmp_path, expected)


@pytest.mark.parametrize("kind", TASK_MODELS)
@pytest.mark.parametrize("prefix", ["", "module.", "_orig_mod."])
def test_the_body_of_a_masked_model_is_found_in_it(kind: str, prefix: str, tmp_path: Path) -> None:
    config = tiny_classifier(kind).encoder.config
    model = TASK_MODELS[kind](config)
    model.save_pretrained(tmp_path)
    rename(tmp_path, lambda name: prefix + name)
    assert_loads(tmp_path, dict(model.base_model.state_dict()))


@pytest.mark.parametrize("kind", TASK_MODELS)
def test_a_prefix_that_nobody_knows_is_named_with_the_way_on(kind: str, tmp_path: Path) -> None:
    body(kind, tmp_path)
    rename(tmp_path, lambda name: f"student_net.{name}")
    assert "the prefix 'student_net.'" in (said := refusal(tmp_path))
    assert said.endswith("distill convert FOLDER --out NEW --prefix student_net.`.")


def test_of_two_towers_none_is_chosen(tmp_path: Path) -> None:
    tensors = body("bert", tmp_path)
    towers = {f"{side}.{name}": tensor.clone() for side in ("model", "module") for name, tensor in tensors.items()}
    save_file(towers, tmp_path / WEIGHTS, metadata={"format": "pt"})
    assert "Its weights are not those of its config.json" in refusal(tmp_path)
    assert common_prefix({"a.b"}, {"x.a.b", "y.a.b"}) is None
    assert common_prefix({"a.b", "c"}, {"x.a.b", "x.c"}) == "x."
    assert common_prefix(set(), {"x.c"}) is None


@pytest.mark.parametrize("kind", TASK_MODELS)
@pytest.mark.parametrize("layers", [2, 5])
def test_another_number_of_layers_in_config_and_weights(kind: str, layers: int, tmp_path: Path) -> None:
    body(kind, tmp_path)
    key = "n_layers" if kind == "distilbert" else "num_hidden_layers"
    configure(tmp_path, **{key: layers})
    assert f"config.json has {layers} layers and its weights have 3. Set {key} to 3" in refusal(tmp_path)


@pytest.mark.parametrize("kind", TASK_MODELS)
def test_a_layer_that_is_missing_in_between_is_no_smaller_model(kind: str, tmp_path: Path) -> None:
    tensors = body(kind, tmp_path)
    kept = {name: tensor.clone() for name, tensor in tensors.items() if "layer.1." not in name}
    assert len(kept) < len(tensors)
    save_file(kept, tmp_path / WEIGHTS, metadata={"format": "pt"})
    said = refusal(tmp_path)
    assert "Its weights are not those of its config.json" in said
    assert "Set " not in said


@pytest.mark.parametrize(
    ("kind", "other"), [("bert", "distilbert"), ("distilbert", "bert"), ("distilbert", "roberta")]
)
def test_weights_of_another_architecture(kind: str, other: str, tmp_path: Path) -> None:
    body(kind, tmp_path)
    configure(tmp_path, model_type=other, architectures=None, num_hidden_layers=3, hidden_size=32, dim=32)
    configure(tmp_path, intermediate_size=64, hidden_dim=64, n_layers=3, num_attention_heads=4, n_heads=4)
    said = refusal(tmp_path)
    assert re.search(rf"not those of its config.json: \d+ tensors of a {other} are missing", said) or (
        "by config.json" in said
    )


def test_weights_that_fit_another_architecture_which_counts_positions_in_another_way(tmp_path: Path) -> None:
    body("bert", tmp_path)
    configure(tmp_path, model_type="roberta")
    assert "the architecture BertModel" in (said := refusal(tmp_path))
    assert "Set model_type to bert" in said


@pytest.mark.parametrize(("key", "value"), [("vocab_size", 401), ("hidden_size", 64), ("intermediate_size", 32)])
def test_tensors_of_another_shape(key: str, value: int, tmp_path: Path) -> None:
    body("bert", tmp_path)
    configure(tmp_path, **{key: value})
    assert re.search(r"The tensor '\S+' is \d+( x \d+)? in the weights and \d+", refusal(tmp_path))


@pytest.mark.parametrize("kept", [0, 4, 100, -1])
def test_a_file_that_was_cut(kept: int, tmp_path: Path) -> None:
    body("bert", tmp_path)
    (tmp_path / WEIGHTS).write_bytes((tmp_path / WEIGHTS).read_bytes()[:kept])
    assert "model.safetensors is not a whole safetensors file. Copy it again." in refusal(tmp_path)


def test_one_missing_tensor_is_enough_and_a_pooler_is_none(tmp_path: Path) -> None:
    tensors = body("bert", tmp_path)
    assert not any(name.startswith("pooler") for name in tensors)  # as the project saves a body
    assert_loads(tmp_path, tensors)
    del tensors["encoder.layer.1.attention.output.LayerNorm.bias"]
    save_file(tensors, tmp_path / WEIGHTS, metadata={"format": "pt"})
    assert "1 tensors of a bert are missing" in refusal(tmp_path)


@pytest.mark.parametrize("kind", TASK_MODELS)
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("stored", [torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("place", [0, -1])
def test_one_value_that_is_no_number_is_refused(
    kind: str, value: float, stored: torch.dtype, place: int, tmp_path: Path
) -> None:
    tensors = body(kind, tmp_path)
    name = sorted(tensors)[place]
    tensors = {key: tensor.to(stored) for key, tensor in tensors.items()}
    tensors[name].view(-1)[place] = value
    save_file(tensors, tmp_path / WEIGHTS, metadata={"format": "pt"})
    assert f"'{name}' holds NaN or infinite values" in refusal(tmp_path)


@pytest.mark.parametrize("own", [True, False])
def test_the_head_of_a_finished_teacher_is_made_of_numbers(own: bool, tmp_path: Path) -> None:
    if own:
        model = tiny_classifier()
        torch.nn.init.constant_(model.head.bias, math.nan)
        save_classifier(model, bert_tokenizer(), tmp_path)
    else:
        published(tmp_path, LABELS)
        tensors = load_file(tmp_path / WEIGHTS)
        tensors["classifier.weight"][0, 0] = math.inf
        save_file(tensors, tmp_path / WEIGHTS, metadata={"format": "pt"})
    with pytest.raises(InputError, match="bias|classifier.weight") as found:
        load_classifier(tmp_path, multi_label_task())
    assert "NaN or infinite" in str(found.value)


def published(folder: Path, labels: tuple[str, ...]) -> BertForSequenceClassification:
    config = tiny_classifier().encoder.config
    config.id2label = dict(enumerate(labels))
    config.label2id = {name: index for index, name in enumerate(labels)}
    model = BertForSequenceClassification(config).eval()
    model.save_pretrained(folder)
    return model


@pytest.mark.parametrize("prefix", ["", "module.", "model."])
def test_a_published_head_under_a_wrapper(prefix: str, tmp_path: Path) -> None:
    model = published(tmp_path, LABELS)
    rename(tmp_path, lambda name: prefix + name)
    ids, mask = torch.tensor([[5, 6, 7]]), torch.ones(1, 3, dtype=torch.long)
    loaded = load_classifier(tmp_path, multi_label_task()).eval()
    torch.testing.assert_close(loaded(ids, mask), model(ids, mask).logits, rtol=0, atol=1e-6)


def test_a_checkpoint_of_too_few_layers_or_without_its_head(tmp_path: Path) -> None:
    published(tmp_path, LABELS)
    configure(tmp_path, num_hidden_layers=4)
    with pytest.raises(InputError, match="has 4 layers and its weights have 3"):
        load_classifier(tmp_path, multi_label_task())
    configure(tmp_path, num_hidden_layers=3)
    rename(tmp_path, lambda name: name.replace("classifier.", "another."))
    with pytest.raises(InputError, match="has no fine-tuned head"):
        load_classifier(tmp_path, multi_label_task())


@pytest.mark.parametrize(
    "names", [("LABEL_0", "LABEL_1", "LABEL_2"), ("0", "1", "2"), ("class1", "class2", "class3")]
)
@pytest.mark.parametrize("own", [True, False])
def test_placeholder_labels_need_the_key_that_gives_their_order(
    names: tuple[str, ...], own: bool, tmp_path: Path
) -> None:
    task = multi_label_task()
    ids, mask = torch.tensor([[5, 6, 7]]), torch.ones(1, 3, dtype=torch.long)
    if own:
        model = tiny_classifier()
        save_classifier(model, bert_tokenizer(), tmp_path)
        configure(tmp_path, id2label=dict(enumerate(names)), label2id=None)
        expected = model(ids, mask)
    else:
        expected = published(tmp_path, names)(ids, mask).logits
    with pytest.raises(InputError, match='Set `label_order` = "corpus" if it is the order'):
        load_classifier(tmp_path, task)
    loaded = load_classifier(tmp_path, task, label_order="corpus").eval()
    assert torch.allclose(loaded(ids, mask), expected)
    # where the corpus's labels are these names, they are names
    load_classifier(tmp_path, MultiLabel(names))


def test_a_copy_of_a_checkpoint_without_names_has_those_of_the_corpus(tmp_path: Path) -> None:
    published(tmp_path / "a", ("LABEL_0", "LABEL_1", "LABEL_2"))
    loaded = load_classifier(tmp_path / "a", multi_label_task(), label_order="corpus")
    loaded.model.save_pretrained(tmp_path / "b")  # type: ignore[union-attr, operator]
    load_classifier(tmp_path / "b", multi_label_task())


def test_more_token_ids_than_rows() -> None:
    tokenizer = bert_tokenizer()
    rows = len(tokenizer)
    require_rows(tokenizer, rows, "folder")
    with pytest.raises(
        InputError, match=rf"folder: Its tokenizer has token ids up to {rows - 1}, .* {rows - 1} rows"
    ):
        require_rows(tokenizer, rows - 1, "folder")
    tokenizer.add_tokens(["[SPEAKER]"])
    with pytest.raises(InputError, match=f"token ids up to {rows}"):
        require_rows(tokenizer, rows, "folder")


@pytest.mark.parametrize("place", ["0_Transformer", ""])
def test_the_encoder_of_a_sentence_transformer_is_found_in_its_folder(place: str, tmp_path: Path) -> None:
    folder = tmp_path / "sentences"
    expected = body("bert", folder / place)
    bert_tokenizer().save_pretrained(folder / place)
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling/config.json").write_text("{}")
    modules = [("0", place, "Transformer"), ("1", "1_Pooling", "Pooling")]
    (folder / "modules.json").write_text(
        json.dumps([{"name": n, "path": p, "type": f"sentence_transformers.models.{t}"} for n, p, t in modules])
    )
    source = resolve_model(str(folder))
    assert source.name == "sentences"
    assert_loads(source.folder, expected)


@pytest.mark.parametrize("path", ["../other", "/tmp", "a/b", 3, None])
def test_a_module_is_never_sought_elsewhere(path: object, tmp_path: Path) -> None:
    folder = tmp_path / "sentences"
    folder.mkdir()
    body("bert", tmp_path / "other")
    (folder / "modules.json").write_text(json.dumps([{"path": path, "type": "x.Transformer"}]))
    with pytest.raises(InputError, match="has no model.safetensors"):
        resolve_model(str(folder))


def test_a_pointer_of_git_lfs_is_no_file(tmp_path: Path) -> None:
    body("bert", tmp_path)
    (tmp_path / WEIGHTS).write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 90\n")
    with pytest.raises(InputError, match=r"model.safetensors is a pointer of Git LFS .* Run `git lfs pull` there"):
        resolve_model(str(tmp_path))
