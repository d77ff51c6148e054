"""Rows per second of labelling and of training, beside transformers' pipeline and Trainer at the same settings.

    make bench-training RUN=runs/goemotions-compact
    python -m tests.benchmarks.training_speed runs/goemotions-compact --rows 4096 --json speed.json > speed.md

Both start from texts, so that tokenising counts. Labelling ends with the teacher's logits of train rows in memory;
training makes one pass over those rows with the run's student, objective, batch size and stored soft labels. What
makes a difference is switched on one after the other, each beside the way before it. All ways are timed in
interleaved rounds of one process. That both sides compute the same is checked before.
"""

import argparse
import copy
import os
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from torch import Tensor, nn

from distill.corpora.corpus import Corpus
from distill.evaluation.decision import Logits
from distill.export.measure.cpu import cpu_info
from distill.export.runtime.errors import InputError
from distill.files.json_files import write_json
from distill.labelling.onnx_teacher import in_onnxruntime
from distill.objectives.task_loss import LOSSES
from distill.pipeline.train import training_inputs
from distill.runs.interrupts import StopRequest
from distill.runs.progress import Reporter
from distill.students.networks.static import StaticClassifier
from distill.teachers.checkpoints import load_classifier
from distill.teachers.device import best_device, multiplies_bf16
from distill.teachers.encoding import encode, pad_batch
from distill.teachers.inference import Forward, by_length, torch_forward
from distill.teachers.tokenizers import load_tokenizer
from distill.training import loop as trainer
from distill.training.batches import Examples, LengthSortedBatches
from distill.training.callback import TrainingCallback
from distill.training.loop import Loss, fit
from distill.training.session import TrainingControls, schedule_of
from tests.benchmarks.flops import LABELLING, TRAINING, encoder_flops
from tests.benchmarks.interleaved import Rounds, Way, check_equal, markdown_table, rates
from tests.benchmarks.plain_transformers import PlainSettings, plain_labeller, plain_optimizer, plain_train
from tests.support.finished import Shipped, open_shipped

PIPELINE_BATCH = 32
OURS_BATCH = 64  # rows that `predict_logits` takes at once
PACKAGES = ("torch", "transformers", "accelerate", "datasets", "tokenizers")


@dataclass(frozen=True)
class Work:
    """What is labelled and learnt: the first train rows of a run, and how that run trains its student."""

    shipped: Shipped
    corpus: Corpus
    rows: int

    @property
    def texts(self) -> list[str]:
        """N texts."""
        return list(self.corpus.train.texts[: self.rows])

    @property
    def targets(self) -> Any:
        """Class ids ``(N,)`` or 0/1 ``(N, C)``."""
        if self.corpus.train.targets is None:
            raise TypeError("train rows have targets")
        targets = torch.from_numpy(self.corpus.train.targets[: self.rows])
        return targets.to(LOSSES[self.corpus.task.kind].target_dtype).numpy()

    @property
    def max_tokens(self) -> int:
        """Where texts are cut."""
        return self.shipped.recipe.corpus.max_tokens


