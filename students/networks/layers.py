"""The network of the `layers` student: some of the teacher's layers, weights copied."""

import copy
from collections.abc import Sequence

from transformers import AutoModel

from distill.teachers.bodies import check_layers, layers_of, shape_keys
from distill.teachers.encoder import EncoderClassifier, Pooling, Teacher


def layers_student(
    teacher: Teacher, layers: Sequence[int], *, pooling: Pooling, dropout: float
) -> EncoderClassifier:
    """Return a network with the teacher's embeddings and the chosen layers; the teacher stays as it is.

    With all layers and the teacher's pooling, its logits are bit-identical to the teacher's. The head is copied
    from a teacher that pools the same way, and drawn at random otherwise (seed torch first).

    Args:
        teacher: the source of all weights.
        layers: layers of the teacher, 0-based, ascending.
        pooling: the student's pooling of hidden states.
        dropout: dropout before the head.

    Raises:
        InputError: the teacher does not have one of the layers, or its body is not supported.
    """
    check_layers(teacher.config, layers)
    available = layers_of(teacher.encoder)
    config = copy.deepcopy(teacher.config)
    setattr(config, shape_keys(config)["depth"], len(layers))
    encoder = AutoModel.from_config(config)
    encoder.embeddings.load_state_dict(teacher.encoder.embeddings.state_dict())
    for copied, chosen in zip(layers_of(encoder), layers, strict=True):
        copied.load_state_dict(available[chosen].state_dict())
    student = EncoderClassifier(encoder, teacher.task, pooling, dropout)
    copy_head(teacher, student)
    return student


def copy_head(teacher: Teacher, student: EncoderClassifier) -> None:
    """Copy the teacher's head where it reads the same vectors."""
    head = teacher.head_for(student.pooling)
    if head is not None and head.weight.shape == student.head.weight.shape:
        student.head.load_state_dict(head.state_dict())
