"""Causal language models small enough to be built in a test."""

from pathlib import Path
from typing import Any

import torch
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    PreTrainedTokenizerFast,
    set_seed,
)

TEXTS = [
    "i feel very sad",
    "so happy",
    "",
    "the form <|end|> asks for my address and nobody knows why it does",
    "a",
] * 4


def tokenizer() -> PreTrainedTokenizerFast:
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(vocab_size=320, initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
    made.train_from_iterator([*TEXTS, "Text: Label: joy joy joy happy sad"], trainer)
    made.add_special_tokens([AddedToken(token, special=True) for token in ("<|begin|>", "<|end|>")])
    return PreTrainedTokenizerFast(tokenizer_object=made, bos_token="<|begin|>", eos_token="<|end|>")


def save(kind: str, folder: Path) -> Path:
    set_seed(1)
    words = tokenizer()
    small = {"vocab_size": len(words), "bos_token_id": 0, "eos_token_id": 1}
    model: Any
    shape = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4}
    shape |= {"num_key_value_heads": 2, "max_position_embeddings": 128}
    if kind == "llama":
        model = LlamaForCausalLM(LlamaConfig(**small, **shape))
    elif kind == "mistral":  # each layer looks back eight tokens alone
        model = MistralForCausalLM(MistralConfig(**small, **shape, sliding_window=8))
    else:
        model = GPT2LMHeadModel(GPT2Config(**small, n_embd=32, n_layer=2, n_head=4, n_positions=128))
    with torch.no_grad():
        for weight in model.parameters():  # so that a word's probability depends on the text
            weight.mul_(4 if weight.ndim > 1 else 1)
    model.save_pretrained(folder)
    words.save_pretrained(folder)
    return folder
