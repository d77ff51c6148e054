"""The training loop: distillation moves a student towards its teacher, the best epoch is kept, seeds decide."""

import dataclasses
import json
import signal
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from distill.corpora.storage.token_rows import TokenRows
from distill.export.runtime.errors import DistillError, InputError
from distill.objectives.mixed import Objective
from distill.objectives.task_loss import LOSSES, bernoulli_kl
from distill.runs.interrupts import StopRequest
from distill.runs.stage import UNFINISHED
from distill.students.networks.layers import layers_student
from distill.teachers.encoder import EncoderClassifier, Pooling
from distill.teachers.encoding import pad_batch
from distill.teachers.finetune import class_weights, freeze, parameter_groups
from distill.teachers.inference import predict_logits
from distill.training.batches import Examples, LengthSortedBatches, join_examples
from distill.training.callback import TrainingCallback, TrainingSchedule
from distill.training.checkpoints import MARKER, cut_metrics, latest_checkpoint
from distill.training.loop import FitResult, Loss, fit
from tests.support.tiny_models import tiny_classifier

ROWS = [[2, 5 + row % 40, 6 + row % 7, 9 + row % 11, *([11] * (row % 5)), 3] for row in range(160)]


def examples_of(teacher: EncoderClassifier) -> Examples:
    logits = torch.from_numpy(predict_logits(teacher, ROWS, pad_id=0)) * 8  # a teacher with opinions
    return Examples(
        TokenRows.of(ROWS), (logits > logits.median()).float(), logits, torch.ones(len(ROWS), dtype=torch.bool)
    )


def fit_tiny(
    model: EncoderClassifier,
    examples: Examples,
    loss: Loss,
    settings: TrainingSchedule,
    evaluate: Callable[[], dict[str, float]],
    folder: Path,
    weight_decay: float = 0.0,
) -> FitResult:
    groups = parameter_groups(model, body_learning_rate=1e-3, head_learning_rate=1e-2, weight_decay=weight_decay)
    watch = TrainingCallback(model, evaluate, settings, folder)
    return fit(model, examples, loss, settings, groups=groups, pad=partial(pad_batch, pad_id=0), callback=watch)


def settings_of(steps: int) -> TrainingSchedule:
    return TrainingSchedule(max_steps=steps, steps_per_epoch=10, batch_size=16, warmup=0.1, patience=99, seed=4)


def train_one(folder: Path, soft_weight: float, steps: int = 60) -> tuple[EncoderClassifier, Examples, float]:
    teacher = tiny_classifier()
    with torch.no_grad():
        teacher.head.weight *= 30
    examples = examples_of(teacher)
    student = layers_student(tiny_classifier(), [0], pooling=Pooling.MEAN, dropout=0.0)

    def divergence() -> float:
        found = torch.from_numpy(predict_logits(student, ROWS, pad_id=0))
        return float(bernoulli_kl(found, examples.teacher_logits, 1.0).mean())

    start = divergence()
    objective = Objective(LOSSES["multi_label"], 2.0, soft_weight)
    fit_tiny(student, examples, objective, settings_of(steps), lambda: {"macro_f1": -divergence()}, folder)
    return student, examples, divergence() / start


def test_distillation_moves_the_student_towards_the_teacher(tmp_path: Path) -> None:
    _, _, remaining = train_one(tmp_path, soft_weight=1.0)
    assert remaining < 0.5
    lines = (tmp_path / "metrics.jsonl").read_text().splitlines()
    assert any("loss" in line for line in lines)
    assert any("macro_f1" in line for line in lines)


def test_the_same_seed_gives_the_same_weights(tmp_path: Path) -> None:
    first, _, _ = train_one(tmp_path, 0.5, steps=20)
    second, _, _ = train_one(tmp_path, 0.5, steps=20)
    for name, tensor in first.state_dict().items():
        assert torch.equal(tensor, second.state_dict()[name]), name


def test_the_best_epoch_is_what_stays(tmp_path: Path) -> None:
    teacher = tiny_classifier()
    student = tiny_classifier()
    scores = iter([0.1, 0.9, 0.3, 0.2])
    kept: list[torch.Tensor] = []

    def evaluate() -> dict[str, float]:
        kept.append(student.head.weight.detach().clone())
        return {"macro_f1": next(scores)}

    objective = Objective(LOSSES["multi_label"])
    result = fit_tiny(student, examples_of(teacher), objective, settings_of(40), evaluate, tmp_path)
    assert result.best_step == 20
    assert torch.equal(student.head.weight, kept[1])
    assert not torch.equal(student.head.weight, kept[3])


def test_patience_stops_the_training(tmp_path: Path) -> None:
    student = tiny_classifier()
    settings = TrainingSchedule(max_steps=100, steps_per_epoch=5, batch_size=16, warmup=0.0, patience=2, seed=1)
    objective = Objective(LOSSES["multi_label"])
    result = fit_tiny(student, examples_of(student), objective, settings, lambda: {"macro_f1": 0.0}, tmp_path)
    assert result.steps == 15


