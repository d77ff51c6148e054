"""The `layers` student: some of the teacher's layers, weights copied (DistilBERT, arXiv 1910.01108)."""

import copy
import itertools
import math
from collections.abc import Sequence

from torch import nn
from transformers import AutoModel

from distill.export.runtime.errors import InputError
from distill.teachers.bodies import check_layers, layers_of, shape_keys
from distill.teachers.encoder import EncoderClassifier, Pooling, Teacher

# a short training of each is affordable
FEW_CANDIDATES = 6


def layers_student(
    teacher: Teacher, layers: Sequence[int], *, pooling: Pooling, dropout: float
) -> EncoderClassifier:
    """A network of the teacher's width with its embeddings and the chosen layers; the teacher stays as it is.

    With all layers and the teacher's pooling its logits are the teacher's to the bit. The head is copied from a
    teacher that pools the same way, and fresh otherwise (seed torch before).

    Args:
        teacher: what to copy from.
        layers: 0-based, ascending.
        pooling: of the student.
        dropout: before the head.

    Raises:
        InputError: a layer that the teacher has not, or a body that is not supported.
    """
    check_layers(teacher.config, layers)
    available = layers_of(teacher.encoder)
    config = copy.deepcopy(teacher.config)
    setattr(config, shape_keys(config)["depth"], len(layers))
    encoder = AutoModel.from_config(config)
    encoder.embeddings.load_state_dict(teacher.encoder.embeddings.state_dict())
    for own, chosen in zip(layers_of(encoder), layers, strict=True):
        own.load_state_dict(available[chosen].state_dict())
    student = EncoderClassifier(encoder, teacher.task, pooling, dropout)
    copy_head(teacher, student)
    return student


def candidate_layers(depth: int, count: int) -> list[tuple[int, ...]]:
    """The choices of `count` of `depth` layers that are worth a try: all of a few, else the usual ones.

    Those are: the last, and the first, of `count` blocks of equal depth; evenly spaced from the first layer to the
    last; the first ones; the last ones; and each of these two with one layer of the other end instead.

    Raises:
        InputError: more layers than there are, or none.
    """
    if not 1 <= count <= depth:
        raise InputError(f"student.depth is {count}; the teacher has {depth} layers, ask for 1 to {depth} of them")
    if math.comb(depth, count) <= FEW_CANDIDATES:
        return list(itertools.combinations(range(depth), count))
    first, last = tuple(range(count)), tuple(range(depth - count, depth))
    found = [
        tuple((block + 1) * depth // count - 1 for block in range(count)),
        tuple(block * depth // count for block in range(count)),
        tuple(round(place * (depth - 1) / max(1, count - 1)) for place in range(count)),
        first,
        last,
        (0, *last[1:]),
        (*first[:-1], depth - 1),
    ]
    return list(dict.fromkeys(found))


def copy_head(teacher: Teacher, student: EncoderClassifier) -> None:
    """Start from the teacher's head where it reads the same vectors."""
    if not isinstance(teacher, EncoderClassifier) or teacher.pooling is not student.pooling:
        return
    if _same_shape(teacher.head, student.head):
        student.head.load_state_dict(teacher.head.state_dict())


def _same_shape(first: nn.Linear, second: nn.Linear) -> bool:
    return first.weight.shape == second.weight.shape
