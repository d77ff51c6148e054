"""Which of the teacher's layers a student should have: a short training of each candidate, ranked on validation.

Every candidate learns from the same part of the train rows, with the recipe's own objective, rates and seed. They
are ranked by how far their softened outputs are from the teacher's (the soft term): after a short training
macro-F1, which counts every rare label as much as a frequent one, says more about luck.
"""

from pathlib import Path
from typing import Any

import torch
from transformers import set_seed

from distill.artifacts.choices import RANKING_FILE
from distill.corpora.corpus import Corpus, evenly_spread, part_of
from distill.corpora.storage.parquet import load_corpus
from distill.evaluation.decision import Logits
from distill.evaluation.evaluator import EVALUATORS
from distill.files.atomic import remove
from distill.files.json_files import read_json, write_json
from distill.labelling.soft_labels import soft_labels
from distill.objectives.task_loss import LOSSES
from distill.runs.context import Job, with_layers
from distill.runs.stage import UNFINISHED
from distill.students.layers import candidate_layers
from distill.teachers.bodies import depth_of
from distill.teachers.checkpoints import load_config
from distill.teachers.encoder import Pooling
from distill.teachers.inference import predict_logits
from distill.training.feature_distillation import guide
from distill.training.loop import Loss
from distill.training.session import new_learner, plan, train
from distill.training.start import start_student
from distill.training.student import student_objective


def rank_layers(job: Job, folder: Path) -> None:
    """Write the candidates, best first; a search that was stopped goes on with the next one."""
    recipe = job.recipe
    corpus = load_corpus(job.corpus)
    part = part_of(corpus, recipe.layer_search.rows)
    found = []
    for layers in candidate_layers(depth_of(load_config(job.teacher)), recipe.student.depth):
        place = folder / UNFINISHED / "-".join(map(str, layers))
        result = place / "result.json"
        if not result.is_file():
            place.mkdir(parents=True, exist_ok=True)
            write_json(_try(with_layers(job, layers), corpus, part, place), result)
            remove(place / UNFINISHED)  # checkpoints of this one, each as large as several students
        found.append(read_json(result))
    write_json({"ranking": sorted(found, key=lambda one: float(one["divergence"]))}, folder / RANKING_FILE)


def _try(job: Job, corpus: Corpus, part: Corpus, folder: Path) -> dict[str, Any]:
    """One candidate: a short training on a part of the corpus, and its validation."""
    recipe = job.recipe.student.model_copy(update={"epochs": job.recipe.layer_search.epochs})
    # what a vocabulary is trimmed to says nothing about layers, and takes its time
    untrimmed = recipe.model_copy(update={"trim_vocabulary": False})
    set_seed(job.seed)  # a head that cannot be copied is drawn, for each candidate the same one
    model, tokenizer = start_student(
        untrimmed,
        job.teacher,
        corpus,
        pooling=Pooling(job.recipe.teacher.pooling),
        max_tokens=job.recipe.corpus.max_tokens,
        seed=job.seed,
    )
    name = f"layers {' '.join(map(str, recipe.layers))}"
    learner = new_learner(job, name, model, tokenizer, part, learns_from=("train",))
    examples = learner.train_examples(_soft_labels(job, corpus, "train"))
    objective = student_objective(job, LOSSES[corpus.task.kind])
    loss: Loss = objective
    if job.recipe.objective.reads_teacher:
        learner, examples, loss = guide(job, learner, examples, objective, [part.train.texts])
    settings = plan(job, recipe, len(part.train), job.seed)
    result = train(job, learner, examples, loss, settings, recipe, folder, recipe.family.parameter_groups)
    logits = predict_logits(model, learner.tokens["validation"], pad_id=tokenizer.pad_token_id)
    theirs = torch.from_numpy(_soft_labels(job, corpus, "validation"))
    return {
        "layers": list(recipe.layers),
        "divergence": float(objective.divergence(torch.from_numpy(logits), theirs).mean()),
        EVALUATORS[corpus.task.kind].headline: result.best_score,
        "steps": result.steps,
    }


def _soft_labels(job: Job, corpus: Corpus, split: str) -> Logits:
    """The logits ``(n, C)`` of a part's rows, as the whole corpus got them."""
    logits = soft_labels(job, corpus, split)
    return logits[evenly_spread(len(logits), job.recipe.layer_search.rows)]
