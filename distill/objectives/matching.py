"""Feature distillation modules: a student wrapped so that it also matches its teacher's hidden states."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from distill.objectives.features import Vectors, relation_distance, state_distance
from distill.objectives.mixed import Objective
from distill.teachers.bodies import layers_of, parts_of
from distill.teachers.encoder import EncoderClassifier


@dataclass(frozen=True)
class Features:
    """What a body made of a batch: the embedding layer's output, then each layer's, ``(B, T, H)``."""

    encoder: Any
    states: tuple[Tensor, ...]

    def vectors(self, layer: int) -> Vectors:
        """Queries, keys and values of one layer, made anew from what that layer read, each ``(B, T, H)``."""
        parts, read = parts_of(self.encoder, layers_of(self.encoder)[layer]), self.states[layer]
        return parts.query(read), parts.key(read), parts.value(read)


class GuidedLogits(NamedTuple):
    """The student's logits ``(B, C)``, and how far its insides are from the teacher's, weighted, ``(B,)``."""

    logits: Tensor
    distance: Tensor


class StateTerm(nn.Module):
    """Pairs of states, the student's through one learned projection: the mean of their distances.

    Args:
        pairs: places in `Features.states` of student and teacher.
        width: the student's.
        teacher_width: what it is projected to; a projection that changes no width starts as the identity.

    """

    def __init__(self, pairs: Sequence[tuple[int, int]], width: int, teacher_width: int) -> None:
        super().__init__()
        self._pairs = tuple(pairs)
        self.projection = nn.Linear(width, teacher_width)
        start = nn.init.eye_ if width == teacher_width else nn.init.orthogonal_
        start(self.projection.weight)
        nn.init.zeros_(self.projection.bias)

    def forward(self, student: Features, teacher: Features, attention_mask: Tensor) -> Tensor:
        """One distance a row, ``(B,)``."""
        found = [
            state_distance(self.projection(student.states[own]), teacher.states[other], attention_mask)
            for own, other in self._pairs
        ]
        return torch.stack(found).mean(dim=0)


class RelationTerm(nn.Module):
    """The self-attention relations of one layer of each."""

    def __init__(self, student_layer: int, teacher_layer: int, relation_heads: int) -> None:
        super().__init__()
        self._layers, self._relation_heads = (student_layer, teacher_layer), relation_heads

    def forward(self, student: Features, teacher: Features, attention_mask: Tensor) -> Tensor:
        """One distance a row, ``(B,)``."""
        own, other = self._layers
        return relation_distance(
            student.vectors(own), teacher.vectors(other), attention_mask, self._relation_heads
        )


class Guided(nn.Module):
    """A student that is trained beside its teacher.

    Args:
        student: what is trained.
        teacher: a body on the student's device; it is frozen, and no part of this module's state.
        pieces: the teacher's id of each of the student's pieces, ``(V,)``; below 0 where there is none.
        terms: each with its weight.

    """

    def __init__(
        self,
        student: EncoderClassifier,
        teacher: Any,
        pieces: Tensor,
        terms: Sequence[tuple[float, nn.Module]],
    ) -> None:
        super().__init__()
        self.student = student
        self.terms = nn.ModuleList(term for _, term in terms)
        self._weights = tuple(weight for weight, _ in terms)
        # such a row is not aligned, and whatever the teacher makes of it counts nothing
        self.register_buffer("pieces", pieces.clamp(min=0), persistent=False)
        self._read_teacher = _frozen(teacher)

    def forward(self, input_ids: Tensor, attention_mask: Tensor, aligned: Tensor) -> GuidedLogits:
        """Logits and distances of a batch: ``(B, T), (B, T), (B,) -> (B, C), (B,)``; 0 where not aligned."""
        own = features(self.student.encoder, input_ids, attention_mask)
        teachers = self._read_teacher(self.get_buffer("pieces")[input_ids], attention_mask)
        distance = torch.zeros(len(aligned), device=aligned.device)  # (B,)
        for weight, term in zip(self._weights, self.terms, strict=True):
            distance = distance + weight * term(own, teachers, attention_mask)
        return GuidedLogits(self.student.classify(own.states[-1], attention_mask), distance * aligned)


@dataclass(frozen=True)
class GuidedObjective:
    """An objective on logits, and the mean distance over rows."""

    objective: Objective

    def __call__(self, output: GuidedLogits, teacher: Tensor, targets: Tensor, labelled: Tensor) -> Tensor:
        """Mean loss over rows, a scalar."""
        return self.objective(output.logits, teacher, targets, labelled) + output.distance.mean()


def features(encoder: Any, input_ids: Tensor, attention_mask: Tensor) -> Features:
    """All states of a body: ``(B, T), (B, T)``."""
    found = encoder(input_ids=input_ids, attention_mask=attention_mask, output_hidden_states=True)
    return Features(encoder, tuple(found.hidden_states))


def _frozen(encoder: Any) -> Callable[[Tensor, Tensor], Features]:
    """A body that does not learn and has no dropout; in a closure, for a module would save and train it."""
    encoder.eval().requires_grad_(False)

    def read(input_ids: Tensor, attention_mask: Tensor) -> Features:
        with torch.no_grad():
            return features(encoder, input_ids, attention_mask)

    return read
