"""Feature distillation: a module around the student that also matches the teacher's hidden states.

The training loop trains this module in place of the student. Its projections are trained and saved in checkpoints
with the student; the teacher is neither trained nor saved, and reads every batch again. Evaluation and saving use
the bare student, and the module is dropped when the training ends.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from distill.export.runtime.errors import InputError
from distill.export.runtime.reading.inputs import Row
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
from distill.teachers.token_cache import TokenCache
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
    texts: Sequence[Sequence[Row]],
    tokens: TokenCache,
) -> tuple[TrainingSession, Examples, FeatureObjective]:
    """Return the same training beside the teacher, with the feature terms of the recipe.

    Args:
        session: the student's session.
        examples: rows that the student learns from.
        objective: objective on the student's logits.
        recipe: the feature terms and their weights.
        family: the student's family.
        teacher: the teacher's folder.
        texts: the texts of the examples, in their order.
        tokens: says how these texts are read.

    Raises:
        InputError: the recipe's terms cannot match the two, or too few rows have the same tokens for both.
    """
    student: Any = session.model  # an encoder: only families with layers have feature terms
    model, tokenizer = load_classifier(teacher, session.corpus.task), load_tokenizer(teacher)
    check_features(recipe, family, model.config)
    aligned = require_aligned(session.tokenizer, tokenizer, texts, examples.tokens, tokens)
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
    """Return the feature terms of an objective, each with its weight; seed torch first, projections are random.

    Args:
        objective: the weights of the terms; 0 disables one.
        student: the student, an encoder.
        teacher: the teacher's body.
    """
    depths = len(layers_of(student.encoder)), len(layers_of(teacher))
    widths = width_of(student.config), width_of(teacher.config)
    terms: list[tuple[float, nn.Module]] = []
    if objective.hidden_weight:
        pairs = uniform_layers(*depths) if objective.layer_map == "auto" else objective.layer_map
        # place 0 of the states is the embedding layer's output
        states = StateTerm([(layer + 1, target + 1) for layer, target in pairs], *widths)
        terms.append((objective.hidden_weight, states))
    if objective.relation_weight:
        target = depths[1] - 1 if objective.relation_layer is None else objective.relation_layer
        terms.append((objective.relation_weight, RelationTerm(depths[0] - 1, target, objective.relation_heads)))
    if objective.embedding_weight:
        terms.append((objective.embedding_weight, StateTerm([(0, 0)], *widths)))
    return terms


def check_features(objective: ObjectiveRecipe, family: StudentFamily, config: Any) -> None:
    """Refuse feature terms that cannot match a student and a teacher with this configuration.

    Raises:
        InputError: a layer is named that one of them does not have, or the relation heads do not divide a width.
    """
    teacher = dimensions_of(config)
    student = family.dimensions(teacher)
    if objective.hidden_weight and objective.layer_map != "auto":
        for layer, target in objective.layer_map:
            if layer >= student.depth or target >= teacher.depth:
                raise InputError(
                    f"objective.layer_map has [{layer}, {target}]; the student has layers 0 to "
                    f"{student.depth - 1}, the teacher 0 to {teacher.depth - 1}. Name pairs of these, or 'auto'."
                )
    if objective.relation_weight:
        relation_layer = objective.relation_layer
        if relation_layer is not None and relation_layer >= teacher.depth:
            raise InputError(
                f"objective.relation_layer is {relation_layer}; the teacher has layers 0 to {teacher.depth - 1}. "
                "Name one of these."
            )
        if student.width % objective.relation_heads or teacher.width % objective.relation_heads:
            raise InputError(
                f"objective.relation_heads is {objective.relation_heads}; it must divide the student's width, "
                f"{student.width}, and the teacher's, {teacher.width}. Choose a common divisor."
            )
