"""Forty lines of transformers and Optimum: MiniLM's first three layers, KL + CE in a Trainer, int8.

Learning rate, epochs and batch size are the Trainer's defaults; the teacher's logits are those of the run.
"""

from typing import Any

import torch
from datasets import Dataset
from torch.nn import functional
from transformers import AutoModelForSequenceClassification, AutoTokenizer, Trainer, TrainingArguments

from distill.corpora.corpus import label_matrix
from distill.corpora.targets import CODECS
from distill.pipeline.labels import LearningMaterial
from distill.teachers.sources import MINILM, resolve_model
from tests.benchmarks.peer import Made, Peer, PlainTokenizer, size_of
from tests.benchmarks.peer_plain_export import export_plain
from tests.benchmarks.peer_teacher import graph_peer, optimum_int8

LAYERS, TEMPERATURE, SOFT = 3, 2.0, 0.5


class PlainDistiller(Trainer):
    """A Trainer whose loss is that of Hinton et al. (arXiv 1503.02531)."""

    def compute_loss(self, model: Any, inputs: Any, return_outputs: bool = False, **_: Any) -> Any:
        """Return half the divergence from the teacher at temperature 2, and half the loss on gold labels."""
        soft, gold = inputs.pop("soft"), inputs.pop("labels")
        outputs = model(**inputs)
        logits = outputs.logits
        if gold.dtype == torch.long:
            log_shares = functional.log_softmax(logits / TEMPERATURE, dim=1)
            kd = functional.kl_div(
                log_shares, functional.softmax(soft / TEMPERATURE, dim=1), reduction="batchmean"
            )
            hard = functional.cross_entropy(logits, gold)
        else:
            kd = functional.binary_cross_entropy_with_logits(logits / TEMPERATURE, (soft / TEMPERATURE).sigmoid())
            hard = functional.binary_cross_entropy_with_logits(logits, gold)
        loss = SOFT * TEMPERATURE**2 * kd + (1 - SOFT) * hard
        return (loss, outputs) if return_outputs else loss


def plain_kd_peers(made: Made) -> list[Peer]:
    """Trained on the run's train rows and its teacher's logits of them."""
    base, recipe, task = resolve_model(MINILM).folder, made.shipped.recipe, made.corpus.task
    tokenizer = AutoTokenizer.from_pretrained(base)
    model = AutoModelForSequenceClassification.from_pretrained(
        base, num_labels=task.num_labels, num_hidden_layers=LAYERS
    )
    gold = label_matrix(made.corpus.train, task)
    rows = Dataset.from_dict(
        {
            **tokenizer(made.texts("train"), truncation=True, max_length=recipe.corpus.max_tokens),
            "labels": gold.tolist() if CODECS[task.kind].several else gold.argmax(axis=1).tolist(),
            "soft": LearningMaterial(made.shipped.run).soft_labels("train").tolist(),
        }
    )
    folder = made.folder / "plain-kd"
    arguments = TrainingArguments(
        output_dir=str(folder / "training"),
        seed=recipe.seed,
        report_to="none",
        save_strategy="no",
        disable_tqdm=True,
        remove_unused_columns=False,
        logging_strategy="no",
    )
    PlainDistiller(model=model, args=arguments, train_dataset=rows, processing_class=tokenizer).train()
    tokenizer.save_pretrained(folder)
    model.config.save_pretrained(folder)
    plain = folder / "model.onnx"
    export_plain(_Logits(model.eval()), plain)
    reads = PlainTokenizer(folder, recipe.corpus.max_tokens)
    beside = size_of(folder / "tokenizer.json")
    return [
        graph_peer("plain KD, Optimum's int8", optimum_int8(plain, model.config), reads, beside),
        graph_peer("plain KD, fp32", plain, reads, beside),
    ]


class _Logits(torch.nn.Module):
    """A model of transformers that returns logits alone."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> Any:
        """Logits ``(B, C)``."""
        return self.model(input_ids=input_ids, attention_mask=attention_mask).logits
