"""The `compact` student: an own depth, width and heads; its embeddings start from the teacher's by PCA."""

import copy

import torch
from torch import Tensor, nn
from transformers import AutoModel, set_seed

from students.bodies import check_width, embeddings_of, shape_keys
from teachers.classifier import EncoderClassifier, Pooling, Teacher

# the usual ratio of a transformer's feed-forward width to its width
INTERMEDIATE_RATIO = 4


def compact_student(
    teacher: Teacher, *, depth: int, width: int, heads: int, pooling: Pooling, dropout: float, seed: int
) -> EncoderClassifier:
    """A small network of the teacher's architecture; only its embedding tables know the teacher.

    Args:
        teacher: gives architecture, vocabulary and embedding tables.
        depth: layers.
        width: hidden size, a multiple of `heads`, at most the teacher's.
        heads: attention heads a layer.
        pooling: of the student.
        dropout: before the head.
        seed: of all weights that do not come from the teacher.

    Raises:
        InputError: a shape that cannot be, or a body that is not supported.
    """
    keys = shape_keys(teacher.config)
    check_width(teacher.config, width, heads)
    config = copy.deepcopy(teacher.config)
    shape = {"depth": depth, "width": width, "heads": heads, "intermediate": INTERMEDIATE_RATIO * width}
    for name, value in shape.items():
        setattr(config, keys[name], value)
    set_seed(seed)
    encoder = AutoModel.from_config(config)
    words = embeddings_of(teacher.encoder).word_embeddings
    basis = principal_basis(words.weight.detach(), width)  # (H, W)
    _project_tables(embeddings_of(teacher.encoder), embeddings_of(encoder), basis)
    return EncoderClassifier(encoder, teacher.task, pooling, dropout)


def principal_basis(table: Tensor, width: int) -> Tensor:
    """The `width` directions in which a table varies most: ``(V, H) -> (H, W)``, orthonormal columns.

    Computed in float64 from the covariance; each column's sign is fixed by its largest entry, so that the same
    table gives the same basis whatever the solver prefers.
    """
    centred = table.double() - table.double().mean(dim=0)
    _, vectors = torch.linalg.eigh(centred.T @ centred)  # ascending
    basis = vectors.flip(1)[:, :width]
    largest = basis.abs().argmax(dim=0)
    signs = basis[largest, torch.arange(width)].sign()
    signed: Tensor = basis * signs
    return signed.to(table.dtype)


def _project_tables(source: nn.Module, target: nn.Module, basis: Tensor) -> None:
    """Project every embedding table onto the basis; a norm follows them, so their common scale is free."""
    wide = dict(source.named_parameters())
    with torch.no_grad():
        for name, parameter in target.named_parameters():
            if name.endswith("embeddings.weight"):
                parameter.copy_(wide[name].detach() @ basis)
