"""The encoder classifier: a transformer body, pooling over its last hidden states, and one linear head.

On disk it is a folder that `AutoModel` loads (the body, `config.json` with the labels and the pooling, the
tokenizer) beside `head.safetensors` with `weight (C, H)` and `bias (C,)`. Weights are safetensors, never pickles.
"""

import json
from enum import StrEnum
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from torch import Tensor, nn
from transformers import AutoConfig, AutoModel, AutoModelForSequenceClassification, AutoTokenizer

from corpora.task import Task
from export.runtime.encoder import failed
from export.runtime.errors import InputError
from export.runtime.tokenizer_file import check_tokenizer_file

HEAD_FILE = "head.safetensors"
# what transformers raises over files that are missing, broken or of another kind
UNREADABLE = (OSError, ValueError, KeyError, AttributeError, TypeError, SafetensorError)
# nothing is looked up, and no code that a model brings along is run or asked about
LOCAL: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
# what a `static` student calls itself in config.json; it has no body that anything could start from
STATIC_MODEL_TYPE = "static"
OFFSET_POSITIONS = ("roberta", "xlm-roberta", "camembert")
# a fresh multi-label head starts near the base rate of a rare label, or the first steps only unlearn 0.5
RARE_LABEL_LOGIT = -3.0


class Pooling(StrEnum):
    """How a text's last hidden states become one vector."""

    MEAN = "mean"
    FIRST = "first"


def pool(hidden: Tensor, attention_mask: Tensor, pooling: Pooling) -> Tensor:
    """One vector a text: ``(B, T, H), (B, T) -> (B, H)``; padding never counts."""
    if pooling is Pooling.FIRST:
        return hidden[:, 0]
    mask = attention_mask.unsqueeze(-1).to(hidden.dtype)  # (B, T, 1)
    return (hidden * mask).sum(dim=1) / mask.sum(dim=1).clamp(min=1)


class EncoderClassifier(nn.Module):
    """A body from `AutoModel`, pooling, dropout and a linear head; teachers and students alike."""

    def __init__(self, encoder: Any, task: Task, pooling: Pooling, dropout: float = 0.1) -> None:
        super().__init__()
        # a randomly initialised pooler would travel along unused
        if getattr(encoder, "pooler", None) is not None and encoder.config.model_type in ("bert", "roberta"):
            encoder.pooler = None
        self.encoder = encoder
        self.task = task
        self.pooling = pooling
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(encoder.config.hidden_size, task.num_labels)
        nn.init.normal_(self.head.weight, std=0.02)
        nn.init.constant_(self.head.bias, RARE_LABEL_LOGIT if task.multi_label else 0.0)

    @property
    def config(self) -> Any:
        """The body's transformers configuration."""
        return self.encoder.config

    def forward(self, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor | None = None) -> Tensor:
        """Raw logits: ``(B, T) -> (B, C)``."""
        inputs = {"input_ids": input_ids, "attention_mask": attention_mask}
        if token_type_ids is not None:
            inputs["token_type_ids"] = token_type_ids
        return self.classify(self.encoder(**inputs).last_hidden_state, attention_mask)

    def classify(self, hidden: Tensor, attention_mask: Tensor) -> Tensor:
        """Raw logits of the body's last hidden states: ``(B, T, H), (B, T) -> (B, C)``."""
        logits: Tensor = self.head(self.dropout(pool(hidden, attention_mask, self.pooling)))
        return logits


class HeadedClassifier(nn.Module):
    """A published model with its own sequence-classification head, its logits put into the task's order."""

    def __init__(self, model: Any, task: Task, order: list[int]) -> None:
        super().__init__()
        self.model = model
        self.task = task
        self.register_buffer("order", torch.tensor(order), persistent=False)

    @property
    def encoder(self) -> Any:
        """The body, for students that start from it."""
        return self.model.base_model

    @property
    def config(self) -> Any:
        """The model's transformers configuration."""
        return self.model.config

    def forward(self, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor | None = None) -> Tensor:
        """Raw logits in the task's label order: ``(B, T) -> (B, C)``."""
        inputs = {"input_ids": input_ids, "attention_mask": attention_mask}
        if token_type_ids is not None:
            inputs["token_type_ids"] = token_type_ids
        logits: Tensor = self.model(**inputs).logits[:, self.order]
        return logits


