"""Feature (hint) distillation: a student wrapped so that it also matches its teacher's hidden states.

Hidden states as in FitNets (Romero et al., arXiv 1412.6550) and TinyBERT (arXiv 1909.10351), self-attention
relations as in MiniLMv2 (arXiv 2012.15828).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from distill.objectives.features import Vectors, relation_distance, state_distance
from distill.objectives.mixed import Objective
from distill.teachers.bodies import inputs_for, layers_of, parts_of
from distill.teachers.encoder import EncoderClassifier


@dataclass(frozen=True)
class Features:
    """Hidden states of a body for one batch: the embedding layer's output, then each layer's, ``(B, T, H)``."""

    encoder: Any
    states: tuple[Tensor, ...]

    def vectors(self, layer: int) -> Vectors:
        """Return the queries, keys and values of one layer, computed from its input, each ``(B, T, H)``."""
        parts, inputs = parts_of(self.encoder, layers_of(self.encoder)[layer]), self.states[layer]
        return parts.query(inputs), parts.key(inputs), parts.value(inputs)


class LogitsAndDistance(NamedTuple):
    """The student's logits ``(B, C)``, and the weighted distance of its features from the teacher's, ``(B,)``."""

    logits: Tensor
    distance: Tensor


class StateTerm(nn.Module):
    """Mean distance over pairs of hidden states, the student's through one learned projection.

    Args:
        pairs: indices into `Features.states` of student and teacher.
        width: the student's hidden size.
        teacher_width: the teacher's hidden size, to which the projection maps; between equal widths it starts as
            the identity.
    """

    def __init__(self, pairs: Sequence[tuple[int, int]], width: int, teacher_width: int) -> None:
        super().__init__()
        self._pairs = tuple(pairs)
        self.projection = nn.Linear(width, teacher_width)
        start = nn.init.eye_ if width == teacher_width else nn.init.orthogonal_
        start(self.projection.weight)
        nn.init.zeros_(self.projection.bias)

    def forward(self, student: Features, teacher: Features, attention_mask: Tensor) -> Tensor:
        """Return one distance per row, ``(B,)``."""
        distances = [
            state_distance(self.projection(student.states[place]), teacher.states[target], attention_mask)
            for place, target in self._pairs
        ]
        return torch.stack(distances).mean(dim=0)


class RelationTerm(nn.Module):
    """Distance between the self-attention relations of one layer of the student and one of the teacher."""

    def __init__(self, student_layer: int, teacher_layer: int, relation_heads: int) -> None:
        super().__init__()
        self._layers, self._relation_heads = (student_layer, teacher_layer), relation_heads

    def forward(self, student: Features, teacher: Features, attention_mask: Tensor) -> Tensor:
        """Return one distance per row, ``(B,)``."""
        layer, target = self._layers
        return relation_distance(
            student.vectors(layer), teacher.vectors(target), attention_mask, self._relation_heads
        )


class FeatureDistiller(nn.Module):
    """A student that is trained beside its teacher.

    Args:
        student: the model that is trained.
        teacher: a body on the student's device; it is frozen, and not part of this module's state.
        token_ids: the teacher's id of each token of the student, ``(V,)``; below 0 where it has none.
        terms: the feature terms, each with its weight.
    """

    def __init__(
        self,
        student: EncoderClassifier,
        teacher: Any,
        token_ids: Tensor,
        terms: Sequence[tuple[float, nn.Module]],
    ) -> None:
        super().__init__()
        self.student = student
        self.terms = nn.ModuleList(term for _, term in terms)
        self._weights = tuple(weight for weight, _ in terms)
        # a row with a token that the teacher lacks is not aligned, and the teacher's states for it are not used
        self.register_buffer("token_ids", token_ids.clamp(min=0), persistent=False)
        self._read_teacher = _Frozen(teacher.eval().requires_grad_(False))

    def forward(
        self, input_ids: Tensor, attention_mask: Tensor, aligned: Tensor, token_type_ids: Tensor | None = None
    ) -> LogitsAndDistance:
        """Return logits and distances: ``(B, T), (B, T), (B,) -> (B, C), (B,)``; 0 where a row is not aligned."""
        student = features(self.student.encoder, input_ids, attention_mask, token_type_ids)
        teacher = self._read_teacher(self.get_buffer("token_ids")[input_ids], attention_mask, token_type_ids)
        distance = torch.zeros(len(aligned), device=aligned.device)  # (B,)
        for weight, term in zip(self._weights, self.terms, strict=True):
            distance = distance + weight * term(student, teacher, attention_mask)
        return LogitsAndDistance(
            self.student.classify(student.states[-1], attention_mask, token_type_ids), distance * aligned
        )


@dataclass(frozen=True)
class FeatureObjective:
    """An objective on logits, plus the mean distance of the features."""

    objective: Objective

    def __call__(self, output: LogitsAndDistance, teacher: Tensor, targets: Tensor, labelled: Tensor) -> Tensor:
        """Return the mean loss over rows, a scalar."""
        return self.objective(output.logits, teacher, targets, labelled) + output.distance.mean()


def features(
    encoder: Any, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor | None = None
) -> Features:
    """Return the hidden states of a body for ids and mask, each ``(B, T)``."""
    inputs = inputs_for(encoder, input_ids, attention_mask, token_type_ids)
    output = encoder(**inputs, output_hidden_states=True)
    return Features(encoder, tuple(output.hidden_states))


@dataclass(frozen=True)
class _Frozen:
    """A reader of a body without gradients or dropout; no module, so that none saves or trains the body."""

    encoder: Any

    def __call__(self, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor | None) -> Features:
        """Return the hidden states of a batch."""
        with torch.no_grad():
            return features(self.encoder, input_ids, attention_mask, token_type_ids)
