"""Logits that are not finite, wherever they come from: nothing ships, nothing crashes, a sentence says it."""

import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from distill.artifacts.records import to_dict
from distill.corpora.storage.token_rows import TokenRows
from distill.export.gate import Floats
from distill.export.graph.session import GraphRunner
from distill.export.runtime.errors import CheckFailedError, DistillError
from distill.report.models import run_models
from distill.report.quantization import quantization_cost
from distill.runs.progress import Reporter
from distill.teachers.encoding import encode
from distill.teachers.tokenizers import load_tokenizer
from distill.training.session import TrainingSession, evaluated_logits
from distill.variants import export as exporting
from distill.variants import gate as gating
from tests.support.finished import export_again, reopen


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("split", ["validation", "test"])
def test_logits_that_are_not_finite_ship_nowhere_and_can_be_reported(
    runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, split: str, value: float
) -> None:
    shutil.copytree(runs, tmp_path / "smoke")
    run = reopen(tmp_path / "smoke")
    layout, texts = run.layout, dict(run.corpus.splits())[split].texts
    first = encode(load_tokenizer(layout.student), texts, run.recipe.corpus.max_tokens)[0]

    class Runner(GraphRunner):
        def run_rows(self, rows: Sequence[Sequence[int]], progress: Callable[[int], None] | None = None) -> Floats:
            logits = super().run_rows(rows, progress)
            broken = np.array([list(row) == first for row in rows])
            logits[broken] *= np.float32(value)
            return logits

    for module in (exporting, gating):  # each runs the graph on one split
        monkeypatch.setattr(module, "GraphRunner", Runner)
    gate = export_again(run, "int8-weights")
    assert not gate["passed"]
    assert gate["failures"] == f"{split} rows with logits that are not finite 1 above 0"
    student, variant = (run_models(run.recipe, layout)[name] for name in ("student", "int8-weights"))
    cost = to_dict(quantization_cost(variant, student, student, run.corpus.task))
    assert json.loads(json.dumps(cost, allow_nan=False)) == cost
    with pytest.raises(CheckFailedError, match=f"not finite for 1 {split} rows"):
        export_again(run, "fp32")


class Broken(nn.Module):
    """Gives NaN to the token 7."""

    def __init__(self) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(2))

    def forward(self, ids: Tensor, _mask: Tensor) -> Tensor:
        return self.bias + torch.where(ids[:, :1] == 7, torch.nan, 1.0)


def test_a_trained_or_given_model_that_gives_them_is_refused() -> None:
    tokens = {"validation": TokenRows.of([[1], [2]]), "test": TokenRows.of([[1], [7], [7]])}
    model: Any = Broken()
    corpus: Any = None
    session = TrainingSession("teacher", model, SimpleNamespace(pad_token_id=0), corpus, tokens)
    with pytest.raises(
        DistillError, match="The teacher returns logits that are not finite for 2 test rows. Lower"
    ):
        evaluated_logits(session, Reporter(quiet=True))