def test_a_diverging_run_and_an_empty_one_say_so(tmp_path: Path) -> None:
    student = tiny_classifier()
    with pytest.raises(DistillError, match="learning rates"):
        fit_tiny(
            student, examples_of(student), lambda s, *_: s.sum() * float("nan"), settings_of(10),
            lambda: {"macro_f1": 0.0}, tmp_path,
        )  # fmt: skip
    nothing = Examples(TokenRows.of([]), torch.zeros(0, 3), torch.zeros(0, 3), torch.zeros(0, dtype=torch.bool))
    with pytest.raises(InputError, match="no row"):
        fit_tiny(
            student, nothing, Objective(LOSSES["multi_label"]), settings_of(4), lambda: {"macro_f1": 0.0}, tmp_path
        )


def test_no_step_is_taken_beyond_the_last_one(tmp_path: Path) -> None:
    """Where an epoch of the twin ends before the student's does, because only the student has a transfer set."""
    student = tiny_classifier()
    settings = TrainingSchedule(max_steps=8, steps_per_epoch=4, batch_size=64, warmup=0.0, patience=9, seed=1)
    settings = dataclasses.replace(settings, checkpoint_seconds=0.0)
    objective = Objective(LOSSES["multi_label"])  # 160 rows are 3 batches of 64
    for _ in ("trained", "killed after its last step"):
        result = fit_tiny(student, examples_of(student), objective, settings, lambda: {"macro_f1": 0.0}, tmp_path)
        assert result == FitResult(best_step=4, best_score=0.0, steps=8)


@given(st.lists(st.integers(1, 60), min_size=1, max_size=300), st.integers(1, 40), st.integers(0, 9))
def test_every_epoch_has_every_row_once(lengths: list[int], size: int, seed: int) -> None:
    sampler = LengthSortedBatches(lengths, size, seed)
    first = list(sampler)
    assert sorted(row for batch in first for row in batch) == list(range(len(lengths)))
    assert len(first) == len(sampler)
    assert list(LengthSortedBatches(lengths, size, seed)) == first


def test_training_sees_every_row_once_an_epoch_and_each_epoch_in_another_order(tmp_path: Path) -> None:
    student = tiny_classifier()
    numbers = torch.arange(len(ROWS)).float()[:, None].expand(-1, 3)  # row i's teacher logits are i
    examples = Examples(
        TokenRows.of(ROWS), torch.zeros(len(ROWS), 3), numbers, torch.ones(len(ROWS), dtype=torch.bool)
    )
    seen: list[int] = []

    def loss(logits: torch.Tensor, teacher: torch.Tensor, *_: torch.Tensor) -> torch.Tensor:
        seen.extend(teacher[:, 0].int().tolist())
        return logits.square().mean()

    fit_tiny(student, examples, loss, settings_of(20), lambda: {"macro_f1": 0.0}, tmp_path)
    first, second = seen[: len(ROWS)], seen[len(ROWS) :]
    assert sorted(first) == sorted(second) == list(range(len(ROWS)))
    assert first != second


class Killed(Exception):
    pass


def noisy(
    folder: Path, *, kill: int | None = None, stop: StopRequest | None = None, judging: int | None = None
) -> tuple[EncoderClassifier, FitResult]:
    """A training with dropout in epochs of ten steps; killed in a step, or asked to stop in a validation."""
    folder.mkdir(exist_ok=True)
    model = layers_student(tiny_classifier(), [0, 1], pooling=Pooling.MEAN, dropout=0.3)
    objective, calls, judged = Objective(LOSSES["multi_label"]), iter(range(1, 99)), iter(range(1, 99))

    def loss(*arguments: torch.Tensor) -> torch.Tensor:
        if next(calls) == kill:
            raise Killed
        return objective(*arguments)

    def evaluate() -> dict[str, float]:
        if next(judged) == judging:
            signal.raise_signal(signal.SIGINT)
        if stop is not None:
            stop.check()
        return {"macro_f1": float(model.head.weight.detach().sum())}

    settings = dataclasses.replace(settings_of(40), checkpoint_seconds=0.0 if kill else 300.0)
    watch = TrainingCallback(model, evaluate, settings, folder, None, stop)
    groups = parameter_groups(model, body_learning_rate=1e-3, head_learning_rate=1e-2, weight_decay=0.01)
    result = fit(
        model, examples_of(tiny_classifier()), loss, settings, groups=groups, pad=partial(pad_batch, pad_id=0),
        callback=watch,
    )  # fmt: skip
    return model, result


def assert_same(first: tuple[EncoderClassifier, FitResult], second: tuple[EncoderClassifier, FitResult]) -> None:
    for name, tensor in first[0].state_dict().items():
        assert torch.equal(tensor, second[0].state_dict()[name]), name
    assert first[1] == second[1]


def steps_logged(folder: Path) -> list[int]:
    lines = (folder / "metrics.jsonl").read_text().splitlines()
    return [data["step"] for data in map(json.loads, lines) if "macro_f1" in data]


