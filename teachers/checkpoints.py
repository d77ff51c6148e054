"""Teachers on disk: the project's encoder classifiers and any transformers classifier, from safetensors only."""

import json
from pathlib import Path
from typing import Any, Literal

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from transformers import CONFIG_MAPPING, AutoConfig, AutoModelForSequenceClassification

from distill.export.graph.config import ModelConfig
from distill.export.runtime.deciding.task import Task
from distill.export.runtime.errors import InputError
from distill.teachers.bodies import check_pooling
from distill.teachers.causal import load_causal
from distill.teachers.encoder import EncoderClassifier, HeadedClassifier, Pooling, Teacher
from distill.teachers.gguf import is_gguf
from distill.teachers.layer_places import is_causal
from distill.teachers.protocols import Tokenizer
from distill.teachers.sources import model_type_of
from distill.teachers.tokenizers import load_tokenizer
from distill.teachers.tuning.bottleneck import without_bottlenecks
from distill.teachers.tuning.stored import read_stored, restore
from distill.teachers.weights import LOCAL, UNREADABLE, load_body, load_with_head, require_finite

HEAD_FILE = "head.safetensors"

# how a checkpoint's logits are assigned to labels: by name, or in the corpus's order
LabelOrder = Literal["named", "corpus"]


def require_transformers(path: str | Path) -> None:
    """Refuse a teacher whose model type transformers does not know.

    Raises:
        InputError: the config.json in the folder names such a type.
    """
    name = model_type_of(Path(path))
    if name is not None and name not in CONFIG_MAPPING:
        raise InputError(
            f"{path}: This is a model of type {name!r}, which has no encoder that a student could start from. "
            "Give a BERT, RoBERTa or DistilBERT as `model` or `checkpoint`."
        )


def load_config(path: str | Path) -> ModelConfig:
    """Load the transformers configuration in a folder.

    Raises:
        InputError: none can be read, or transformers does not know its model type.
    """
    require_transformers(path)
    try:
        config: ModelConfig = AutoConfig.from_pretrained(str(path), **LOCAL)
    except UNREADABLE as error:
        raise InputError(
            f"{path}: No model configuration can be loaded ({type(error).__name__}). Give a folder with "
            "config.json, tokenizer.json and model.safetensors."
        ) from error
    return config


def build_classifier(
    model: str | Path, task: Task, pooling: Pooling, dropout: float, argument: str = "model"
) -> EncoderClassifier:
    """Load a pretrained body with a fresh head; seed torch first, because the head is drawn at random.

    Args:
        model: the folder of an encoder or a decoder, or a decoder as one GGUF file.
        task: task of the logits.
        pooling: pooling of its last hidden states.
        dropout: dropout before the head.
        argument: the argument that named the model, for messages.

    Raises:
        InputError: the body cannot be loaded, a weight of it is missing, transformers does not know its model
            type, or the pooling does not fit it.
    """
    require_transformers(model)
    path = Path(model)
    body = load_causal(path, argument).model.base_model if is_gguf(path) else load_body(model, argument)
    check_pooling(body.config, pooling.value)
    return EncoderClassifier(body, task, pooling, dropout)


def save_classifier(model: EncoderClassifier, tokenizer: Tokenizer, folder: Path) -> None:
    """Write the folder that `load_classifier` reads; adapters are not written, see `tuning.stored.keep`."""
    config = model.encoder.config
    config.id2label = dict(enumerate(model.task.labels))
    config.label2id = {name: index for index, name in enumerate(model.task.labels)}
    config.problem_type = model.task.problem_type
    config.classifier_pooling = model.pooling.value
    plain = without_bottlenecks(model.encoder)
    model.encoder.save_pretrained(folder, safe_serialization=True, state_dict=plain)
    tokenizer.save_pretrained(folder)
    head = {name: tensor.detach().cpu().contiguous() for name, tensor in model.head.state_dict().items()}
    save_file(head, folder / HEAD_FILE)


def load_classifier(
    folder: str | Path,
    task: Task,
    pooling: Pooling | None = None,
    label_order: LabelOrder = "named",
    *,
    adapted: bool = True,
) -> Teacher:
    """Load a fine-tuned checkpoint: a folder with `head.safetensors`, or a model with a head of its own.

    Args:
        folder: the folder that `resolve_model` found.
        task: task of the logits; label names stored in the checkpoint must be the same set.
        pooling: pooling of a checkpoint that does not name its own.
        label_order: "corpus" takes logits without label names in the order of the task's labels.
        adapted: whether the body has the adapters of its tuning, if they could not be merged; without them it is
            the base, which a student can start from.

    Raises:
        InputError: it cannot be loaded, a weight of it is missing, it has a model type that transformers does not
            know or no head, or its labels are not the task's.
    """
    require_transformers(folder)
    head_file = Path(folder) / HEAD_FILE
    if head_file.is_file():
        model = _load_own(Path(folder), head_file, task, pooling, label_order)
        stored = read_stored(Path(folder)) if adapted else None
        if stored is not None and not stored.tuning.is_mergeable:
            restore(Path(folder), stored.tuning, model, load_tokenizer(folder))
        return model
    return _load_headed(str(folder), task, label_order)


