"""Fake quantization: a PyTorch model computes what its integer graph will, and trains through the rounding.

Weights, table rows and activations are rounded as export/int8/integer.py rounds them, with the same scales,
granularity and bit widths. Rounding has no useful gradient, so gradients pass through it unchanged: the
straight-through estimator of Bengio et al., "Estimating or Propagating Gradients Through Stochastic Neurons for
Conditional Computation" (arXiv 1308.3432); beyond the range of a fixed scale the gradient is zero. As in the
graph, integers below 256 are multiplied and scaled afterwards: bfloat16 holds them exactly.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from distill.export.int8.integer import GELU_DEPTH, INT8_MAX, MIN_SCALE, MIN_TABLE_ROWS, SEVEN_BITS_MAX, UINT8_ZERO
from distill.export.int8.ranges import UINT8_MAX, InputScale
from distill.export.runtime.errors import InputError


@dataclass(frozen=True)
class TokenScale:
    """Activations are scaled per token, by the token's own largest value."""

    after_exact_gelu: bool = False


Kind = TypeVar("Kind", bound=nn.Module)

# rounding of a matmul's activations; None leaves them as they are and gives the weight 8 bits instead of 7
InputRounding = InputScale | TokenScale | None


@dataclass(frozen=True)
class FakeQuantization:
    """Modules of a model to round, by their dotted names.

    `matmuls` are `nn.Linear`, `tables` are `nn.Embedding`; all other modules compute in fp32.
    """

    matmuls: Mapping[str, InputRounding]
    tables: Collection[str]


def fake_quantize(model: nn.Module, plan: FakeQuantization) -> None:
    """Replace the planned modules in place; parameters and their names stay the same.

    Raises:
        InputError: a planned module does not exist, or has another type.
    """
    for name, rounding in plan.matmuls.items():
        linear = _module(model, name, nn.Linear)
        model.set_submodule(name, _linear(linear, rounding))
    for name in plan.tables:
        model.set_submodule(name, FakeQuantizedEmbedding(_module(model, name, nn.Embedding)))


def table_names(model: nn.Module) -> tuple[str, ...]:
    """Return the names of the embedding tables that are stored as int8: all but those of a few rows."""
    return tuple(
        name
        for name, module in model.named_modules()
        if isinstance(module, nn.Embedding) and module.num_embeddings >= MIN_TABLE_ROWS
    )


class FakeQuantizedEmbedding(nn.Module):
    """Embedding table with rows of 8 bits and a scale per row; only rows that are looked up are rounded."""

    def __init__(self, table: nn.Embedding) -> None:
        super().__init__()
        self.weight, self.padding_idx = table.weight, table.padding_idx

    def forward(self, ids: Tensor) -> Tensor:
        """Look rows up by id: ``(...) -> (..., H)``."""
        rows = F.embedding(ids, self.weight, self.padding_idx)
        values, scale = _rounded(rows, INT8_MAX)
        return values * scale


class StoredLinear(nn.Module):
    """Linear map in fp32 with a weight that is stored in 8 bits."""

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        self.weight, self.bias = linear.weight, linear.bias

    def forward(self, hidden: Tensor) -> Tensor:
        """Map ``(..., K) -> (..., N)``."""
        values, scale = _rounded(self.weight, INT8_MAX)  # (N, K), (N, 1)
        return F.linear(hidden, values * scale, self.bias)


class TokenScaledLinear(nn.Module):
    """Linear map in integers, with activations scaled per token by the token's own largest value."""

    def __init__(self, linear: nn.Linear, after_exact_gelu: bool) -> None:
        super().__init__()
        self.weight, self.bias = linear.weight, linear.bias
        self._depth = GELU_DEPTH if after_exact_gelu else 0.0

    def forward(self, hidden: Tensor) -> Tensor:
        """Map ``(..., K) -> (..., N)``."""
        values, scale = _rounded(self.weight, SEVEN_BITS_MAX)  # (N, K), (N, 1)
        moved = hidden.float() + self._depth
        size = moved if self._depth else moved.abs()
        largest = UINT8_MAX if self._depth else INT8_MAX
        # (..., 1)
        factor = (size.detach().amax(dim=-1, keepdim=True) * (1 / largest)).clamp(min=float(MIN_SCALE))
        zero = 0 if self._depth else UINT8_ZERO
        integers = _through(moved / factor, lambda v: (v + (zero + 0.5)).floor() - zero)
        out = F.linear(integers, values) * scale.squeeze(-1) * factor
        if self._depth:
            out = out - self._depth * (values * scale).sum(dim=-1)
        return out if self.bias is None else out + self.bias


class FixedScaleLinear(nn.Module):
    """Linear map in integers, with activations smoothed and scaled as fitted beforehand."""

    smoothing: Tensor
    inverse: Tensor
    scale: Tensor

    def __init__(self, linear: nn.Linear, fitted: InputScale) -> None:
        super().__init__()
        self.weight, self.bias = linear.weight, linear.bias
        self._zero_point = int(fitted.zero_point)
        smoothing = torch.from_numpy(fitted.smoothing)  # (K,)
        for name, values in (
            ("smoothing", smoothing),
            ("inverse", 1 / smoothing),
            ("scale", torch.tensor(float(fitted.scale))),
        ):
            self.register_buffer(name, values.to(linear.weight.device), persistent=False)

    def forward(self, hidden: Tensor) -> Tensor:
        """Map ``(..., K) -> (..., N)``."""
        values, scale = _rounded(self.weight * self.smoothing, SEVEN_BITS_MAX)  # (N, K), (N, 1)
        steps = _through(hidden.float() * self.inverse / self.scale, torch.round)
        integers = steps.clamp(-self._zero_point, UINT8_MAX - self._zero_point)
        out = F.linear(integers, values) * (scale.squeeze(-1) * self.scale)
        return out if self.bias is None else out + self.bias


def _linear(linear: nn.Linear, rounding: InputRounding) -> nn.Module:
    if rounding is None:
        return StoredLinear(linear)
    if isinstance(rounding, TokenScale):
        return TokenScaledLinear(linear, rounding.after_exact_gelu)
    return FixedScaleLinear(linear, rounding)


def _rounded(values: Tensor, largest: int) -> tuple[Tensor, Tensor]:
    """Return integers ``(R, K)`` up to `largest`, and the scale ``(R, 1)`` of each row."""
    peak = values.detach().abs().amax(dim=-1, keepdim=True)
    scale = (peak / largest).clamp(min=float(MIN_SCALE))
    return _through(values / scale, torch.round), scale


def _through(values: Tensor, rounding: Callable[[Tensor], Tensor]) -> Tensor:
    """Return rounded values with the gradient of the unrounded ones."""
    return values + (rounding(values.detach()) - values.detach())


def _module(model: nn.Module, name: str, kind: type[Kind]) -> Kind:
    try:
        module = model.get_submodule(name)
    except AttributeError:
        module = nn.Identity()
    if not isinstance(module, kind):
        raise InputError(
            f"Fake quantization: The model has no {kind.__name__} called {name}. Name modules of this model."
        )
    return module
