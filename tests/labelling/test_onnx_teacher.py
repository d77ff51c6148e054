"""Labelling by a graph: PyTorch's logits, and PyTorch itself wherever there can be no such graph."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from distill.artifacts.logits import read_logits_file
from distill.labelling import onnx_teacher as teacher_graph
from distill.labelling import soft_labels as labelling
from distill.labelling.onnx_teacher import in_onnxruntime
from distill.labelling.soft_labels import label
from distill.pipeline.labels import LearningMaterial
from distill.recipe.ensemble import members_of
from distill.runs.progress import Reporter
from distill.teachers.encoding import pad_batch
from distill.teachers.inference import by_length, predict_logits
from distill.teachers.store import read_logits
from distill.teachers.tokenizers import load_tokenizer
from tests.support.finished import reopen
from tests.support.tiny_models import tiny_classifier

ROWS = [[2, 5, 3], [2, 6, 7, 8, 3], [2, 3], [2, 9, 3, 4, 5, 6, 7]]
QUIET = Reporter(quiet=True)


def sample() -> tuple[torch.Tensor, torch.Tensor]:
    return pad_batch(ROWS, 0)


def test_its_logits_are_pytorchs() -> None:
    teacher = tiny_classifier().eval()
    forward = in_onnxruntime(teacher, sample(), QUIET)
    assert forward is not None
    found = by_length(forward, ROWS, pad_id=0, batch_size=2)
    np.testing.assert_allclose(found, predict_logits(teacher, ROWS, pad_id=0), atol=1e-5)


def test_pytorch_labels_where_there_is_no_such_graph(monkeypatch: pytest.MonkeyPatch) -> None:
    teacher = tiny_classifier().eval()
    with monkeypatch.context() as changed:
        changed.setitem(sys.modules, "distill.export.graph.from_torch", None)  # as if onnx were not installed
        assert in_onnxruntime(teacher, sample(), QUIET) is None
    with monkeypatch.context() as changed:
        changed.setitem(sys.modules, "optimum.exporters.onnx", None)
        assert in_onnxruntime(teacher, sample(), QUIET) is None
    with monkeypatch.context() as changed:
        changed.setattr(teacher_graph, "MOST_BYTES", 1000)
        assert in_onnxruntime(teacher, sample(), QUIET) is None
    with monkeypatch.context() as changed:
        changed.setattr(teacher.config, "model_type", "of-nobody")
        assert in_onnxruntime(teacher, sample(), QUIET) is None
    with monkeypatch.context() as changed:
        changed.setattr(
            teacher_graph, "torch_forward", lambda _: lambda ids, mask: np.ones((len(ids), 3), np.float32)
        )
        assert in_onnxruntime(teacher, sample(), QUIET) is None


def test_the_label_stage_takes_it_for_many_rows(
    runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def heard(*arguments):
        asked.append(arguments)
        return in_onnxruntime(*arguments)

    run = reopen(runs)
    material, teacher = LearningMaterial(run), run.layout.teacher()
    texts, tokenizer = material.texts("validation"), load_tokenizer(teacher)
    tokens = run.tokens.rows(tokenizer, "validation", texts)
    identity, rows = material.identity(members_of(run.recipe)[0], "validation"), len(texts)
    monkeypatch.setattr(labelling, "in_onnxruntime", heard)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    for least in (rows + 1, rows):
        monkeypatch.setattr(labelling, "WORTH_ROWS", least)
        (tmp_path / str(least)).mkdir()
        pad_id = tokenizer.pad_token_id
        label(tmp_path / str(least), teacher, run.corpus.task, tokens, identity, pad_id=pad_id, reporter=QUIET)
    assert len(asked) == 1
    found = [read_logits(tmp_path / str(least), rows, identity) for least in (rows + 1, rows)]
    np.testing.assert_array_equal(found[0], read_logits_file(teacher)["validation"])
    np.testing.assert_allclose(found[1], found[0], atol=1e-5)