def main() -> None:
    """Check, time, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="a finished run's folder")
    parser.add_argument("--rows", type=int, default=4096, help="train rows; 4096 are a shard of labels")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--cpu-time", action="store_true", help="for a busy machine: of this process, one thread")
    parser.add_argument("--json", type=Path, help="write everything there too")
    chosen = parser.parse_args()
    # the tokenizers package has threads of its own, which start at its first call
    os.environ.setdefault("RAYON_NUM_THREADS", str(torch.get_num_threads()))
    found = measure(chosen.run, rows=chosen.rows, rounds=chosen.rounds, cpu_time=chosen.cpu_time)
    print(markdown(found))
    if chosen.json is not None:
        write_json(found, chosen.json)


def measure(run: Path, *, rows: int, rounds: int, cpu_time: bool = False) -> dict[str, Any]:
    """Plain data: the machine, the packages, and `labelling` and `training` with a row a way.

    Raises:
        InputError: there is nothing to time, or not by this clock.
        CheckFailedError: both sides do not compute the same.
    """
    for name, value in (("rows", rows), ("rounds", rounds)):
        if value < 1:
            raise InputError(f"{name}: is {value}, must be at least 1")
    if cpu_time and (torch.get_num_threads() > 1 or torch.cuda.is_available()):
        raise InputError("--cpu-time: is for one thread on a CPU; set OMP_NUM_THREADS=1, or leave it out")
    interleaved = Rounds(rounds, time.process_time if cpu_time else time.perf_counter)
    shipped = open_shipped(run)
    corpus = shipped.run.corpus
    work = Work(shipped, corpus, min(rows, len(corpus.train)))
    return {
        "run": shipped.recipe.name,
        "cpu": cpu_info(),
        "card": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "threads": torch.get_num_threads(),
        "packages": {name: version(name) for name in PACKAGES},
        "rows": work.rows,
        "rounds": rounds,
        "clock": "CPU time" if cpu_time else "time",
        "batch_size": shipped.recipe.student.batch_size,
        "labelling": time_labelling(work, interleaved),
        "training": time_training(work, interleaved),
    }


def time_labelling(work: Work, rounds: Rounds) -> list[dict[str, Any]]:
    """The teacher over the texts: by the pipeline, and by what the label stage does."""
    teacher = load_classifier(work.shipped.layout.teacher(), work.corpus.task).to(best_device()).eval()
    tokenizer, texts = load_tokenizer(work.shipped.layout.teacher()), work.texts
    plain = plain_labeller(teacher, tokenizer, work.max_tokens, PIPELINE_BATCH)
    some = texts[: 2 * PIPELINE_BATCH]

    def ours(forward: Forward, labelled: list[str] = texts) -> Logits:
        rows = encode(tokenizer, labelled, work.max_tokens)
        return by_length(forward, rows, pad_id=tokenizer.pad_token_id)

    def as_they_come() -> None:
        for start in range(0, len(texts), OURS_BATCH):
            ours(torch_forward(teacher), texts[start : start + OURS_BATCH])

    check_equal(plain(some), ours(torch_forward(teacher), some), "logits of the teacher")

    ways = [
        Way(f"pipeline, batches of {PIPELINE_BATCH}", "float32", lambda: lambda: plain(texts)),
        Way(f"our loop, batches of {OURS_BATCH} as they come", "float32", lambda: as_they_come),
        Way("+ sorted by length", "float32", lambda: lambda: ours(torch_forward(teacher))),
    ]
    if best_device().type == "cpu":
        sample = pad_batch(encode(tokenizer, some, work.max_tokens), tokenizer.pad_token_id)
        graph = in_onnxruntime(teacher, sample, Reporter(quiet=True))
        if graph is not None:
            ways.append(Way("+ as a fused graph (validation, test)", "float32", lambda: lambda: ours(graph)))
    if multiplies_bf16(best_device()):
        bf16 = torch_forward(teacher, bf16=True)
        ways.append(Way("bf16 in PyTorch instead (train text)", "bfloat16", lambda: lambda: ours(bf16)))
    flops = encoder_flops(teacher, encode(tokenizer, texts, work.max_tokens).lengths(), LABELLING)
    return rates(ways, rounds.seconds(ways), work.rows, flops)


def time_training(work: Work, rounds: Rounds) -> list[dict[str, Any]]:
    """One pass over the rows with the run's student: by a plain Trainer, and by what the student stage does."""
    shipped, folder = work.shipped, work.shipped.layout.student
    student = shipped.recipe.student.family.load(folder, work.corpus.task)
    tokenizer, inputs = load_tokenizer(folder), training_inputs(shipped.run, shipped.seed)
    logits, objective = inputs.soft_labels("train")[: work.rows], inputs.build_objective()
    plain = partial(_train_plainly, work, tokenizer, logits)
    ours = partial(_train_as_a_run_does, work, tokenizer, logits)
    some = min(work.shipped.recipe.student.batch_size, work.rows)
    losses = [_losses(train, student, some, objective) for train in (plain, ours)]
    check_equal(*losses, "loss of the first step")

    def way(name: str, train: Any, off: tuple[str, ...] = (), dtype: str = "float32") -> Way:
        def prepare() -> Callable[[], object]:
            model = copy.deepcopy(student).to(best_device())
            return lambda: train(model, work.rows, objective, off)

        return Way(name, dtype, prepare)

    ways = [
        way(f"Trainer ({plain_optimizer()})", plain),
        way("our loop, optimiser not fused, rows in any order", ours, ("fused", "grouped", "bf16")),
        way("+ fused optimiser", ours, ("grouped", "bf16")),
        way("+ rows of like length in a batch", ours, ("bf16",)),
    ]
    attends = not isinstance(student, StaticClassifier)
    if attends and multiplies_bf16(best_device()):
        ways.append(way("+ bf16", ours, dtype="bfloat16"))
    lengths = encode(tokenizer, work.texts, work.max_tokens).lengths()
    flops = encoder_flops(student, lengths, TRAINING) if attends else None
    return rates(ways, rounds.seconds(ways), work.rows, flops)


