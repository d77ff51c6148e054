"""The benchmark of training: its arithmetic, what it refuses to compare, and a run of it on the smoke run."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from distill.export.runtime.errors import CheckFailedError, InputError
from distill.training import loop as trainer
from distill.training.batches import LengthSortedBatches
from tests.benchmarks import interleaved
from tests.benchmarks.flops import LABELLING, TRAINING, encoder_flops, peak_of
from tests.benchmarks.interleaved import Rounds, Way, check_equal, markdown_table, rates
from tests.benchmarks.training_speed import markdown, measure, switched_off
from tests.support.tiny_models import tiny_classifier


def test_model_flops_are_those_of_matrices_and_attention() -> None:
    """3 layers of 32 wide and 64 in between, a head of 3 labels, and no table: a body's arithmetic by hand."""
    layer = 4 * (32 * 32 + 32) + (32 * 64 + 64) + (64 * 32 + 32) + 2 * 2 * 32
    weights = 3 * layer + 2 * 32 + (32 * 3 + 3)  # the norm of the embeddings, the head
    lengths = [5, 7]
    attention = 3 * 2 * (2 * 5 * 5 * 32 + 2 * 7 * 7 * 32)
    forward = encoder_flops(tiny_classifier(), lengths, LABELLING)
    assert forward == 2 * weights * 12 + attention
    assert encoder_flops(tiny_classifier(), lengths, TRAINING) == 3 * forward
    assert peak_of("NVIDIA A100-SXM4-80GB", "bfloat16") == 312e12
    assert peak_of("NVIDIA A100-SXM4-80GB", "int4") is None
    assert peak_of("a card of next year", "bfloat16") is None


def test_ratios_are_those_of_one_round_and_rates_of_the_median(monkeypatch: pytest.MonkeyPatch) -> None:
    ways = [Way(name, "bfloat16", lambda: lambda: None) for name in ("plain", "ours", "faster")]
    seconds = np.array([[2.0, 4.0, 8.0], [1.0, 4.0, 2.0], [1.0, 1.0, 1.0]])  # (ways, rounds)
    found = rates(ways, seconds, 100, 4e12)
    assert [row["rows_per_second"] for row in found] == [25.0, 50.0, 100.0]
    assert found[1]["times_first"] == found[1]["times_above"] == {"median": 2.0, "min": 1.0, "max": 4.0}
    assert found[2]["times_first"] == {"median": 4.0, "min": 2.0, "max": 8.0}
    assert found[2]["times_above"] == {"median": 2.0, "min": 1.0, "max": 4.0}
    assert found[0]["times_above"] is None
    assert found[0]["share_of_peak"] is None  # no card
    assert "| faster | bfloat16 | 100 | 4.00 (2.00..8.00) | 2.00 (1.00..4.00) |" in markdown_table(
        found, card=False
    )
    monkeypatch.setattr(interleaved, "peak_of", lambda card, dtype: {"H": 8e12}.get(card))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    for card, said in (("H", "| 4.00 | 50.0% |"), ("unknown", "| 4.00 | no peak is known |")):
        monkeypatch.setattr(torch.cuda, "get_device_name", lambda card=card: card)
        assert markdown_table(rates(ways, seconds, 100, 4e12), card=True)[-1].endswith(said)
    assert markdown_table(rates(ways, seconds, 100, None), card=True)[-1].endswith(
        "| not counted | no peak is known |"
    )


def test_ways_are_interleaved_and_preparing_is_not_timed() -> None:
    now, order = [0.0], []

    def way(name: str, takes: float) -> Way:
        def prepare():  # type: ignore[no-untyped-def]
            now[0] += 100

            def work() -> None:
                order.append(name)
                now[0] += takes

            return work

        return Way(name, "float32", prepare)

    found = Rounds(2, lambda: now[0]).seconds([way("a", 1.0), way("b", 3.0)])
    assert found.tolist() == [[1.0, 1.0], [3.0, 3.0]]
    assert order == ["a", "b", "b", "a"]


def test_sides_that_compute_something_else_are_not_timed() -> None:
    logits = np.zeros((4, 3), dtype=np.float32)
    check_equal(logits, logits + 9e-5, "logits")
    for other in (logits + 2e-4, logits[:3], logits * np.nan):
        with pytest.raises(CheckFailedError, match="logits: .* differ by more than 0.0001"):
            check_equal(logits, other, "logits")


def test_what_is_switched_off_comes_back() -> None:
    groups = [{"params": nn.Linear(2, 2).parameters()}]
    before = torch.optim.AdamW, trainer.LengthSortedBatches
    with switched_off(("fused", "grouped")):
        assert torch.optim.AdamW(groups, fused=True).defaults["fused"] is False
        lengths = np.arange(64) % 8
        mixed, sorted_ = (list(kind(lengths, 8, 1)) for kind in (trainer.LengthSortedBatches, LengthSortedBatches))
    assert any(len(set(lengths[rows])) > 1 for rows in mixed)
    assert all(len(set(lengths[rows])) == 1 for rows in sorted_)
    assert (torch.optim.AdamW, trainer.LengthSortedBatches) == before


def test_a_finished_run_is_measured(runs: Path) -> None:
    found = measure(runs, rows=20, rounds=1)
    assert json.loads(json.dumps(found, allow_nan=False))["rows"] == found["rows"] == 20
    assert [row["name"] for row in found["labelling"]][:2] == [
        "pipeline, batches of 32",
        "our loop, batches of 64 as they come",
    ]
    assert found["training"][0]["name"].startswith("Trainer (adamw")
    assert len(found["training"]) >= 4
    assert all(row["rows_per_second"] > 0 for work in ("labelling", "training") for row in found[work])
    text = markdown(found)
    assert text.startswith("`smoke`, 20 train rows on the CPU; ")
    assert text.count("\n|") == 4 + len(found["labelling"]) + len(found["training"])
    with pytest.raises(InputError, match="rounds: is 0"):
        measure(runs, rows=20, rounds=0)
