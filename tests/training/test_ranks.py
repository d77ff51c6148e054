"""Processes and passes that share a batch: the same steps as one process, and no process outlives the training."""

import io
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from distill.export.int8.fake_quantization import FakeQuantization, TokenScale, fake_quantize, table_names
from distill.export.runtime.errors import DistillError, InputError, ResourceError
from distill.objectives.logits import logit_terms
from distill.objectives.matching import FeatureDistiller
from distill.objectives.mixed import Objective
from distill.objectives.task_loss import LOSSES
from distill.recipe.load import load_recipe
from distill.recipe.student import ObjectiveRecipe
from distill.students.networks.static import StaticClassifier, StaticConfig
from distill.teachers.bodies import products_of
from distill.teachers.encoder import EncoderClassifier
from distill.teachers.tuning.methods import TUNINGS
from distill.training.callback import Resources
from distill.training.loop import FitResult
from distill.training.ranks import Rank, _Other, ranks
from distill.training.teacher import _HardLoss
from tests.support.command import ROOT
from tests.support.processes import is_alive
from tests.support.small_trainings import Broken, children, train
from tests.support.tiny_models import multi_label_task, tiny_classifier
from tests.teachers.tuning.test_methods import prepared, tuning_of
from tests.training.test_feature_distillation import compact, distiller_of

MAX_DIFFERENCE = 1e-5


def difference(first: EncoderClassifier, second: EncoderClassifier) -> float:
    others = second.state_dict()
    return max(float((tensor - others[name]).abs().max()) for name, tensor in first.state_dict().items())


def gone(pids: Sequence[int], seconds: float = 60.0) -> bool:
    end = time.monotonic() + seconds
    while any(map(is_alive, pids)) and time.monotonic() < end:
        time.sleep(0.1)
    return not any(map(is_alive, pids))


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> tuple[EncoderClassifier, FitResult, list[float]]:
    return train(tmp_path_factory.mktemp("alone"), Resources())


@pytest.mark.slow
def test_two_processes_take_the_steps_of_one(
    alone: tuple[EncoderClassifier, FitResult, list[float]], tmp_path: Path
) -> None:
    model, result, losses = train(tmp_path, Resources(processes=2))
    assert result.steps == alone[1].steps == 100
    assert result.best_step == alone[1].best_step
    assert losses == pytest.approx(alone[2], abs=1e-3)  # they are logged with four digits
    assert 0 < difference(model, alone[0]) <= MAX_DIFFERENCE
    assert children() == []


def test_passes_take_the_same_steps(
    alone: tuple[EncoderClassifier, FitResult, list[float]], tmp_path: Path
) -> None:
    model, result, _ = train(tmp_path, Resources(rows_per_pass=5))
    assert result.steps == 100
    assert difference(model, alone[0]) <= MAX_DIFFERENCE


def test_gradient_checkpointing_changes_no_bit(tmp_path: Path) -> None:
    """With dropout, whose draws have to be repeated."""
    plain = train(tmp_path / "plain", Resources(), steps=12, dropout=0.3)
    again = train(tmp_path / "again", Resources(gradient_checkpointing=True), steps=12, dropout=0.3)
    assert difference(plain[0], again[0]) == 0.0
    assert not any(getattr(part, "gradient_checkpointing", False) for part in again[0].modules())


@pytest.mark.slow
def test_a_training_resumes_after_the_death_of_a_process(tmp_path: Path) -> None:
    whole = train(tmp_path / "whole", Resources(processes=2), steps=30, dropout=0.3)

    def kill(number: int) -> None:
        if number == 2:
            (pid,) = children()
            os.kill(pid, signal.SIGKILL)

    with pytest.raises(DistillError, match="Process 1 of the training was ended by SIGKILL"):
        train(tmp_path / "killed", Resources(processes=2), steps=30, dropout=0.3, evaluate=kill)
    assert children() == []
    again = train(tmp_path / "killed", Resources(processes=2), steps=30, dropout=0.3)
    assert difference(whole[0], again[0]) == 0.0
    assert whole[1] == again[1]


ENDLESS = """
import os, sys
from pathlib import Path
from types import SimpleNamespace
sys.path.insert(0, {root!r})
from tests.support.small_trainings import Resources, children, train
def said(number):
    if number == 1:
        print(*children(), flush=True)
train(Path({folder!r}), Resources(processes=2), steps=10**6, evaluate=said)
"""


@pytest.mark.slow
def test_no_process_outlives_a_killed_command(tmp_path: Path) -> None:
    code = ENDLESS.format(root=str(ROOT), folder=str(tmp_path))
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        pids = [int(pid) for pid in process.stdout.readline().split()]
        assert len(pids) == 1
        assert is_alive(pids[0])
        process.kill()
    assert gone(pids)