def _train_plainly(
    work: Work, tokenizer: Any, logits: Logits, model: Any, rows: int, loss: Loss, _off: tuple[str, ...] = ()
) -> None:
    recipe = work.shipped.recipe.student
    learnt = (work.texts[:rows], work.targets[:rows], logits[:rows])
    with tempfile.TemporaryDirectory() as folder:
        settings = PlainSettings(
            max_tokens=work.max_tokens,
            batch_size=recipe.batch_size,
            learning_rate=recipe.body_learning_rate,
            weight_decay=recipe.weight_decay,
            seed=work.shipped.seed,
            folder=Path(folder),
        )
        plain_train(model, tokenizer, learnt, loss, settings)


def _train_as_a_run_does(
    work: Work, tokenizer: Any, logits: Logits, model: Any, rows: int, loss: Loss, off: tuple[str, ...] = ()
) -> None:
    recipe = work.shipped.recipe.student.model_copy(update={"epochs": 1})
    examples = Examples(
        tokens=encode(tokenizer, work.texts[:rows], work.max_tokens),
        targets=torch.from_numpy(work.targets[:rows]),
        teacher_logits=torch.from_numpy(logits[:rows]),
        labelled=torch.ones(rows, dtype=torch.bool),
    )
    settings = schedule_of(
        recipe, rows, work.shipped.seed, TrainingControls(Reporter(quiet=True), StopRequest(), 300.0)
    )
    settings = replace(settings, bf16=settings.bf16 and "bf16" not in off)
    pad = partial(pad_batch, pad_id=tokenizer.pad_token_id)
    # a folder of its own, or it would resume from a checkpoint of the training before it
    with tempfile.TemporaryDirectory() as folder, switched_off(tuple(name for name in off if name != "bf16")):
        watch = TrainingCallback(model, lambda: {"macro_f1": 0.0}, settings, Path(folder))
        fit(
            model,
            examples,
            loss,
            settings,
            groups=recipe.family.parameter_groups(model, **recipe.rates()),
            pad=pad,
            callback=watch,
        )


def switched_off(names: tuple[str, ...]) -> ExitStack:
    """Some of "fused" and "grouped" taken out of the training loop, for as long as it is entered."""
    fused, stack = torch.optim.AdamW, ExitStack()

    def any_order(lengths: Any, batch_size: int, seed: int, **_: Any) -> LengthSortedBatches:
        return LengthSortedBatches(np.zeros_like(lengths), batch_size, seed)

    changes: Mapping[str, tuple[Any, str, Any]] = {
        "fused": (torch.optim, "AdamW", lambda groups, **_: fused(groups, fused=False)),
        "grouped": (trainer, "LengthSortedBatches", any_order),
    }
    for name in names:
        stack.enter_context(patch.object(*changes[name]))
    return stack


def _losses(train: Any, student: nn.Module, rows: int, objective: Loss) -> Logits:
    """The loss of each step of a training without dropout over so many rows, in float32."""
    heard: list[float] = []

    def loss(*arguments: Tensor) -> Tensor:
        found = objective(*arguments)
        heard.append(float(found))
        return found

    model = copy.deepcopy(student).to(best_device()).eval()
    with patch.object(type(model), "train", lambda self, mode=True: self):  # no dropout
        train(model, rows, loss, ("bf16",))
    return np.array(heard, dtype=np.float32)


def markdown(found: Mapping[str, Any]) -> str:
    """Both tables with the machine above them."""
    cpu, card = found["cpu"], found["card"]
    packages = ", ".join(f"{name} {number}" for name, number in found["packages"].items())
    return "\n".join(
        [
            f"`{found['run']}`, {found['rows']} train rows on {card or 'the CPU'}; {cpu['model']} "
            f"({' '.join(cpu['flags'])}), {found['threads']} thread(s); {packages}; {found['clock']}, median "
            f"(min..max) of {found['rounds']} interleaved rounds",
            "",
            "Labelling, texts to the teacher's logits:",
            "",
            *markdown_table(found["labelling"], card=card is not None),
            "",
            f"Training the student, texts to weights, one epoch in batches of {found['batch_size']}:",
            "",
            *markdown_table(found["training"], card=card is not None),
        ]
    )


if __name__ == "__main__":
    main()
