"""Learning from what happens inside the teacher: a module around the student that reads both.

It stands in the student's place while it is trained. The projections that it holds are trained and saved in
checkpoints with the student; the teacher is neither, and reads every batch anew. Judging and saving see the bare
student, and nothing of this is left when the training ends.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from distill.export.runtime.errors import InputError
from distill.objectives.features import uniform_layers
from distill.objectives.matching import FeatureDistiller, FeatureObjective, RelationTerm, StateTerm
from distill.objectives.mixed import Objective
from distill.recipe.student import ObjectiveRecipe
from distill.students.families import StudentFamily
from distill.students.shape import dimensions_of
from distill.teachers.bodies import layers_of, width_of
from distill.teachers.checkpoints import load_classifier
from distill.teachers.device import device_of
from distill.teachers.encoder import EncoderClassifier
from distill.teachers.tokenizers import load_tokenizer
from distill.training.alignment import require_aligned, teacher_token_ids
from distill.training.batches import Examples
from distill.training.session import TrainingSession


def distil_features(
    session: TrainingSession,
    examples: Examples,
    objective: Objective,
    *,
    recipe: ObjectiveRecipe,
    family: StudentFamily,
    teacher: Path,
    texts: Sequence[Sequence[str]],
    max_tokens: int,
) -> tuple[TrainingSession, Examples, FeatureObjective]:
    """Return the same training beside the teacher, with the feature terms of the recipe.

    Args:
        session: of the student.
        examples: what it learns from.
        objective: on its logits.
        recipe: the feature terms and their weights.
        family: of the student.
        teacher: its folder.
        texts: of the examples, in their order.
        max_tokens: length at which texts are cut.

    Raises:
        InputError: the two cannot be matched so, or too few rows are the same tokens for both.
    """
    student: Any = session.model  # an encoder: only families with layers have feature terms
    model, tokenizer = load_classifier(teacher, session.corpus.task), load_tokenizer(teacher)
    check_features(recipe, family, model.config)
    aligned = require_aligned(session.tokenizer, tokenizer, texts, examples.tokens, max_tokens)
    terms = feature_terms(recipe, student, model.encoder)
    device = device_of(student)
    token_ids = torch.from_numpy(teacher_token_ids(session.tokenizer, tokenizer))
    wrapper = FeatureDistiller(student, model.encoder.to(device), token_ids, terms).to(device)
    return (
        replace(session, wrapper=wrapper),
        replace(examples, extra_inputs={**examples.extra_inputs, "aligned": aligned}),
        FeatureObjective(objective),
    )


def feature_terms(
    objective: ObjectiveRecipe, student: EncoderClassifier, teacher: Any
) -> list[tuple[float, nn.Module]]:
    """Return the feature terms of an objective, each with its weight; seed torch before, projections are drawn.

    Args:
        objective: which terms are on.
        student: an encoder.
        teacher: the teacher's body.
    """
    depths = len(layers_of(student.encoder)), len(layers_of(teacher))
    widths = width_of(student.config), width_of(teacher.config)
    terms: list[tuple[float, nn.Module]] = []
    if objective.hidden_weight:
        pairs = uniform_layers(*depths) if objective.layer_map == "auto" else objective.layer_map
        # place 0 of the states is the embedding layer's
        states = StateTerm([(layer + 1, target + 1) for layer, target in pairs], *widths)
        terms.append((objective.hidden_weight, states))
    if objective.relation_weight:
        target = depths[1] - 1 if objective.relation_layer is None else objective.relation_layer
        terms.append((objective.relation_weight, RelationTerm(depths[0] - 1, target, objective.relation_heads)))
    if objective.embedding_weight:
        terms.append((objective.embedding_weight, StateTerm([(0, 0)], *widths)))
    return terms


def check_features(objective: ObjectiveRecipe, family: StudentFamily, config: Any) -> None:
    """Refuse feature terms by which a student and a teacher of this configuration cannot be matched.

    Raises:
        InputError: a layer is named that one of them does not have, or the relation heads do not divide a width.
    """
    teacher = dimensions_of(config)
    student = family.dimensions(teacher)
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
