"""A body with random weights and the commonest pieces of the packaged tokenizer.

A run with it costs a third of one with the real body.
"""

import json
from pathlib import Path

import torch
from tokenizers import Tokenizer
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast, set_seed

from distill.teachers.sources import resolve_model

# BERT's vocabulary is sorted by how often a piece is used, behind its special and unused pieces
PIECES = 6000


def write_small_teacher(folder: Path) -> Path:
    """Write three layers of width 64, and return their folder."""
    tokenizer = _common_pieces(resolve_model("sentence-transformers/all-MiniLM-L6-v2").path)
    set_seed(5)
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=64,
        num_hidden_layers=3,
        num_attention_heads=4,
        intermediate_size=128,
        max_position_embeddings=128,
    )
    model = BertModel(config, add_pooling_layer=False)
    with torch.no_grad():
        # biases that are all 0 are one constant in a graph, which no trained model's are
        for vector in (one for one in model.parameters() if one.ndim == 1):
            vector.add_(torch.randn(len(vector)) * config.initializer_range)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def _common_pieces(model: Path) -> PreTrainedTokenizerFast:
    file = json.loads((model / "tokenizer.json").read_text("utf-8"))
    file["model"]["vocab"] = {piece: number for piece, number in file["model"]["vocab"].items() if number < PIECES}
    settings = json.loads((model / "tokenizer_config.json").read_text("utf-8"))
    special = {key: settings[key] for key in ("unk_token", "cls_token", "sep_token", "pad_token", "mask_token")}
    return PreTrainedTokenizerFast(tokenizer_object=Tokenizer.from_str(json.dumps(file)), **special)
