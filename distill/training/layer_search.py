"""Rank candidate layers for a student: a short training of each, compared on validation.

Every candidate learns from the same part of the train rows, with the recipe's own objective, rates and seed. They
are ranked by how far their softened outputs are from the teacher's (the soft term): after a short training
macro-F1, which counts every rare label as much as a frequent one, is mostly noise.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
from transformers import set_seed

from distill.artifacts.ranking import LayerCandidate, LayerRanking
from distill.artifacts.records import read_record, write_record
from distill.corpora.corpus import Corpus, evenly_spread, part_of
from distill.evaluation.decision import Logits
from distill.evaluation.evaluators import evaluator_of
from distill.files.atomic import remove
from distill.recipe.student import LayerSearchRecipe
from distill.runs.stage import UNFINISHED
from distill.teachers.inference import predict_logits
from distill.teachers.tokenizers import pad_id_of
from distill.training.feature_distillation import distil_features
from distill.training.loop import Loss
from distill.training.session import TrainingControls, open_session, schedule_of, train
from distill.training.start import start_student
from distill.training.student import StudentInputs

RESULT_FILE = "result.json"


def rank_layers(
    folder: Path,
    candidates: Sequence[Sequence[int]],
    recipe: LayerSearchRecipe,
    inputs: StudentInputs,
    controls: TrainingControls,
) -> None:
    """Write the candidates, best first; a search that was interrupted resumes with the next candidate.

    Args:
        folder: receives the ranking.
        candidates: layers of the teacher, 0-based.
        recipe: rows and epochs of each training.
        inputs: inputs of the student whose layers are open.
        controls: progress, stopping and saving.
    """
    part = part_of(inputs.corpus, recipe.rows)
    ranking = []
    for layers in candidates:
        place = folder / UNFINISHED / "-".join(map(str, layers))
        result = place / RESULT_FILE
        if not result.is_file():
            place.mkdir(parents=True, exist_ok=True)
            update = {"layers": list(layers), "epochs": recipe.epochs}
            named = replace(inputs, student=inputs.student.model_copy(update=update))
            write_record(_try_layers(place, named, part, recipe.rows, controls), result)
            remove(place / UNFINISHED)  # checkpoints of this candidate, each as large as several students
        ranking.append(read_record(LayerCandidate, result))
    LayerRanking(tuple(sorted(ranking, key=lambda candidate: candidate.divergence))).write(folder)


def _try_layers(
    folder: Path, inputs: StudentInputs, part: Corpus, rows: int, controls: TrainingControls
) -> LayerCandidate:
    """Train one candidate on a part of the corpus, and evaluate it there."""
    recipe, layers = inputs.student, inputs.student.layers
    if isinstance(layers, str):
        raise TypeError("A candidate must name its layers.")
    set_seed(inputs.seed)  # a head that cannot be copied is drawn at random, the same one for each candidate
    model, tokenizer = start_student(
        # the trimmed vocabulary makes no difference between layers, and trimming takes time
        recipe.model_copy(update={"trim_vocabulary": False}),
        inputs.teacher,
        inputs.corpus,
        pooling=inputs.pooling,
        max_tokens=inputs.tokens.max_tokens,
        seed=inputs.seed,
        reads=inputs.tokens.reads,
    )
    name = f"layers {' '.join(map(str, layers))}"
    session = open_session(name, model, tokenizer, part, inputs.tokens.of_part(), splits=("train",))
    examples = session.train_examples(_part_of_labels(inputs, "train", rows))
    objective = inputs.build_objective()
    loss: Loss = objective
    if inputs.objective.reads_teacher:
        session, examples, loss = distil_features(
            session,
            examples,
            objective,
            recipe=inputs.objective,
            family=recipe.family,
            teacher=inputs.teacher,
            texts=[part.train.texts],
            tokens=inputs.tokens,
        )
    result = train(
        session,
        examples,
        loss,
        schedule_of(recipe, len(part.train), inputs.seed, controls),
        recipe.family.parameter_groups(model, **recipe.rates()),
        folder,
        controls,
        wrapper_learning_rate=recipe.head_learning_rate,
    )
    logits = predict_logits(model, session.tokens["validation"], pad_id=pad_id_of(tokenizer))
    teacher_logits = torch.from_numpy(_part_of_labels(inputs, "validation", rows))
    return LayerCandidate(
        layers=tuple(layers),
        divergence=float(objective.divergence(torch.from_numpy(logits), teacher_logits).mean()),
        steps=result.steps,
        scores={evaluator_of(part.task).headline: result.best_score},
    )


def _part_of_labels(inputs: StudentInputs, split: str, rows: int) -> Logits:
    """Return the logits ``(n, C)`` of the rows that `part_of` keeps."""
    logits = inputs.soft_labels(split)
    return logits[evenly_spread(len(logits), rows)]
