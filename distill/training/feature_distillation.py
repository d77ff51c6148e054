"""Learning from what happens inside the teacher: a module around the student that reads both.

It stands in the student's place while it is trained. The projections that it holds are trained and saved in
checkpoints with the student; the teacher is neither, and reads every batch anew. Judging and saving see the bare
student, and nothing of this is left when the training ends.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import nn

from distill.export.runtime.errors import InputError
from distill.objectives.features import uniform_layers
from distill.objectives.matching import Guided, GuidedObjective, RelationTerm, StateTerm
from distill.objectives.mixed import Objective
from distill.recipe.recipe import Recipe
from distill.recipe.student import ObjectiveRecipe
from distill.runs.context import Job
from distill.students.shape import dimensions_of
from distill.teachers.bodies import layers_of, width_of
from distill.teachers.checkpoints import load_classifier
from distill.teachers.device import device_of
from distill.teachers.encoder import EncoderClassifier
from distill.teachers.tokenizers import load_tokenizer
from distill.training.alignment import piece_ids, require_aligned
from distill.training.batches import Examples
from distill.training.session import Learner


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
    objective, teacher = recipe.objective, dimensions_of(config)
    student = recipe.student.family.dimensions(teacher)
    if objective.hidden_weight and objective.layer_map != "auto":
        for own, other in objective.layer_map:
            if own >= student.depth or other >= teacher.depth:
                raise InputError(
                    f"objective.layer_map has [{own}, {other}]; the student has layers 0 to {student.depth - 1}, "
                    f"the teacher 0 to {teacher.depth - 1}: name pairs of these, or 'auto'"
                )
    if objective.relation_weight:
        layer = objective.relation_layer
        if layer is not None and layer >= teacher.depth:
            raise InputError(
                f"objective.relation_layer is {layer}; the teacher has layers 0 to {teacher.depth - 1}"
            )
        if student.width % objective.relation_heads or teacher.width % objective.relation_heads:
            raise InputError(
                f"objective.relation_heads is {objective.relation_heads}; it must divide the student's width, "
                f"{student.width}, and the teacher's, {teacher.width}"
            )