@pytest.mark.slow
def test_exhausted_memory_of_a_process_is_told_without_its_message() -> None:
    error = "CUDA out of memory beside the text of a row"
    with pytest.raises(ResourceError) as raised, ranks(2, Broken(error)) as rank:
        while True:
            rank.add_up(nn.Linear(1, 1), torch.zeros(()))
    assert "Process 1 of the training ran out of memory. Lower training.rows_per_pass" in str(raised.value)
    assert "text of a row" not in str(raised.value)
    assert not torch.distributed.is_initialized()
    assert children() == []


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("this rank failed: KeyError\n", "failed (KeyError). Use training.processes = 1"),
        ("RuntimeError: the text\nof a row\n", "failed (status 1). Use training.processes = 1"),
        ("of a row\nthis rank failed: MEMORY\n", "ran out of memory. Lower training.rows_per_pass"),
    ],
)
def test_of_a_failed_process_the_kind_alone_is_told(said: str, told: str) -> None:
    other = object.__new__(_Other)
    other.number, other._said = 1, io.BytesIO(said.encode())
    other._process = SimpleNamespace(poll=lambda: 1)
    assert told in str(other.death())
    assert "row" not in str(other.death()).replace("rows_per_pass", "")


def test_more_processes_than_gpus_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    with pytest.raises(InputError, match=r"training.processes is 3, but 2 GPU\(s\)"), ranks(3, None):
        pass


def parts_of(rows: int, cuts: Sequence[int]) -> Iterator[slice]:
    places = sorted({0, rows, *(cut % rows for cut in cuts)})
    return (slice(start, stop) for start, stop in pairwise(places))


@settings(deadline=None)
@given(st.sampled_from(sorted(LOSSES)), st.integers(1, 20), st.lists(st.integers(0, 99)), st.integers(0, 99))
def test_losses_of_parts_add_up_to_that_of_the_batch(kind: str, rows: int, cuts: list[int], seed: int) -> None:
    """Rows without gold labels and weighted classes fall unevenly on parts of uneven sizes."""
    generator = torch.Generator().manual_seed(seed)
    losses, classes = LOSSES[kind], 4
    student, teacher = (torch.randn(rows, classes, generator=generator) for _ in range(2))
    shape = (rows, classes)[: losses.target_axes]
    targets = torch.randint(2, shape, generator=generator).to(losses.target_dtype)
    labelled = torch.rand(rows, generator=generator) < 0.5
    weights = torch.rand(classes, generator=generator) * 10
    single = kind == "single_label"
    recipe = ObjectiveRecipe(
        inter_class_weight=0.5, decoupled_weight=0.3 * single, standardised_weight=0.2 * single
    )
    objective = Objective(losses, 2.0, 0.6, logit_terms(recipe, losses))
    for loss in (objective, _HardLoss(losses, weights)):
        whole = loss(student, teacher, targets, labelled)
        parts = torch.stack(
            [
                loss(student[part], teacher[part], targets[part], labelled[part]) * (part.stop - part.start) / rows
                for part in parts_of(rows, cuts)
            ]
        )
        assert float(parts.sum()) == pytest.approx(float(whole), rel=1e-5, abs=1e-6)


def int8() -> nn.Module:
    model = tiny_classifier()
    matmuls = dict.fromkeys(products_of(model.encoder).values(), TokenScale())
    fake_quantize(model.encoder, FakeQuantization(matmuls, table_names(model.encoder)))
    return model


MODELS: dict[str, Callable[[], nn.Module]] = {
    **{method: lambda method=method: prepared("bert", tuning_of(method))[0] for method in TUNINGS},
    "features": lambda: distiller_of(tiny_classifier(), compact(tiny_classifier())),
    "static": lambda: StaticClassifier(StaticConfig(400, 16, 8, 64, 2, 32), multi_label_task()),
    "int8": int8,
}


@pytest.mark.parametrize("name", MODELS)
def test_every_model_passes_through_the_pipe(name: str) -> None:
    """With groups of its weights, which must be those of the model on the other side, and the same draws."""
    model, buffer = MODELS[name](), io.BytesIO()
    groups = [{"params": [weight for weight in model.parameters() if weight.requires_grad]}]
    torch.save((model, groups), buffer)
    buffer.seek(0)
    other, others = torch.load(buffer, weights_only=False)
    assert {id(weight) for weight in others[0]["params"]} <= {id(weight) for weight in other.parameters()}
    ids = torch.tensor([[2, 9, 12, 30, 3], [2, 8, 3, 0, 0]])
    extra = {"aligned": torch.ones(2)} if isinstance(model, FeatureDistiller) else {}
    logits = []
    for each in (model, other):
        torch.manual_seed(1)
        output = each.train()(ids, (ids > 0).long(), **extra)
        logits.append(output.logits if extra else output)
    assert torch.equal(*logits)


@given(st.integers(1, 40), st.integers(1, 8))
def test_every_row_of_a_batch_is_in_one_part(rows: int, count: int) -> None:
    parts = [Rank(number, count).part(range(rows)) for number in range(count)]
    assert sorted(row for part in parts for row in part) == list(range(rows))
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (
            ["training.processes=33", "student.batch_size=32", "teacher.batch_size=64"],
            "has student.batch_size = 32 rows",
        ),
        (["training.processes=33"], "training.processes is 33, but a batch has teacher.batch_size = 32 rows"),
        (["training.processes=2", "objective.intra_class_weight=1"], "which training.processes splits"),
        (["training.rows_per_pass=8", "objective.intra_class_weight=1"], "which training.rows_per_pass splits"),
        (["training.processes=0"], "training.processes"),
    ],
)
def test_what_cannot_be_shared_is_refused(overrides: list[str], said: str) -> None:
    with pytest.raises(InputError) as refused:
        load_recipe("quickstart", overrides)
    assert said in str(refused.value)
