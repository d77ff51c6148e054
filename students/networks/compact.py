"""The network of the `compact` student, which starts from its teacher's matrices or embeddings."""

import copy
from dataclasses import asdict, dataclass

import torch
from torch import Tensor, nn
from transformers import AutoModel, set_seed

from distill.students.networks.projection import Batches, principal_basis, project
from distill.students.shape import INTERMEDIATE_RATIO
from distill.students.start import Bar, no_bar
from distill.teachers.bodies import check_width, embeddings_of, evenly_spaced, layers_of, shape_keys
from distill.teachers.encoder import EncoderClassifier, Pooling, Teacher


@dataclass(frozen=True)
class Shape:
    """Layers, hidden size (a multiple of `heads`) and attention heads per layer."""

    depth: int
    width: int
    heads: int


def compact_student(
    teacher: Teacher,
    shape: Shape,
    *,
    texts: Batches | None,
    pooling: Pooling,
    dropout: float,
    seed: int,
    bar: Bar = no_bar,
) -> EncoderClassifier:
    """Return a small network of the teacher's architecture that starts from it.

    With `texts` all matrices start from those of evenly spaced layers of the teacher (`projection`), its
    head included where it pools the same way; without, only the embedding tables do, by PCA.

    Args:
        teacher: source of architecture, vocabulary and weights.
        shape: shape of the student; at most the teacher's width, and with `texts` at most its depth.
        texts: a few hundred texts as the teacher's batches.
        pooling: the student's pooling of hidden states.
        dropout: dropout before the head.
        seed: seed for all weights that do not come from the teacher.
        bar: shows how far the projection is.

    Raises:
        InputError: the shape is impossible, or the teacher's body is not supported.
    """
    keys = shape_keys(teacher.config)
    check_width(teacher.config, shape.width, shape.heads)
    config = copy.deepcopy(teacher.config)
    for name, value in {**asdict(shape), "intermediate": INTERMEDIATE_RATIO * shape.width}.items():
        setattr(config, keys[name], value)
    set_seed(seed)
    encoder = AutoModel.from_config(config)
    student = EncoderClassifier(encoder, teacher.task, pooling, dropout)
    if texts is None:
        words = embeddings_of(teacher.encoder).word_embeddings
        basis = principal_basis(words.weight.detach(), shape.width)  # (H, W)
        _project_tables(embeddings_of(teacher.encoder), embeddings_of(encoder), basis)
        return student
    layers = evenly_spaced(len(layers_of(teacher.encoder)), shape.depth)
    encoder.eval()
    with bar("project the teacher", len(texts) + len(layers)) as advance:
        basis = project(teacher.encoder, encoder, layers, texts, seed, advance)
    encoder.train()
    head = teacher.head_for(pooling)
    if head is not None:
        with torch.no_grad():
            student.head.weight.copy_(head.weight.double() @ basis)
            student.head.bias.copy_(head.bias)
    return student


def _project_tables(source: nn.Module, target: nn.Module, basis: Tensor) -> None:
    """Project every embedding table onto the basis; a norm follows them, so their common scale is free."""
    wide = dict(source.named_parameters())
    with torch.no_grad():
        for name, parameter in target.named_parameters():
            if name.endswith("embeddings.weight"):
                parameter.copy_(wide[name].detach() @ basis)
