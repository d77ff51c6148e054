"""What one would write with transformers alone: a text-classification pipeline, a Trainer with its own loss."""

import copy
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from datasets import Dataset
from datasets.utils.logging import disable_progress_bar
from torch import Tensor, nn
from transformers import (
    DataCollatorWithPadding,
    PreTrainedModel,
    PrinterCallback,
    Trainer,
    TrainingArguments,
    pipeline,
)
from transformers.modeling_outputs import SequenceClassifierOutput
from transformers.utils import logging

from distill.evaluation.decision import Logits
from distill.teachers.device import best_device
from distill.teachers.encoder import Teacher
from distill.training.loop import Loss


class PublishedTeacher(PreTrainedModel):  # type: ignore[misc]
    """A teacher as transformers' own heads are: named inputs, and logits in an output object."""

    _supports_sdpa = True

    def __init__(self, teacher: Teacher) -> None:
        super().__init__(copy.deepcopy(teacher.config))
        self.teacher = teacher

    def forward(self, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor | None = None) -> Any:
        """Raw logits ``(B, C)`` of ``(B, T)``."""
        return SequenceClassifierOutput(logits=self.teacher(input_ids, attention_mask, token_type_ids))


def plain_labeller(
    teacher: Teacher, tokenizer: Any, max_tokens: int, batch_size: int
) -> Callable[[Sequence[str]], Logits]:
    """Texts to raw logits ``(N, C)`` by the pipeline, whose answers are put back into the order of the labels."""
    labels = list(teacher.task.labels)
    logging.set_verbosity(logging.CRITICAL)  # it does not know the class of a model that was made here
    classify = pipeline(
        "text-classification",
        model=PublishedTeacher(teacher).eval(),
        tokenizer=tokenizer,
        top_k=None,
        function_to_apply="none",
        batch_size=batch_size,
        truncation=True,
        max_length=max_tokens,
        device=best_device(),
    )
    classify.model.config.id2label = dict(enumerate(labels))

    def label(texts: Sequence[str]) -> Logits:
        answers = classify(list(texts))
        scores = [{one["label"]: one["score"] for one in answer} for answer in answers]
        return np.array([[found[name] for name in labels] for found in scores], dtype=np.float32)

    return label


class _PlainTrainer(Trainer):  # type: ignore[misc]
    """Nothing but the loss is ours."""

    def __init__(self, *, loss: Loss, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._loss = loss

    def compute_loss(self, model: nn.Module, inputs: dict[str, Any], *_: Any, **__: Any) -> Any:
        teacher, targets = inputs.pop("teacher_logits"), inputs.pop("labels")
        labelled = torch.ones(len(targets), dtype=torch.bool, device=targets.device)
        return self._loss(model(**inputs), teacher, targets, labelled)


@dataclass(frozen=True)
class PlainSettings:
    """What is told to the Trainer; all else it has by default. `folder` it wants, and writes nothing there."""

    max_tokens: int
    batch_size: int
    learning_rate: float
    weight_decay: float
    seed: int
    folder: Path


def plain_train(
    model: nn.Module, tokenizer: Any, rows: tuple[Any, Any, Any], loss: Loss, settings: PlainSettings
) -> None:
    """Tokenise by `Dataset.map`, then train one epoch: default sampler, collator, optimiser and precision.

    Args:
        model: maps `input_ids` and `attention_mask` to logits ``(B, C)``; trained in place.
        tokenizer: of the model.
        rows: N texts, class ids ``(N,)`` or 0/1 ``(N, C)``, and teacher logits ``(N, C)``.
        loss: from logits, teacher logits, targets and the labelled mask to a scalar.
        settings: the Trainer's.
    """
    disable_progress_bar()
    table = Dataset.from_dict(dict(zip(("text", "labels", "teacher_logits"), map(list, rows), strict=True)))

    def tokenise(some: dict[str, Any]) -> Any:
        cut = {"truncation": True, "max_length": settings.max_tokens}
        return tokenizer(some["text"], return_token_type_ids=False, **cut)

    arguments = TrainingArguments(
        output_dir=str(settings.folder),
        per_device_train_batch_size=settings.batch_size,
        num_train_epochs=1,
        learning_rate=settings.learning_rate,
        weight_decay=settings.weight_decay,
        seed=settings.seed,
        remove_unused_columns=False,  # or the Trainer would drop the teacher's logits
        save_strategy="no",
        report_to=[],
        disable_tqdm=True,
        use_cpu=not torch.cuda.is_available(),
    )
    trainer = _PlainTrainer(
        loss=loss,
        model=model,
        args=arguments,
        train_dataset=table.map(tokenise, batched=True, remove_columns=["text"]),
        data_collator=DataCollatorWithPadding(tokenizer),
    )
    trainer.remove_callback(PrinterCallback)  # it would print onto stdout
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a GPU's pinned memory that is not there
        trainer.train()


def plain_optimizer() -> str:
    """The optimiser that a Trainer takes unasked, by transformers' name."""
    return str(TrainingArguments(output_dir="unused").optim.value)
