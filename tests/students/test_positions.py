"""Positions behind the longest text do not ship, and nothing else changes by that."""

from pathlib import Path

import pytest
import torch

from distill.export.graph.session import GraphRunner
from distill.students.layers import LayersFamily
from distill.students.networks.positions import TRACED_TOKENS, cut_positions
from distill.teachers.bodies import embeddings_of
from tests.support.tiny_models import tiny_classifier

BODIES = {"bert": 64, "roberta": 66, "distilbert": 64}
MAX_TOKENS = 20


def positions(model: object) -> int:
    rows: int = embeddings_of(model.encoder).position_embeddings.num_embeddings  # type: ignore[attr-defined]
    return rows


@pytest.mark.parametrize("body", BODIES)
def test_up_to_the_longest_text_logits_are_the_same_bits(body: str) -> None:
    model = tiny_classifier(body)
    cut = cut_positions(model, MAX_TOKENS)
    unused = BODIES[body] - 64
    assert (positions(cut), positions(model)) == (unused + MAX_TOKENS, BODIES[body])
    assert cut.config.max_position_embeddings == unused + MAX_TOKENS
    ids = torch.randint(5, 400, (3, MAX_TOKENS))
    mask = torch.ones_like(ids)
    mask[1, 7:] = 0
    torch.testing.assert_close(cut(ids, mask), model(ids, mask), rtol=0, atol=1e-6)
    with pytest.raises((IndexError, RuntimeError)):  # and there is nothing behind it
        cut(torch.randint(5, 400, (1, MAX_TOKENS + 1)), torch.ones(1, MAX_TOKENS + 1, dtype=torch.int64))


def test_a_table_that_is_short_already_stays_and_one_is_never_shorter_than_a_traced_row() -> None:
    model = tiny_classifier("bert")
    assert cut_positions(model, 64) is model
    assert positions(cut_positions(model, 3)) == TRACED_TOKENS


@pytest.mark.parametrize("body", BODIES)
def test_the_graph_has_no_more_positions_and_answers_as_before(body: str, tmp_path: Path) -> None:
    model = tiny_classifier(body)
    for name, length in (("all", 64), ("cut", MAX_TOKENS)):
        LayersFamily.export(model, tmp_path / name, length)
    rows = [torch.randint(5, 400, (length,)).tolist() for length in (1, 5, MAX_TOKENS)]
    runners = [GraphRunner(tmp_path / name) for name in ("all", "cut")]
    assert (runners[0].run_rows(rows) == runners[1].run_rows(rows)).all()
    spared = (64 - MAX_TOKENS) * 32 * 4
    assert (tmp_path / "all").stat().st_size - (tmp_path / "cut").stat().st_size >= spared