Teacher = EncoderClassifier | HeadedClassifier


def model_type_of(path: str | Path) -> str | None:
    """What the config.json in a folder calls its model; None where there is none that says it."""
    try:
        data = json.loads((Path(path) / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    return str(data["model_type"]) if isinstance(data, dict) and "model_type" in data else None


def refuse_static(path: str | Path) -> None:
    """Refuse a static student where a teacher is wanted.

    Raises:
        InputError: it is one.
    """
    if model_type_of(path) == STATIC_MODEL_TYPE:
        raise InputError(
            f"{path}: is a static student, which has no encoder that another student could start from; "
            "name a BERT, RoBERTa or DistilBERT in teacher.model or teacher.checkpoint"
        )


def load_config(path: str | Path) -> Any:
    """The transformers configuration in a folder.

    Raises:
        InputError: there is none that can be read, or it is a static student's.
    """
    refuse_static(path)
    try:
        return AutoConfig.from_pretrained(str(path), **LOCAL)
    except UNREADABLE as error:
        raise InputError(
            f"{path}: no model configuration can be loaded ({type(error).__name__}); give a folder "
            "with config.json, tokenizer.json and model.safetensors"
        ) from error


def load_tokenizer(path: str | Path) -> Any:
    """The fast tokenizer in a folder.

    Raises:
        InputError: none can be loaded, or it is not a fast one.
        BundleError: it holds what no bundle may ship; better said now than after the training.
    """
    try:
        tokenizer = AutoTokenizer.from_pretrained(str(path), use_fast=True, **LOCAL)
    except BaseException as error:
        if not failed(error):
            raise
        raise InputError(
            f"{path}: no tokenizer can be loaded ({type(error).__name__}); check the folder's "
            "tokenizer.json and tokenizer_config.json"
        ) from error
    if not tokenizer.is_fast:
        raise InputError(f"{path}: has no fast tokenizer (tokenizer.json), which the bundle needs; add one")
    check_tokenizer_file(tokenizer.backend_tokenizer.to_str().encode(), f"{path}: its tokenizer")
    return tokenizer


def uncut(tokenizer: Any) -> Tokenizer:
    """A copy of a fast tokenizer's backend that neither cuts nor pads."""
    plain = Tokenizer.from_str(tokenizer.backend_tokenizer.to_str())
    plain.no_truncation()
    plain.no_padding()
    return plain


def check_max_tokens(config: Any, max_tokens: int) -> None:
    """Refuse texts that are longer than a body has positions for.

    Raises:
        InputError: `max_tokens` is above what this configuration can read.
    """
    most = most_tokens(config)
    if most is not None and max_tokens > most:
        raise InputError(
            f"corpus.max_tokens is {max_tokens}; this {config.model_type} teacher reads at most "
            f"{most} tokens: lower it"
        )


def most_tokens(config: Any) -> int | None:
    """How many tokens a body of this configuration has positions for; None where it does not count them."""
    positions = getattr(config, "max_position_embeddings", None)
    if positions is None:
        return None
    return int(positions) - unused_positions(config)


def unused_positions(config: Any) -> int:
    """How many positions a body of this configuration leaves before the first token's."""
    # these bodies count positions from behind the padding id
    return int(config.pad_token_id) + 1 if config.model_type in OFFSET_POSITIONS else 0


def build_classifier(model: str | Path, task: Task, pooling: Pooling, dropout: float) -> EncoderClassifier:
    """A pretrained body with a fresh head; seed torch before, for the head is drawn at random.

    Raises:
        InputError: the body cannot be loaded, or it is a static student, which has none.
    """
    refuse_static(model)
    try:
        encoder = AutoModel.from_pretrained(str(model), use_safetensors=True, dtype=torch.float32, **LOCAL)
    except UNREADABLE as error:
        raise InputError(
            f"teacher.model {str(model)!r}: no encoder with safetensors weights can be loaded "
            f"({type(error).__name__}); give a folder with config.json and model.safetensors"
        ) from error
    return EncoderClassifier(encoder, task, pooling, dropout)


def save_classifier(model: EncoderClassifier, tokenizer: Any, folder: Path) -> None:
    """Write the folder that `load_classifier` reads."""
    config = model.encoder.config
    config.id2label = dict(enumerate(model.task.labels))
    config.label2id = {name: index for index, name in enumerate(model.task.labels)}
    config.problem_type = model.task.problem_type
    config.classifier_pooling = model.pooling.value
    model.encoder.save_pretrained(folder, safe_serialization=True)
    tokenizer.save_pretrained(folder)
    head = {name: tensor.detach().cpu().contiguous() for name, tensor in model.head.state_dict().items()}
    save_file(head, folder / HEAD_FILE)


def load_classifier(folder: str | Path, task: Task, pooling: Pooling | None = None) -> Teacher:
    """A fine-tuned checkpoint: a folder with `head.safetensors`, or one whose model has a head of its own.

    Args:
        folder: where `resolve_model` found it.
        task: what the logits must stand for; names stored in the checkpoint must be the same set.
        pooling: for a checkpoint that does not say how it pools.

    Raises:
        InputError: it cannot be loaded, is a static student, has no head, or its labels are not the task's.
    """
    refuse_static(folder)
    head_file = Path(folder) / HEAD_FILE
    if head_file.is_file():
        return _load_own(Path(folder), head_file, task, pooling)
    return _load_headed(str(folder), task)


def _load_own(folder: Path, head_file: Path, task: Task, pooling: Pooling | None) -> EncoderClassifier:
    try:
        head = load_file(head_file)
    except SafetensorError as error:
        raise InputError(f"{head_file}: is not a whole safetensors file; copy it again") from error
    if sorted(head) != ["bias", "weight"] or head["weight"].shape[0] != task.num_labels:
        raise InputError(f"{head_file}: must hold 'weight' and 'bias' for the corpus's {task.num_labels} labels")
    try:
        stored = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        pooling = Pooling(stored.get("classifier_pooling", pooling or "mean"))
    except (*UNREADABLE, RecursionError) as error:
        raise InputError(
            f"{folder / 'config.json'}: is no configuration of a classifier, or its classifier_pooling is not one "
            f"of {', '.join(Pooling)}; copy the folder again"
        ) from error
    model = build_classifier(folder, task, pooling, 0.1)
    if head["weight"].shape[1] != model.config.hidden_size:
        raise InputError(f"{head_file}: 'weight' must have {model.config.hidden_size} columns, as the body")
    order = _label_order(stored.get("id2label"), task, str(folder), required=False)
    model.head.load_state_dict({name: tensor.float()[order] for name, tensor in head.items()})
    return model


def _load_headed(name: str, task: Task) -> HeadedClassifier:
    try:
        config = AutoConfig.from_pretrained(name, **LOCAL)
        model, info = AutoModelForSequenceClassification.from_pretrained(
            name, use_safetensors=True, dtype=torch.float32, output_loading_info=True, **LOCAL
        )
    except UNREADABLE as error:
        raise InputError(
            f"teacher.checkpoint {name!r}: cannot be loaded ({type(error).__name__}); give a folder that "
            f"has {HEAD_FILE}, or a model with a sequence-classification head in safetensors"
        ) from error
    if any(key.startswith(("classifier", "score", "pre_classifier")) for key in info["missing_keys"]):
        raise InputError(
            f"teacher.checkpoint {name!r}: has no fine-tuned head; name it in teacher.model to fine-tune it"
        )
    order = _label_order(config.id2label, task, name, required=True)
    return HeadedClassifier(model, task, order)


def _label_order(id2label: dict[Any, str] | None, task: Task, where: str, *, required: bool) -> list[int]:
    """For each label of the task its row in the checkpoint's head."""
    names = [id2label[key] for key in sorted(id2label, key=int)] if id2label else []
    placeholders = not names or all(name == f"LABEL_{index}" for index, name in enumerate(names))
    if placeholders and not required:
        return list(range(task.num_labels))
    if len(names) != task.num_labels or set(names) != set(task.labels):
        missing = sorted(set(task.labels) - set(names))
        raise InputError(
            f"{where}: its {len(names)} labels are not the corpus's {task.num_labels}"
            + (f" (missing: {', '.join(missing[:5])})" if missing else "")
            + "; use a checkpoint for these labels, or fine-tune one with teacher.model"
        )
    return [names.index(label) for label in task.labels]


def parameter_count(model: nn.Module) -> int:
    """Number of weights."""
    return sum(parameter.numel() for parameter in model.parameters())
