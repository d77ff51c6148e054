"""A masked language model's words: which can come out, where they go, what a seed fixes, what is no such model."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from transformers import (
    BertConfig,
    BertForMaskedLM,
    GPT2Config,
    GPT2Model,
    RobertaConfig,
    RobertaForMaskedLM,
    set_seed,
)

from distill.corpora.augment import augment, text_key
from distill.export.runtime.errors import InputError
from distill.labelling.augmentation import build_augmenter
from distill.pipeline.labels import augment_stage
from distill.pipeline.state import Run
from distill.recipe.augmentation import AugmentationRecipe
from distill.recipe.load import load_recipe
from distill.runs.layout import RunLayout
from distill.runs.progress import Reporter
from distill.runs.stage import StageRecord
from distill.teachers.masked import CHOICES, MaskedModel, load_masked, whole_words
from tests.support.tiny_models import TEXTS, bert_tokenizer, roberta_tokenizer, tiny_classifier

SMALL = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
POSITIONS = 24
KINDS: dict[str, tuple[Callable[[], Any], Callable[[int], Any]]] = {
    "bert": (
        bert_tokenizer,
        lambda size: BertForMaskedLM(BertConfig(vocab_size=size, max_position_embeddings=POSITIONS, **SMALL)),
    ),
    "roberta": (
        roberta_tokenizer,
        lambda size: RobertaForMaskedLM(
            RobertaConfig(vocab_size=size, max_position_embeddings=POSITIONS + 2, pad_token_id=1, **SMALL)
        ),
    ),
}


@pytest.fixture(params=KINDS)
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A tiny model of each kind of tokenizer, as one finds it on a disk."""
    return save(request.param, tmp_path)


def save(kind: str, folder: Path, more_pieces: int = 0) -> Path:
    tokenizer, model = KINDS[kind]
    set_seed(4)
    made = tokenizer()
    model(len(made) + more_pieces).save_pretrained(folder)
    made.save_pretrained(folder)
    return folder


WORDS = "i feel very sad today and nobody knows".split()


def substituted(
    model: MaskedModel, words: list[str], places: list[int], *, seed: int = 0, limit: int = 64
) -> list[str]:
    return model.substitute(words, places, np.random.default_rng(seed), max_tokens=limit)


def test_chosen_places_alone_get_whole_words(folder: Path) -> None:
    model = load_masked(folder)
    known = set(whole_words(model._tokenizer).values())
    new = set()
    for seed in range(40):
        found = substituted(model, WORDS, [2, 5], seed=seed)
        assert [word for place, word in enumerate(found) if place not in (2, 5)] == [
            word for place, word in enumerate(WORDS) if place not in (2, 5)
        ]
        assert {found[2], found[5]} <= known
        new |= {found[2], found[5]}
    assert 2 < len(new) <= 2 * CHOICES
    assert all(word.isalpha() for word in known)


def test_a_seed_gives_the_same_words_and_another_gives_others(folder: Path) -> None:
    model, again = load_masked(folder), load_masked(folder)
    drawn = [substituted(model, WORDS, [1, 3, 6], seed=seed) for seed in range(8)]
    assert drawn == [substituted(again, WORDS, [1, 3, 6], seed=seed) for seed in range(8)]
    assert len({tuple(words) for words in drawn}) > 1


@pytest.mark.parametrize("kind", KINDS)
def test_a_mask_in_the_text_itself_moves_nothing(kind: str) -> None:
    """The words of a place are those that the model says for this place."""
    model = EachItsOwn(KINDS[kind][0]())
    mask = model.tokenizer.mask_token
    words = ["sad", mask, "happy", "sad", mask, "sad"]
    found = substituted(model.masked, words, [3, 5])
    assert [place for place, (old, new) in enumerate(zip(words, found, strict=True)) if old != new] == [3, 5]
    ids = model.tokenizer(" ".join([*words[:3], mask, mask, mask]))["input_ids"]
    slots = [place for place, token in enumerate(ids) if token == model.tokenizer.mask_token_id]
    assert [found[3], found[5]] == [model.word_at(slots[1]), model.word_at(slots[3])]


class EachItsOwn(nn.Module):
    """Says for each token's place a word of its own, for sure."""

    config = BertConfig(vocab_size=1000)

    def __init__(self, tokenizer: Any) -> None:
        super().__init__()
        self.tokenizer, self._words = tokenizer, whole_words(tokenizer)
        self.masked = MaskedModel(self, tokenizer, self._words)

    def word_at(self, place: int) -> str:
        return self._words[sorted(self._words)[place]]

    def forward(self, input_ids: torch.Tensor) -> Any:
        logits = torch.zeros(*input_ids.shape, 1000)
        for place in range(input_ids.shape[1]):
            logits[:, place, sorted(self._words)[place]] = 1000.0
        return type("Output", (), {"logits": logits})


def test_special_tokens_are_neither_touched_nor_drawn(folder: Path) -> None:
    model = load_masked(folder)
    tokenizer = model._tokenizer
    special = set(tokenizer.all_special_tokens)
    assert not special & set(whole_words(tokenizer).values())
    words = ["sad", tokenizer.mask_token, "happy", tokenizer.unk_token]
    assert substituted(model, words, [1, 3]) == words
    found = substituted(model, words, [0, 1, 2, 3])
    assert [found[1], found[3]] == [words[1], words[3]]


