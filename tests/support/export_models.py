"""Tiny bodies with random weights, of every supported kind, and their graphs."""

from pathlib import Path

import numpy as np
import torch
from transformers import AutoModel, BertConfig, DistilBertConfig, PretrainedConfig, RobertaConfig

from distill.export.graph.from_torch import export_onnx, fuse
from distill.export.runtime.deciding.kinds.multi_label import MultiLabel
from distill.teachers.encoder import EncoderClassifier, Pooling

VOCABULARY = 120
WIDTH = 32
HEADS = 2
MAX_TOKENS = 24
LABELS = ("joy", "sadness", "calm", "anger")
KINDS = ("bert", "roberta", "distilbert")
# the last token is for decoders, which no student starts from
OF_STUDENTS = tuple(one for one in Pooling if one is not Pooling.LAST)
# products that compute in fp32, more and more of them, by name; of a body of two layers
OUTPUTS = ("layer.0.ffn_output", "layer.1.ffn_output")
KEEPS = (
    (),
    ("layer.1.ffn_output",),
    OUTPUTS,
    (*OUTPUTS, *(f"layer.{layer}.{role}" for role in ("ffn_up", "attention_output", "key") for layer in (0, 1))),
)


def tiny_config(kind: str) -> PretrainedConfig:
    sizes = {
        "vocab_size": VOCABULARY,
        "hidden_size": WIDTH,
        "num_hidden_layers": 2,
        "num_attention_heads": HEADS,
        "intermediate_size": 64,
        "max_position_embeddings": MAX_TOKENS + 2,
        # far from the default, so that the layers matter beside the residual path
        "initializer_range": 0.2,
    }
    if kind == "bert":
        return BertConfig(**sizes)
    if kind == "roberta":
        return RobertaConfig(**sizes, type_vocab_size=1, pad_token_id=1)
    return DistilBertConfig(
        vocab_size=VOCABULARY,
        dim=WIDTH,
        n_layers=2,
        n_heads=HEADS,
        hidden_dim=64,
        max_position_embeddings=MAX_TOKENS + 2,
        initializer_range=0.2,
    )


def tiny_classifier(kind: str, pooling: Pooling = Pooling.MEAN) -> EncoderClassifier:
    torch.manual_seed(3)
    model = EncoderClassifier(AutoModel.from_config(tiny_config(kind)), MultiLabel(LABELS), pooling)
    torch.nn.init.normal_(model.head.weight, std=1.0)
    return model.eval()


def tiny_graph(folder: Path, model: EncoderClassifier) -> Path:
    """The fused fp32 graph, in `folder`."""
    export_onnx(model, model.config, folder / "unfused.onnx")
    fuse(folder / "unfused.onnx", folder / "fused.onnx", heads=HEADS, width=WIDTH)
    return folder / "fused.onnx"


def random_rows(count: int, seed: int = 0, longest: int = MAX_TOKENS) -> list[list[int]]:
    """Token ids of several lengths; none is a padding id."""
    rng = np.random.default_rng(seed)
    return [rng.integers(5, VOCABULARY, rng.integers(1, longest + 1)).tolist() for _ in range(count)]


def batch(rows: list[list[int]], pad: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Ids and mask (B, T), padded on the right."""
    width = max(map(len, rows))
    ids = np.full((len(rows), width), pad, dtype=np.int64)
    mask = np.zeros((len(rows), width), dtype=np.int64)
    for index, row in enumerate(rows):
        ids[index, : len(row)], mask[index, : len(row)] = row, 1
    return ids, mask


def feeds(rows: list[list[int]], inputs: list[str]) -> list[dict[str, np.ndarray]]:
    """Each row alone, as inputs of a graph."""
    found = []
    for row in rows:
        ids, mask = batch([row])
        values = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
        found.append({name: values[name] for name in inputs})
    return found
