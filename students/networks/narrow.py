"""Token vectors of a student that learns with them rounded to the few bits in which a bundle stores them.

The rounding is that of export/int8/tables.py. Rounding has no useful gradient, so gradients pass through it
unchanged: the straight-through estimator of Bengio et al., "Estimating or Propagating Gradients Through Stochastic
Neurons for Conditional Computation" (arXiv 1308.3432).
"""

import torch
from torch import Tensor

from distill.export.int8.tables import COVERED, MIN_CHANNEL, fit_table, middle_of


def channel_scales(table: Tensor) -> Tensor:
    """Return the scale of each channel of a table: ``(V, H) -> (H,)``."""
    return table.detach().square().mean(dim=0).sqrt().clamp(min=float(MIN_CHANNEL))


def rounded_rows(rows: Tensor, channels: Tensor, bits: int) -> Tensor:
    """Return rows ``(..., H)`` of a table rounded to `bits` bits per number, with the gradients of the rows.

    Args:
        rows: looked up in the table.
        channels: scales of the table's channels, ``(H,)``.
        bits: 4 to 6.
    """
    exact = rows.detach()
    x, top = exact / channels, float(middle_of(bits))
    peak = x.abs().amax(dim=-1, keepdim=True)
    best, explained = torch.zeros_like(x), torch.full_like(peak, -1)
    for part in COVERED.tolist():
        step = torch.where(peak > 0, part * peak / top, 1)
        tried = ((x / step).floor() + 0.5).clamp(-top, top)
        along, square = (x * tried).sum(-1, keepdim=True), tried.square().sum(-1, keepdim=True)
        better = along.square() / square > explained
        explained = torch.where(better, along.square() / square, explained)
        best = torch.where(better, tried * (along / square), best)
    return rows + (best * channels - exact)


def rounded_table(table: Tensor, bits: int) -> Tensor:
    """Return a rounded table ``(V, H)``; rounding it again, as an export does, changes next to nothing."""
    return torch.from_numpy(fit_table(table.detach().float().cpu().numpy(), bits).values())
