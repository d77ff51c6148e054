"""A causal language model as a labeller, against the sum over pieces without cache, batch or padding."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import BertConfig, BertForMaskedLM, MambaConfig, MambaForCausalLM

from distill.corpora.corpus import Split
from distill.export.runtime.deciding.kinds.multi_label import MultiLabel
from distill.export.runtime.deciding.kinds.single_label import SingleLabel
from distill.export.runtime.errors import InputError
from distill.labelling.codebook import Codebook, codebook_of
from distill.labelling.verbaliser import NO, YES, VerbaliserLabeller
from distill.recipe.llm import VerbaliserRecipe
from distill.teachers.causal import CausalModel, load_causal
from tests.support.tiny_causal import TEXTS, save, tokenizer

LABELS = ("joy", "sadness", "fear")
TRAIN = Split(["one", "two", "three"], np.array([0, 1, 2]))


@pytest.fixture(scope="module", params=["llama", "gpt2", "mistral"])
def language(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> CausalModel:
    return load_causal(save(request.param, tmp_path_factory.mktemp("model")))


def book(*, several: bool = False, **keys: Any) -> Codebook:
    task = MultiLabel(LABELS) if several else SingleLabel(LABELS)
    train = TRAIN if not several else Split(TRAIN.texts, np.eye(3, dtype=bool))
    return codebook_of(VerbaliserRecipe(**{"prompt": "Text: {text}\nLabel:", **keys}), task, train, 0)


@torch.inference_mode()
def log_probability(language: CausalModel, ids: list[int], word: list[int]) -> float:
    """Of a word's pieces after ids, in one forward pass over everything."""
    every = torch.tensor([ids + word])
    logits = torch.log_softmax(language.model(every).logits[0].double(), dim=-1)
    return float(sum(logits[len(ids) + place - 1, token] for place, token in enumerate(word)))


def test_scores_are_the_sums_over_pieces(language: CausalModel) -> None:
    words = {"joy": ["joy", "happiness"], "fear": ["fear", "terror"]}
    labeller = VerbaliserLabeller(book(words=words, shots=1, definitions={"fear": "Afraid."}), language, "x")
    scores = labeller.label(TEXTS)
    head = labeller._parts[0]
    assert head.startswith("Labels:\n- fear: Afraid.\n\nText: ")
    assert head.count("Label:") == 3
    for row, text in enumerate(TEXTS[:5]):
        ids = [
            *language.encode(head, control=True), *language.encode(f" {text}", control=False),
            *language.encode("\nLabel:", control=True),
        ]  # fmt: skip
        for label, name in enumerate(LABELS):
            values = [
                log_probability(language, ids, language.encode(f" {word}", control=False))
                for word in words.get(name, [name])
            ]
            assert scores[row, label] == pytest.approx(np.logaddexp.reduce(values), abs=2e-5)
    assert scores[:5] == pytest.approx(scores[5:10], abs=1e-5)


def test_several_labels_are_yes_or_no_each(language: CausalModel) -> None:
    labeller = VerbaliserLabeller(book(several=True, prompt="Text: {text}"), language, "x")
    scores = labeller.label(TEXTS[:3])

    def first(words: tuple[str, ...]) -> set[int]:
        return {language.encode(blank + word, control=False)[0] for word in words for blank in ("", " ")}

    yes, no = first(YES), first(NO)
    for row, text in enumerate(TEXTS[:3]):
        for label, name in enumerate(LABELS):
            ids = [
                *language.encode("Text:", control=True), *language.encode(f" {text}", control=False),
                *language.encode(f'\nDoes the label "{name}" apply? Answer yes or no:', control=True),
            ]  # fmt: skip
            logits = torch.log_softmax(language.model(torch.tensor([ids])).logits[0, -1].double(), dim=-1)
            both = (torch.stack([logits[token] for token in one - other]) for one, other in ((yes, no), (no, yes)))
            odds = [float(part.logsumexp(dim=0).detach()) for part in both]
            assert scores[row, label] == pytest.approx(odds[0] - odds[1], abs=2e-5)


def test_control_tokens_count_in_the_prompt_alone(language: CausalModel) -> None:
    end = language.tokenizer.token_to_id("<|end|>")
    assert end in language.encode("a<|end|>", control=True)
    assert end not in language.encode("a<|end|>", control=False)


def test_a_long_text_is_cut_and_a_long_prompt_refused(language: CausalModel) -> None:
    labeller = VerbaliserLabeller(book(), language, "x")
    assert np.isfinite(labeller.label(["sad " * 500])).all()
    long = VerbaliserLabeller(book(definitions={"joy": "happy? " * 100}), language, "x")
    with pytest.raises(InputError, match="`prompt`"):
        long.label(["sad"])


def test_words_that_the_model_cannot_tell_apart_are_refused(language: CausalModel) -> None:
    labeller = VerbaliserLabeller(book(words={"joy": ["fear of joy"]}), language, "x")
    with pytest.raises(InputError, match=r"`words`.*'joy' begins with one for 'fear'"):
        labeller.label(["sad"])


def test_the_identity_follows_words_prompt_and_model(language: CausalModel) -> None:
    made = [book(), book(words={"joy": ["glee"]}), book(prompt="{text}:"), book(shots=1)]
    names = {VerbaliserLabeller(one, language, "x").identity for one in made}
    assert len(names | {VerbaliserLabeller(book(), language, "y").identity}) == 5


def test_a_folder_without_a_causal_model_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(InputError, match="No causal language model"):
        load_causal(tmp_path)


def test_a_causal_model_is_made_of_numbers(tmp_path: Path) -> None:
    save("llama", tmp_path)
    tensors = load_file(tmp_path / "model.safetensors")
    next(iter(tensors.values())).view(-1)[0] = torch.nan
    save_file(tensors, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(InputError, match="holds NaN or infinite values"):
        load_causal(tmp_path)


def test_a_model_that_sees_what_follows_or_keeps_no_states_is_refused(tmp_path: Path) -> None:
    words = tokenizer()
    size = {"vocab_size": len(words), "hidden_size": 32, "num_hidden_layers": 2}
    masked = BertForMaskedLM(BertConfig(**size, num_attention_heads=4, intermediate_size=48))
    for model, said in (
        (masked, "A token of this bert model sees what follows it"),
        (MambaForCausalLM(MambaConfig(**size)), "This mamba model keeps no states per token"),
    ):
        model.save_pretrained(tmp_path)
        words.save_pretrained(tmp_path)
        with pytest.raises(InputError, match=said):
            load_causal(tmp_path)


@pytest.mark.parametrize(
    ("prompt", "said"),
    [
        ("no place", "and has it 0 times"),
        ("{text} and {text}", "and has it 2 times"),
        ("{context}\n{text}", "Nothing replaces {context}"),
    ],
)
def test_a_prompt_has_one_place_and_no_other_name_in_braces(prompt: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        VerbaliserRecipe(prompt=prompt)
    assert VerbaliserRecipe(prompt='Answer as {"label": "..."}. {text}').prompt
