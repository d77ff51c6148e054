"""Train the student on soft labels, and its twin on the labelled rows alone."""

from pathlib import Path

from transformers import set_seed

from distill.corpora.storage.parquet import load_corpus
from distill.labelling.soft_labels import soft_labels, unlabelled_texts
from distill.objectives.logits import logit_terms
from distill.objectives.mixed import Objective
from distill.objectives.task_loss import LOSSES, TaskLoss
from distill.runs.context import Job
from distill.teachers.encoder import Pooling
from distill.teachers.encoding import encode
from distill.training.batches import Examples, join_examples
from distill.training.feature_distillation import guide
from distill.training.loop import FitResult, Loss
from distill.training.session import Learner, new_learner, plan, save_results, train
from distill.training.start import start_student


def study(job: Job, folder: Path, *, distilled: bool) -> FitResult:
    """Train the student on the teacher's logits, or its twin on the labelled rows alone.

    Both start from the same weights and take the same number of steps with the same schedule and seed.
    """
    corpus, recipe = load_corpus(job.corpus), job.recipe.student
    set_seed(job.seed)
    model, tokenizer = start_student(
        recipe,
        job.teacher,
        corpus,
        pooling=Pooling(job.recipe.teacher.pooling),
        max_tokens=job.recipe.corpus.max_tokens,
        seed=job.seed,
    )
    name = "student" if distilled else "twin"
    learner = new_learner(job, name, model, tokenizer, corpus, learns_from=("train",))
    unlabelled = unlabelled_texts(job, corpus)
    # of the twin too: as many steps
    rows = len(corpus.train) + sum(map(len, unlabelled.values()))
    losses = LOSSES[corpus.task.kind]
    objective = student_objective(job, losses) if distilled else Objective(losses, soft_weight=0.0)
    examples = student_examples(job, learner) if distilled else learner.train_examples()
    loss: Loss = objective
    if distilled and job.recipe.objective.reads_teacher:
        learnt_from = [corpus.train.texts, *unlabelled.values()]
        learner, examples, loss = guide(job, learner, examples, objective, learnt_from)
    settings = plan(job, recipe, rows, job.seed)
    result = train(job, learner, examples, loss, settings, recipe, folder, recipe.family.parameter_groups)
    recipe.family.save(model, tokenizer, folder)
    save_results(job, folder, learner, {"best_step": result.best_step, "steps": result.steps})
    return result


def student_examples(job: Job, learner: Learner) -> Examples:
    """All that a student learns from: the train rows, then the transfer set and made texts, with soft labels."""
    corpus = learner.corpus
    examples = learner.train_examples(soft_labels(job, corpus, "train"))
    for split, texts in unlabelled_texts(job, corpus).items():
        tokens = encode(learner.tokenizer, texts, job.recipe.corpus.max_tokens)
        more = learner.unlabelled_examples(tokens, soft_labels(job, corpus, split))
        examples = join_examples(examples, more)
    return examples


def student_objective(job: Job, losses: TaskLoss) -> Objective:
    """What a student minimises on logits."""
    recipe = job.recipe.objective
    return Objective(losses, recipe.temperature, recipe.soft_weight, logit_terms(recipe, losses))
