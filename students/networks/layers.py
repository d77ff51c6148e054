"""The network of the `layers` student: some of the teacher's layers, weights copied."""

import copy
from collections.abc import Sequence
from typing import Any

from transformers import AutoModel

from distill.students.networks.projection import Batches, shorten_feed_forward
from distill.students.shape import check_neurons
from distill.students.start import Bar, no_bar
from distill.teachers.bodies import check_layers, layers_of, shape_keys
from distill.teachers.encoder import EncoderClassifier, Pooling, Teacher


def layers_student(
    teacher: Teacher,
    layers: Sequence[int],
    *,
    pooling: Pooling,
    dropout: float,
    neurons: int | None = None,
    texts: Batches = (),
    bar: Bar = no_bar,
) -> EncoderClassifier:
    """Return a network with the teacher's embeddings and the chosen layers; the teacher stays as it is.

    With all layers and the teacher's pooling, its logits are bit-identical to the teacher's. The head is copied
    from a teacher that pools the same way, and drawn at random otherwise (seed torch first).

    Args:
        teacher: the source of all weights.
        layers: layers of the teacher, 0-based, ascending.
        pooling: the student's pooling of hidden states.
        dropout: dropout before the head.
        neurons: how many each feed-forward block keeps; None keeps all.
        texts: a few hundred texts as the teacher's batches, by which neurons are chosen; without any, those blocks
            are drawn at random (seed torch first).
        bar: shows how far that is.

    Raises:
        InputError: the teacher does not have one of the layers, or fewer neurons; or its body is not supported.
    """
    check_layers(teacher.config, layers)
    available = layers_of(teacher.encoder)
    config = copy.deepcopy(teacher.config)
    setattr(config, shape_keys(config)["depth"], len(layers))
    encoder = AutoModel.from_config(config)
    encoder.embeddings.load_state_dict(teacher.encoder.embeddings.state_dict())
    for copied, chosen in zip(layers_of(encoder), layers, strict=True):
        copied.load_state_dict(available[chosen].state_dict())
    if neurons is not None:
        check_neurons(teacher.config, neurons)
        encoder = _narrowed(encoder, neurons, texts, bar)
    student = EncoderClassifier(encoder, teacher.task, pooling, dropout)
    copy_head(teacher, student)
    return student


def _narrowed(wide: Any, neurons: int, texts: Batches, bar: Bar) -> Any:
    """Return a body with fewer neurons in each feed-forward block, and everything else as it is."""
    config = copy.deepcopy(wide.config)
    setattr(config, shape_keys(config)["intermediate"], neurons)
    narrow = AutoModel.from_config(config)
    own = narrow.state_dict()
    same = {name: tensor for name, tensor in wide.state_dict().items() if tensor.shape == own[name].shape}
    narrow.load_state_dict(own | same)
    if texts:
        wide.eval()
        narrow.eval()
        with bar("choose neurons", len(texts) + len(layers_of(narrow))) as advance:
            shorten_feed_forward(wide, narrow, texts, advance)
        narrow.train()
    return narrow


def copy_head(teacher: Teacher, student: EncoderClassifier) -> None:
    """Copy the teacher's head where it reads the same vectors."""
    head = teacher.head_for(student.pooling)
    if head is not None and head.weight.shape == student.head.weight.shape:
        student.head.load_state_dict(head.state_dict())