def test_words_that_the_model_does_not_know_stay_and_can_be_replaced(folder: Path) -> None:
    model = load_masked(folder)
    words = ["sad", "Ωμέγα", "and", "щжц"]
    found = substituted(model, words, [1])
    assert [found[0], *found[2:]] == ["sad", "and", "щжц"]
    assert found[1].isalpha()
    assert found[1] != "Ωμέγα"


def test_places_behind_what_is_read_keep_their_words(folder: Path) -> None:
    """Where the recipe cuts, and where the model has no more positions."""
    model = load_masked(folder)
    assert substituted(model, WORDS, [6, 7], limit=4) == WORDS
    long = WORDS * 20
    assert substituted(model, long, [len(long) - 1], limit=512) == long
    assert substituted(model, long, [], limit=512) == long


def test_a_model_may_have_more_rows_than_its_tokenizer_pieces(tmp_path: Path) -> None:
    model = load_masked(save("bert", tmp_path, more_pieces=13))
    assert substituted(model, WORDS, [0])[0].isalpha()


def test_fewer_words_than_choices_are_enough() -> None:
    tokenizer = bert_tokenizer()
    model = BertForMaskedLM(BertConfig(vocab_size=len(tokenizer), **SMALL))
    some = dict(list(whole_words(tokenizer).items())[:2])
    assert substituted(MaskedModel(model, tokenizer, some), WORDS, [0])[0] in some.values()


def test_whole_words_of_a_vocabulary() -> None:
    pieces = ["sad", "##ness", "x1", "[CLS]", "▁", "Ġ", "…"]
    tokenizer = bert_tokenizer(["sadness x1 ▁ Ġ …"] * 3, vocabulary=400)
    found = whole_words(tokenizer)
    assert {"sad", "happy", "feel"} <= set(found.values())
    assert not set(pieces[1:]) - {"Ġ"} & set(found.values())
    assert "feel" in whole_words(roberta_tokenizer()).values()
    assert not [word for word in whole_words(roberta_tokenizer(["Ωμέγα щжц"])).values() if "\ufffd" in word]


def broken(folder: Path, what: str) -> Path:
    tokenizer = bert_tokenizer()
    if what == "no head":
        tiny_classifier(vocabulary=len(tokenizer)).encoder.save_pretrained(folder)
    elif what == "no such model":
        GPT2Model(GPT2Config(vocab_size=len(tokenizer), n_embd=8, n_layer=1, n_head=1)).save_pretrained(folder)
    elif what == "another tokenizer":
        save("bert", folder)
        tokenizer = bert_tokenizer(["many other words that are not in there"] * 9, vocabulary=400)
    elif what == "no mask":
        save("bert", folder)
        tokenizer.mask_token = None
    else:
        folder.mkdir()
    if what != "nothing":
        tokenizer.save_pretrained(folder)
    return folder


@pytest.mark.parametrize(
    ("what", "says"),
    [
        ("no head", "no trained head that fills it in"),
        ("no such model", "cannot be loaded with weights in safetensors"),
        ("another tokenizer", "Give a model with its own tokenizer"),
        ("no mask", "no mask token"),
        ("nothing", "No tokenizer can be loaded"),
    ],
)
def test_what_is_no_masked_model_is_refused(what: str, says: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=says):
        load_masked(broken(tmp_path / "model", what))


def test_texts_are_made_with_it_and_none_repeats_a_row(folder: Path) -> None:
    """As the recipe names it; the same seed, the same texts."""
    recipe = AugmentationRecipe(rows=9, ways=["substitute"], share=0.5, masked_model=str(folder))
    rows, known = list(dict.fromkeys(TEXTS)), {text_key(text) for text in TEXTS}
    found = []
    for _ in range(2):
        augmenter = build_augmenter(recipe, bert_tokenizer(), 64, folder)
        found.append(list(augment(rows, 9, augmenter, known=known, seed=1)))
    assert found[0] == found[1]
    assert len(found[0]) == 9
    assert not known & {text_key(text) for text in found[0]}


def test_a_model_that_is_none_is_refused_where_it_is_used_alone(tmp_path: Path) -> None:
    wrong = broken(tmp_path / "model", "no head")
    unused = AugmentationRecipe(rows=9, masked_model=str(wrong))
    none_made = AugmentationRecipe(rows=0, ways=["substitute"], masked_model=str(wrong))
    for recipe in (unused, none_made):
        build_augmenter(recipe, bert_tokenizer(), 64, wrong)
    with pytest.raises(InputError, match="no trained head"):
        build_augmenter(none_made.model_copy(update={"rows": 9}), bert_tokenizer(), 64, wrong)


def test_where_texts_are_cut_is_an_input_of_what_is_substituted_alone(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[dict[str, Any]] = []
    monkeypatch.setattr(Run, "stage", lambda _run, _name, _folder, inputs, _work, **_: told.append(inputs))
    model = f"augmentation.masked_model='{folder}'"
    for ways in ("['substitute']", "['cut']"):
        for most in (8, 9):
            settings = ["augmentation.rows=9", model, f"augmentation.ways={ways}", f"corpus.max_tokens={most}"]
            run = Run(load_recipe("smoke", settings), RunLayout(tmp_path), Reporter(quiet=True))
            done = StageRecord("", {"tokenizer.json": "0"}, 0.0, skipped=True)
            run.records |= {"corpus": done, "teacher": done}
            augment_stage(run)
    assert told[0] != told[1]
    assert told[2] == told[3]
