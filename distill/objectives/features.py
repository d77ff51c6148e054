"""Matching what happens inside a teacher, token by token: pure functions, each giving one loss a row ``(B,)``.

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
    """Each of the student's layers with one of the teacher's, 0-based, evenly; the last with the last.

    Args:
        student: layers.
        teacher: layers.

    """
    return [(layer, math.ceil((layer + 1) * teacher / student) - 1) for layer in range(student)]


def state_distance(student: Tensor, teacher: Tensor, attention_mask: Tensor) -> Tensor:
    """Mean squared difference over a row's tokens and their features: ``(B, T, H), (B, T, H), (B, T) -> (B,)``.

    The student's states were projected to the teacher's width before.
    """
    per_token = (student.float() - teacher.float()).square().mean(dim=-1)  # (B, T)
    return _mean_over_tokens(per_token, attention_mask)


def relation_distance(
    student: Sequence[Tensor], teacher: Sequence[Tensor], attention_mask: Tensor, relation_heads: int
) -> Tensor:
    """KL(teacher ‖ student) of relations among queries, among keys and among values, summed: ``-> (B,)``.

    A relation is how a token attends to all others: softmax of scaled dot products, after the vectors of all
    attention heads were put side by side and cut anew into `relation_heads` parts. So neither the widths nor the
    numbers of attention heads need be equal. Of each kind it is the mean over parts and tokens.

    Args:
        student: queries, keys and values of one layer, each ``(B, T, H)``.
        teacher: likewise, of another width.
        attention_mask: ``(B, T)``, 0 on padding.
        relation_heads: divides both widths.

    """
    total = torch.zeros(len(attention_mask), device=attention_mask.device)  # (B,)
    for own, teachers in zip(student, teacher, strict=True):
        log_q = log_relations(own, attention_mask, relation_heads)  # (B, R, T, T)
        log_p = log_relations(teachers, attention_mask, relation_heads)
        per_token = (log_p.exp() * (log_p - log_q)).sum(dim=-1).mean(dim=1)  # (B, T)
        total = total + _mean_over_tokens(per_token, attention_mask)
    return total


def log_relations(vectors: Tensor, attention_mask: Tensor, relation_heads: int) -> Tensor:
    """Logarithms of each token's relations to all tokens: ``(B, T, H) -> (B, R, T, T)``; padding has none."""
    rows, tokens, width = vectors.shape
    parts = vectors.float().view(rows, tokens, relation_heads, width // relation_heads).transpose(1, 2)
    with torch.autocast(vectors.device.type, enabled=False):
        products = parts @ parts.transpose(-1, -2) / math.sqrt(width // relation_heads)  # (B, R, T, T)
    # the lowest finite number: log-probabilities of minus infinity would make 0 · inf of the divergence
    lowest = torch.finfo(products.dtype).min
    return F.log_softmax(products.masked_fill(attention_mask[:, None, None, :] == 0, lowest), dim=-1)


def _mean_over_tokens(per_token: Tensor, attention_mask: Tensor) -> Tensor:
    """``(B, T), (B, T) -> (B,)``; 0 for a row without tokens."""
    mask = attention_mask.to(per_token.dtype)
    return (per_token * mask).sum(dim=-1) / mask.sum(dim=-1).clamp(min=1)