@pytest.mark.parametrize("killed_at", [7, 20, 31, 40])
def test_a_killed_training_goes_on_and_ends_with_the_same_weights(killed_at: int, tmp_path: Path) -> None:
    """Dropout is on, and step 20 ends an epoch: random states, order and schedule must all come back."""
    whole = noisy(tmp_path / "whole")
    with pytest.raises(Killed):
        noisy(tmp_path / "killed", kill=killed_at)
    # the newest checkpoint was cut short, as by a kill in the middle of writing
    newest = latest_checkpoint(tmp_path / "killed" / UNFINISHED)
    assert newest is not None
    (newest / MARKER).unlink()
    assert_same(noisy(tmp_path / "killed"), whole)
    assert steps_logged(tmp_path / "killed") == [10, 20, 30, 40]


@pytest.mark.parametrize("file", ["model.safetensors", "optimizer.pt", "rng_state.pth", "watch.json", MARKER])
@pytest.mark.parametrize("damage", ["cut", "emptied", "missing", "garbled"])
def test_a_damaged_checkpoint_is_passed_over_for_the_one_before(file: str, damage: str, tmp_path: Path) -> None:
    with pytest.raises(Killed):
        noisy(tmp_path, kill=5)
    newest = tmp_path / UNFINISHED / "checkpoint-4"
    data = (newest / file).read_bytes()
    if damage == "missing":
        (newest / file).unlink()
    else:
        garbled = bytes([data[0] ^ 255]) + data[1:]
        (newest / file).write_bytes({"cut": data[:-9], "emptied": b"", "garbled": garbled}[damage])
    (tmp_path / UNFINISHED / "checkpoint-other").mkdir()
    found = latest_checkpoint(tmp_path / UNFINISHED)
    assert found is not None
    assert found.name == "checkpoint-3"
    assert not newest.exists()


def test_two_checkpoints_are_kept(tmp_path: Path) -> None:
    with pytest.raises(Killed):
        noisy(tmp_path, kill=9)
    assert sorted(path.name for path in (tmp_path / UNFINISHED).iterdir()) == ["checkpoint-7", "checkpoint-8"]


@pytest.mark.parametrize("validation", [1, 2, 4])
def test_an_interrupt_while_an_epoch_is_judged_loses_nothing(validation: int, tmp_path: Path) -> None:
    whole = noisy(tmp_path / "whole")
    stop = StopRequest()
    with stop.listening(), pytest.raises(KeyboardInterrupt):
        noisy(tmp_path / "stopped", stop=stop, judging=validation)
    newest = latest_checkpoint(tmp_path / "stopped" / UNFINISHED)
    assert newest is not None
    assert newest.name == f"checkpoint-{10 * validation}"
    # and again, while the epoch is judged that was left unjudged
    stop = StopRequest()
    with stop.listening(), pytest.raises(KeyboardInterrupt):
        noisy(tmp_path / "stopped", stop=stop, judging=1)
    assert_same(noisy(tmp_path / "stopped"), whole)
    assert steps_logged(tmp_path / "stopped") == [10, 20, 30, 40]


def test_an_interrupt_between_epochs_saves_the_step(tmp_path: Path) -> None:
    whole = noisy(tmp_path / "whole")
    stop = StopRequest()
    with stop.listening(), pytest.raises(KeyboardInterrupt), stop.deferred():
        signal.raise_signal(signal.SIGTERM)
        noisy(tmp_path / "stopped", stop=stop)
    assert stop.exit_status == 143
    newest = latest_checkpoint(tmp_path / "stopped" / UNFINISHED)
    assert newest is not None
    assert newest.name == "checkpoint-1"
    assert_same(noisy(tmp_path / "stopped"), whole)


def test_metrics_are_cut_where_the_training_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    lines = ['{"loss": 1, "step": 4}\n', '{"macro_f1": 1, "step": 4}\n', '{"loss": 1, "step": 5}\n', '{"st']
    for keep_scores, kept in ((True, 2), (False, 1)):
        path.write_text("".join(lines))
        cut_metrics(path, 4, keep_scores=keep_scores)
        assert path.read_text() == "".join(lines[:kept])


def test_joined_examples_keep_their_order() -> None:
    examples = examples_of(tiny_classifier())
    both = join_examples(examples, examples)
    assert len(both.tokens) == 2 * len(ROWS)
    assert torch.equal(both.teacher_logits[len(ROWS) :], examples.teacher_logits)


@pytest.mark.parametrize(("what", "learning"), [("none", 3), ("body", 0), (1, 1), (2, 2)])
def test_freezing_leaves_the_last_layers_and_the_head(what, learning: int) -> None:  # type: ignore[no-untyped-def]
    model = tiny_classifier()
    freeze(model, what)
    layers = [all(p.requires_grad for p in layer.parameters()) for layer in model.encoder.encoder.layer]
    assert layers == [False] * (3 - learning) + [True] * learning
    assert model.head.weight.requires_grad
    with pytest.raises(InputError, match="3 layers"):
        freeze(tiny_classifier(), 4)


def test_class_weights_grow_for_rare_labels() -> None:
    matrix = torch.tensor([[1, 0], [1, 0], [1, 0], [0, 1]]).float().numpy()
    weights = class_weights(matrix)
    assert weights.tolist() == pytest.approx([2 / 3, 2.0])
