"""Near words of an encoder's table: the nearest by cosine, in their places, with the punctuation around them."""

from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import BertTokenizerFast

from distill.corpora.augment import augment, text_key
from distill.export.runtime.errors import InputError
from distill.labelling.augmentation import build_augmenter
from distill.recipe.augmentation import AugmentationRecipe
from distill.teachers.encoder import EncoderClassifier
from distill.teachers.near_words import CHOICES, NearWords, load_near_words
from tests.support.tiny_models import TEXTS, bert_tokenizer, tiny_classifier

WORDS = ["sad", "happy", "glad", "stairs", "form", *(f"w{chr(97 + index)}" for index in range(20))]


def near_by_hand(table: np.ndarray, row: int) -> set[str]:
    centred = table - table.mean(axis=0)
    cosines = [
        -2.0
        if other == row
        else float(vector @ centred[row] / np.linalg.norm(vector) / np.linalg.norm(centred[row]))
        for other, vector in enumerate(centred)
    ]
    return {WORDS[other] for other in np.argsort(cosines)[::-1][:CHOICES]}


def test_words_are_drawn_among_the_nearest_by_cosine() -> None:
    table = np.random.default_rng(3).normal(1.0, 1.0, (len(WORDS), 6))
    near = NearWords(WORDS, torch.from_numpy(table), ["Happy, stairs"])
    rng = np.random.default_rng(0)
    drawn = [near.substitute(["(Happy),", "stairs"], [0], rng) for _ in range(300)]
    assert {after for _, after in drawn} == {"stairs"}
    firsts = {word.strip("(),") for word, _ in drawn}
    assert firsts == near_by_hand(table, WORDS.index("happy"))
    assert {word.replace(word.strip("(),"), "") for word, _ in drawn} == {"(),"}


def test_numbers_unknown_words_and_other_texts_stay() -> None:
    near = NearWords(WORDS, torch.eye(len(WORDS)), ["happy 12 zanzibar ..."])
    rng = np.random.default_rng(0)
    words = ["12", "zanzibar", "...", "glad"]  # "glad" is in no text that was announced
    assert near.substitute(words, [0, 1, 2, 3], rng) == words
    assert NearWords(WORDS, torch.eye(len(WORDS)), []).substitute(["happy"], [0], rng) == ["happy"]


def saved(folder: Path, tokenizer: BertTokenizerFast) -> Path:
    model = tiny_classifier("bert")
    assert isinstance(model, EncoderClassifier)
    model.encoder.resize_token_embeddings(len(tokenizer))
    model.encoder.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def test_texts_are_made_with_them_and_none_repeats_a_row(tmp_path: Path) -> None:
    folder = saved(tmp_path, bert_tokenizer())
    recipe = AugmentationRecipe(rows=12, ways=["near"], share=0.5)
    rows = list(dict.fromkeys(TEXTS))
    known = {text_key(text) for text in rows}
    made = [
        list(augment(rows, 12, build_augmenter(recipe, bert_tokenizer(), 64, folder, rows), known=known, seed=1))
        for _ in range(2)
    ]
    assert made[0] == made[1]
    assert len(made[0]) == 12
    # a word for a word
    assert {len(text.split()) for text in made[0]} <= {len(text.split()) for text in rows}


def test_a_tokenizer_without_whole_words_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = saved(tmp_path, bert_tokenizer())
    monkeypatch.setattr("distill.teachers.near_words.whole_words", lambda _: {7: "so"})
    with pytest.raises(InputError, match="`ways`: Near words need whole words"):
        load_near_words(folder, TEXTS)
