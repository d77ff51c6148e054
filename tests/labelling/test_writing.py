"""Texts that a language model writes: the same requests for a seed, kept as they come, and no near-copies."""

from pathlib import Path

import numpy as np
import pytest

from distill.corpora.augment import Augmenter
from distill.corpora.corpus import Corpus, Split
from distill.corpora.storage.parquet import load_texts
from distill.export.runtime.deciding.kinds.single_label import SingleLabel
from distill.export.runtime.errors import InputError
from distill.labelling.augmentation import AUGMENTED_FILE, write_augmented
from distill.labelling.endpoint.writing import REWRITE, WRITTEN_FILE, tasks, write_texts, written_texts
from distill.labelling.near_copies import near_copies
from distill.recipe.augmentation import AugmentationRecipe
from distill.recipe.llm import EndpointRecipe
from distill.recipe.load import load_recipe
from distill.runs.progress import Reporter
from tests.support.fake_openai import FakeModel, fake_openai

TRAIN = Split(
    [f"row {number} is about {'joy' if number % 2 else 'fear'}" for number in range(10)], np.arange(10) % 2
)
CORPUS = Corpus(
    SingleLabel(("fear", "joy")),
    TRAIN,
    Split(["the dog barks at night"], np.array([0])),
    Split(["x"], np.array([1])),
)


def test_requests_are_rows_in_other_words_and_new_texts_of_each_label() -> None:
    found = list(tasks(CORPUS, ("rewrite", "write"), 20, "m", scrubs=False, seed=1))
    assert found == list(tasks(CORPUS, ("rewrite", "write"), 20, "m", scrubs=False, seed=1))
    heads = [task.request["messages"][0]["content"] for task in found]  # type: ignore[index]
    assert heads[0::2] == [REWRITE] * 10
    assert {head.rpartition(": ")[2] for head in heads[1::2]} == {"joy.", "fear."}
    for task, head in zip(found[1::2], heads[1::2], strict=True):
        shown = task.request["messages"][1]["content"]  # type: ignore[index]
        assert shown.count("about joy") == (4 if "joy." in head else 0)


def test_what_is_written_is_kept_as_it_comes(tmp_path: Path) -> None:
    model = FakeModel(writes=True, trouble={"cut": 0.1, "429": 0.1})
    with fake_openai(model) as url:
        recipe = EndpointRecipe(url=url, model="m", retries=8)

        def write() -> list[str]:
            write_texts(tmp_path, CORPUS, ("rewrite",), 30, recipe, seed=1, reporter=Reporter(quiet=True))
            return written_texts(tmp_path)

        whole = write()
        assert len(whole) == 30
        path = tmp_path / WRITTEN_FILE
        lines = path.read_bytes().splitlines(keepends=True)
        path.write_bytes(b"".join(lines[:20]) + lines[20][:10])  # killed there
        asked = sum(model.answered.values())
        assert write() == whole
        assert sum(model.answered.values()) == asked + 10
    with fake_openai(FakeModel(status=400)) as url, pytest.raises(InputError, match=r"\(400: 1\)"):
        recipe = EndpointRecipe(url=url, model="m")
        write_texts(tmp_path / "..", CORPUS, ("write",), 30, recipe, seed=1, reporter=Reporter(quiet=True))


def test_near_copies_share_most_of_their_characters() -> None:
    others = ["The dog barks at night.", "我今天很高兴因为天气很好"]
    texts = [
        "the dog barks at night, again",
        "a cat sleeps by day",
        "我今天非常高兴因为天气很好",
        "THE DOG BARKS AT NIGHT",
    ]
    assert near_copies(texts, others).tolist() == [True, False, True, True]
    assert near_copies(texts, []).tolist() == [False] * 4
    assert near_copies([], others).tolist() == []


def test_written_texts_come_before_drawn_ones(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recipe = AugmentationRecipe(rows=6, ways=["write", "join"])
    assert (recipe.written, recipe.written_rows, recipe.drawn) == (("write",), 3, ("join",))
    written = ["a new text", "The dog barks at night!", "row 1 is about joy", "a new text"]
    (tmp_path / "augmented").mkdir()
    write_augmented(
        tmp_path / "augmented",
        CORPUS,
        recipe,
        Augmenter(("join",), 0.3),
        written=written,
        seed=1,
        reporter=Reporter(),
    )
    texts = list(load_texts(tmp_path / "augmented" / AUGMENTED_FILE))
    assert texts[0] == "a new text"
    assert len(texts) == 4
    assert "left out: 1 near-copies" in capsys.readouterr().err


def test_a_recipe_that_writes_names_a_server() -> None:
    ways = ["augmentation.rows=10", "augmentation.ways=['rewrite']"]
    with pytest.raises(InputError, match="no \\[endpoint\\]"):
        load_recipe("smoke", ways)
    assert load_recipe("smoke", [*ways, "endpoint.model=m"]).augmentation.written == ("rewrite",)
    with pytest.raises(InputError, match="Nothing reads \\[endpoint\\]"):
        load_recipe("smoke", ["endpoint.model=m"])
