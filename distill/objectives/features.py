"""Match a teacher's hidden states token by token: pure functions, each returning one loss per row ``(B,)``.

Hidden states and embeddings through a learned projection are TinyBERT's (Jiao et al., arXiv 1909.10351),
self-attention relations MiniLMv2's (Wang et al., arXiv 2012.15828). Padding never counts, and a row's loss
depends neither on its length nor on its batch-mates. All arithmetic is in float32, whatever autocast chose for
the network.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

Vectors = tuple[Tensor, Tensor, Tensor]  # queries, keys and values of one layer, each (B, T, H)


def uniform_layers(student: int, teacher: int) -> list[tuple[int, int]]:
    """Return pairs of each student layer and an evenly spaced teacher layer, 0-based; the last with the last.

    Args:
        student: number of the student's layers.
        teacher: number of the teacher's layers.
    """
    return [(layer, math.ceil((layer + 1) * teacher / student) - 1) for layer in range(student)]


def state_distance(student: Tensor, teacher: Tensor, attention_mask: Tensor) -> Tensor:
    """Return the mean squared difference over a row's tokens and features, ``(B,)``.

    Both states are ``(B, T, H)``, the student's already projected to the teacher's width; the mask is ``(B, T)``.
    """
    per_token = (student.float() - teacher.float()).square().mean(dim=-1)  # (B, T)
    return _mean_over_tokens(per_token, attention_mask)


def relation_distance(
    student: Sequence[Tensor], teacher: Sequence[Tensor], attention_mask: Tensor, relation_heads: int
) -> Tensor:
    """Return KL(teacher ‖ student) of relations among queries, among keys and among values, summed: ``(B,)``.

    A relation is the distribution of a token's attention over all tokens: softmax of scaled dot products, after
    the vectors of all attention heads are concatenated and split again into `relation_heads` parts. So neither the
    widths nor the numbers of attention heads need to be equal. Each kind is the mean over parts and tokens.

    Args:
        student: queries, keys and values of one layer, each ``(B, T, H)``.
        teacher: likewise; the width may differ.
        attention_mask: ``(B, T)``, 0 on padding.
        relation_heads: number of parts; it divides both widths.
    """
    total = torch.zeros(len(attention_mask), device=attention_mask.device)  # (B,)
    for student_vectors, teacher_vectors in zip(student, teacher, strict=True):
        log_q = log_relations(student_vectors, attention_mask, relation_heads)  # (B, R, T, T)
        log_p = log_relations(teacher_vectors, attention_mask, relation_heads)
        per_token = (log_p.exp() * (log_p - log_q)).sum(dim=-1).mean(dim=1)  # (B, T)
        total = total + _mean_over_tokens(per_token, attention_mask)
    return total


def log_relations(vectors: Tensor, attention_mask: Tensor, relation_heads: int) -> Tensor:
    """Return the logarithms of each token's relations to all tokens but padding: ``(B, T, H) -> (B, R, T, T)``."""
    rows, tokens, width = vectors.shape
    parts = vectors.float().view(rows, tokens, relation_heads, width // relation_heads).transpose(1, 2)
    with torch.autocast(vectors.device.type, enabled=False):
        products = parts @ parts.transpose(-1, -2) / math.sqrt(width // relation_heads)  # (B, R, T, T)
    # the lowest finite number, because log-probabilities of minus infinity would turn the divergence into 0 · inf
    lowest = torch.finfo(products.dtype).min
    return F.log_softmax(products.masked_fill(attention_mask[:, None, None, :] == 0, lowest), dim=-1)


def _mean_over_tokens(per_token: Tensor, attention_mask: Tensor) -> Tensor:
    """Return the mean over the tokens: ``(B, T), (B, T) -> (B,)``; 0 for a row without tokens."""
    mask = attention_mask.to(per_token.dtype)
    return (per_token * mask).sum(dim=-1) / mask.sum(dim=-1).clamp(min=1)