def _load_own(
    folder: Path, head_file: Path, task: Task, pooling: Pooling | None, label_order: LabelOrder
) -> EncoderClassifier:
    try:
        head = load_file(head_file)
    except SafetensorError as error:
        raise InputError(f"{head_file}: The file is not a whole safetensors file. Copy it again.") from error
    if sorted(head) != ["bias", "weight"] or head["weight"].shape[0] != task.num_outputs:
        raise InputError(
            f"{head_file}: The file must hold 'weight' and 'bias' for the corpus's {task.num_labels} labels."
        )
    require_finite(head.items(), str(head_file))
    try:
        stored = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        pooling = Pooling(stored.get("classifier_pooling", pooling or "mean"))
    except (*UNREADABLE, RecursionError) as error:
        raise InputError(
            f"{folder / 'config.json'}: The file is not a classifier's configuration, or its classifier_pooling "
            f"is none of {', '.join(Pooling)}. Copy the folder again."
        ) from error
    model = build_classifier(folder, task, pooling, 0.1)
    if head["weight"].shape[1] != model.config.hidden_size:
        raise InputError(
            f"{head_file}: 'weight' must have {model.config.hidden_size} columns, as the encoder has."
        )
    order = _label_order(stored.get("id2label"), task, str(folder), label_order)
    if task.num_outputs == task.num_labels:
        head = {name: tensor[order] for name, tensor in head.items()}
    elif order != list(range(task.num_labels)):
        raise InputError(f"{folder}: Its labels have another order than the corpus's. Give them in that order.")
    model.head.load_state_dict({name: tensor.float() for name, tensor in head.items()})
    return model


def _load_headed(name: str, task: Task, label_order: LabelOrder) -> Teacher:
    model, has_head = load_with_head(AutoModelForSequenceClassification, name, "checkpoint")
    if not has_head:
        raise InputError(
            f"`checkpoint` {name!r}: The model has no fine-tuned head. Give it as `model` to fine-tune it."
        )
    order = _label_order(model.config.id2label, task, name, label_order)
    if task.num_outputs != task.num_labels:
        raise InputError(
            f"`checkpoint` {name!r}: Its head gives one logit per label, but a {task.kind} task needs "
            f"{task.num_outputs}. Give it as `model` to fine-tune it."
        )
    if not set(model.config.id2label.values()) & set(
        task.labels
    ):  # a copy of it must not need `label_order` again
        model.config.id2label = dict(enumerate(task.labels))
        model.config.label2id = {label: index for index, label in enumerate(task.labels)}
    if is_causal(model.config):
        return _of_decoder(model, task, order)
    return HeadedClassifier(model, task, order)


def _of_decoder(model: Any, task: Task, order: list[int]) -> EncoderClassifier:
    """Return a decoder with the head of its last token as a classifier of this project.

    transformers finds the last token by the id of padding, which may be the id of a token that ends a text, and
    refuses batches where there is none.
    """
    classifier = EncoderClassifier(model.base_model, task, Pooling.LAST)
    score = model.score
    with torch.no_grad():
        classifier.head.weight.copy_(score.weight[order])
        classifier.head.bias.copy_(torch.zeros(len(order)) if score.bias is None else score.bias[order])
    return classifier


def _label_order(id2label: dict[Any, str] | None, task: Task, where: str, label_order: LabelOrder) -> list[int]:
    """Return the row in the checkpoint's head of each label of the task."""
    # transformers does not store names that are its placeholders
    names = [id2label[key] for key in sorted(id2label, key=int)] if id2label else _placeholders(task.num_labels)
    if len(names) == task.num_labels and set(names) == set(task.labels):
        return [names.index(label) for label in task.labels]
    if len(names) == task.num_labels and _are_placeholders(names):
        if label_order == "corpus":
            return list(range(task.num_labels))
        raise InputError(
            f"{where}: The labels are placeholders ({names[0]}, ...), so the order of the logits is not known. "
            'Set `label_order` = "corpus" if it is the order of the corpus\'s labels, or write the names into '
            "id2label of its config.json."
        )
    missing = sorted(set(task.labels) - set(names))
    raise InputError(
        f"{where}: Its {len(names)} labels are not the corpus's {task.num_labels}"
        + (f" (missing: {', '.join(missing[:5])})" if missing else "")
        + ". Use a checkpoint for these labels, or fine-tune one with `model`."
    )


def _placeholders(count: int) -> list[str]:
    return [f"LABEL_{index}" for index in range(count)]


def _are_placeholders(names: list[str]) -> bool:
    """Return whether names only count: LABEL_0, LABEL_1; also 0, 1 and class1, class2."""
    prefix = names[0].rstrip("0123456789")
    return any(names == [f"{prefix}{index + first}" for index in range(len(names))] for first in (0, 1))
