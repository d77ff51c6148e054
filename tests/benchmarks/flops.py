"""How much arithmetic a pass over texts needs, and how much a card could do in that time."""

from typing import Any

import numpy as np
from torch import nn

# operations for a weight and a token: forward alone, and with the backward pass, which costs twice that
LABELLING, TRAINING = 2, 6
# dense peaks in FLOP/s by torch's name of a card and the products' type, as the maker publishes them.
# float32 is that of the plain cores, for torch multiplies it in TF32 only where it is told to.
PEAKS = {
    "NVIDIA H200": {"bfloat16": 989e12, "float32": 67e12},
    "NVIDIA H100 80GB HBM3": {"bfloat16": 989e12, "float32": 67e12},
    "NVIDIA H100 PCIe": {"bfloat16": 756e12, "float32": 51e12},
    "NVIDIA A100-SXM4-80GB": {"bfloat16": 312e12, "float32": 19.5e12},
    "NVIDIA A100-SXM4-40GB": {"bfloat16": 312e12, "float32": 19.5e12},
    "NVIDIA A100 80GB PCIe": {"bfloat16": 312e12, "float32": 19.5e12},
    "NVIDIA A100-PCIE-40GB": {"bfloat16": 312e12, "float32": 19.5e12},
    "NVIDIA L40S": {"bfloat16": 362e12, "float32": 91.6e12},
    "NVIDIA L4": {"bfloat16": 121e12, "float32": 30.3e12},
    "NVIDIA A10": {"bfloat16": 125e12, "float32": 31.2e12},
    "Tesla T4": {"float32": 8.1e12},
}


def encoder_flops(model: Any, lengths: Any, each: int) -> float:
    """Model FLOPs of one pass over texts of these many tokens, padding not counted.

    `each` (`LABELLING`, `TRAINING`) for every weight outside of the tables and every token, and as often again for
    attention's two products of ``T x H`` by ``H x T`` a layer, as Chowdhery et al. count (PaLM, arXiv 2204.02311).
    """
    tokens = np.asarray(lengths, dtype=np.float64)
    tables = [module for module in model.modules() if isinstance(module, nn.Embedding)]
    weights = sum(one.numel() for one in model.parameters()) - sum(one.weight.numel() for one in tables)
    config = model.config
    attention = 2 * config.num_hidden_layers * config.hidden_size * (tokens**2).sum()
    return float(each * (weights * tokens.sum() + attention))


def peak_of(card: str, dtype: str) -> float | None:
    """Dense FLOP/s of a card, None where it is not known."""
    return PEAKS.get(card, {}).get(dtype)
