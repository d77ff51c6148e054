"""Learning from what happens inside the teacher: a module around the student that reads both.

It stands in the student's place while it is trained. The projections that it holds are trained and saved in
checkpoints with the student; the teacher is neither, and reads every batch anew. Judging and saving see the bare
student, and nothing of this is left when the training ends.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from distill.alignment import piece_ids, require_aligned
from distill.batches import Examples
from distill.feature_objectives import Vectors, relation_distance, state_distance, uniform_layers
from distill.job import Job
from distill.learner import Learner
from distill.objectives import Objective
from distill.recipe import Recipe
from distill.recipe_student import ObjectiveRecipe
from export.runtime.errors import InputError
from students.bodies import depth_of, layers_of, parts_of, width_of
from teachers.classifier import EncoderClassifier, load_classifier, load_tokenizer
from teachers.label import device_of


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


def guide(
    job: Job, learner: Learner, examples: Examples, objective: Objective, texts: Sequence[Sequence[str]]
) -> tuple[Learner, Examples, GuidedObjective]:
    """The same training beside the teacher, with the terms that the recipe wants.

    Args:
        job: has the teacher.
        learner: the student.
        examples: what it learns from.
        objective: on its logits.
        texts: of the examples, in their order.

    Raises:
        InputError: the two cannot be matched so, or too few rows are the same tokens for both.
    """
    student, corpus = learner.model, learner.corpus
    if not isinstance(student, EncoderClassifier):
        raise TypeError("only an EncoderClassifier is guided")
    teacher, tokenizer = load_classifier(job.teacher, corpus.task), load_tokenizer(job.teacher)
    check_features(job.recipe, teacher.config)
    limit = job.recipe.corpus.max_tokens
    aligned = require_aligned(learner.tokenizer, tokenizer, texts, examples.tokens, limit)
    terms = feature_terms(job.recipe.objective, student, teacher.encoder)
    device = device_of(student)
    pieces = torch.from_numpy(piece_ids(learner.tokenizer, tokenizer))
    around = Guided(student, teacher.encoder.to(device), pieces, terms).to(device)
    return (
        replace(learner, around=around),
        replace(examples, also={**examples.also, "aligned": aligned}),
        GuidedObjective(objective),
    )


def feature_terms(
    recipe: ObjectiveRecipe, student: EncoderClassifier, teacher: Any
) -> list[tuple[float, nn.Module]]:
    """The terms that a recipe wants, each with its weight; seed torch before, for projections are drawn."""
    depths = len(layers_of(student.encoder)), len(layers_of(teacher))
    widths = width_of(student.config), width_of(teacher.config)
    found: list[tuple[float, nn.Module]] = []
    if recipe.hidden_weight:
        pairs = uniform_layers(*depths) if recipe.layer_map == "auto" else recipe.layer_map
        found.append((recipe.hidden_weight, StateTerm([(own + 1, other + 1) for own, other in pairs], *widths)))
    if recipe.relation_weight:
        layer = depths[1] - 1 if recipe.relation_layer is None else recipe.relation_layer
        found.append((recipe.relation_weight, RelationTerm(depths[0] - 1, layer, recipe.relation_heads)))
    if recipe.embedding_weight:
        found.append((recipe.embedding_weight, StateTerm([(0, 0)], *widths)))
    return found


def check_features(recipe: Recipe, config: Any) -> None:
    """Whether the recipe's student and a teacher of this configuration can be matched as the recipe wants.

    Raises:
        InputError: layers that one of them has not, or a width that the relation heads do not divide.
    """
    objective, student = recipe.objective, recipe.student
    teacher_depth, teacher_width = depth_of(config), width_of(config)
    copies = student.kind == "layers"
    depth = len(student.layers) if copies and isinstance(student.layers, list) else student.depth
    width = teacher_width if copies else student.width
    if objective.hidden_weight and objective.layer_map != "auto":
        for own, other in objective.layer_map:
            if own >= depth or other >= teacher_depth:
                raise InputError(
                    f"objective.layer_map has [{own}, {other}]; the student has layers 0 to {depth - 1}, the "
                    f"teacher 0 to {teacher_depth - 1}: name pairs of these, or 'auto'"
                )
    if objective.relation_weight:
        layer = objective.relation_layer
        if layer is not None and layer >= teacher_depth:
            raise InputError(
                f"objective.relation_layer is {layer}; the teacher has layers 0 to {teacher_depth - 1}"
            )
        if width % objective.relation_heads or teacher_width % objective.relation_heads:
            raise InputError(
                f"objective.relation_heads is {objective.relation_heads}; it must divide the student's width, "
                f"{width}, and the teacher's, {teacher_width}"
            )
