"""Devices that models run on, and whether they multiply in bf16."""

import torch
from torch import nn

from distill.export.measure.cpu import cpu_info

BF16_FLAGS = {"avx512_bf16", "amx_bf16"}


def multiplies_bf16(device: torch.device) -> bool:
    """Return whether training uses bf16 on this device: GPUs with bf16 matmuls, CPUs with AVX512-BF16 or AMX.

    Weights and losses stay in float32.
    """
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return not BF16_FLAGS.isdisjoint(cpu_info()["flags"])


def best_device() -> torch.device:
    """Return the GPU if there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def device_of(model: nn.Module) -> torch.device:
    """Return the device of a model's weights."""
    return next(model.parameters()).device
