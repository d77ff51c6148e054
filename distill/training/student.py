"""Train the student on soft labels, and its twin on the labelled rows alone."""

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from torch import nn
from transformers import set_seed

from distill.corpora.corpus import Corpus
from distill.evaluation.decision import Logits
from distill.export.runtime.reading.inputs import Row, Turns
from distill.objectives.logits import logit_terms
from distill.objectives.mixed import Objective
from distill.objectives.task_loss import LOSSES
from distill.recipe.student import ObjectiveRecipe, StudentRecipe
from distill.students.start import Bar, no_bar
from distill.teachers.encoder import Pooling
from distill.teachers.token_cache import TokenCache
from distill.training.batches import Examples, join_examples
from distill.training.feature_distillation import distil_features
from distill.training.loop import FitResult, Loss
from distill.training.session import (
    TrainingControls,
    TrainingSession,
    open_session,
    save_results,
    schedule_of,
    train,
)
from distill.training.start import start_student

# share of rows that are learned without their context where the recipe names none
CONTEXT_DROPOUT = 0.2


@dataclass(frozen=True)
class StudentInputs:
    """Everything that a student's training depends on.

    Attributes:
        student: the student's shape, rates and epochs.
        objective: the loss that it minimises.
        teacher: folder of the teacher that it starts from.
        pooling: pooling of a student whose teacher has a pooling of its own kind.
        seed: seed of every random draw.
        corpus: the corpus.
        tokens: token ids of the corpus.
        unlabelled: further texts that only the teacher labels, by their name.
        soft_labels: returns the logits ``(N, C)`` that the student learns, by the name of the texts.
        starts_as: the training whose start this one has; its own where it is None.
        bar: shows how far a slow start is.
    """

    student: StudentRecipe
    objective: ObjectiveRecipe
    teacher: Path
    pooling: Pooling
    seed: int
    corpus: Corpus
    tokens: TokenCache
    unlabelled: Mapping[str, Sequence[Row]]
    soft_labels: Callable[[str], Logits]
    starts_as: "StudentInputs | None" = None
    bar: Bar = no_bar

    def start(self) -> tuple[nn.Module, Any]:
        """Return a copy of the untrained student, and its tokenizer: the same for the student and its twin."""
        model, tokenizer = (self.starts_as or self)._start
        return copy.deepcopy(model), tokenizer

    @cached_property
    def _start(self) -> tuple[nn.Module, Any]:
        set_seed(self.seed)
        return start_student(
            self.student,
            self.teacher,
            self.corpus,
            pooling=self.pooling,
            max_tokens=self.tokens.max_tokens,
            seed=self.seed,
            reads=self.tokens.reads,
            bar=self.bar,
        )

    def build_objective(self) -> Objective:
        """Return the objective on logits."""
        losses = LOSSES[self.corpus.task.kind]
        recipe = self.objective
        return Objective(losses, recipe.temperature, recipe.soft_weight, logit_terms(recipe, losses))

    def examples(self, session: TrainingSession) -> Examples:
        """Return all rows that the student learns from, with soft labels: train rows, then unlabelled texts."""
        examples = session.train_examples(self.soft_labels("train"))
        for name, texts in self.unlabelled.items():
            rows = self.tokens.rows(session.tokenizer, name, texts)
            examples = join_examples(examples, session.unlabelled_examples(rows, self.soft_labels(name)))
        return replace(examples, context_dropout=self.context_dropout)

    @property
    def context_dropout(self) -> float:
        """The share of rows that are read without their context; 0 where rows have none."""
        if not isinstance(self.tokens.reads, Turns) or not self.tokens.reads.turns:
            return 0.0
        share = self.student.context_dropout
        return CONTEXT_DROPOUT if share is None else share

    def without_context(self) -> "StudentInputs":
        """Return the same training on turns that are read without those before them."""
        reads = self.tokens.reads
        if not isinstance(reads, Turns):
            raise TypeError("Only turns of conversations have a context.")
        alone = replace(self.tokens.of_part(), reads=reads.without_context())
        return replace(self, tokens=alone, starts_as=self)

    @property
    def rows(self) -> int:
        """The number of rows in an epoch, also for the twin, which takes as many steps."""
        return len(self.corpus.train) + sum(map(len, self.unlabelled.values()))


def train_student(
    folder: Path, inputs: StudentInputs, controls: TrainingControls, *, name: str = "student"
) -> FitResult:
    """Train the student on the teacher's logits, and store it."""
    model, tokenizer = inputs.start()
    session = open_session(name, model, tokenizer, inputs.corpus, inputs.tokens, splits=("train",))
    examples, objective = inputs.examples(session), inputs.build_objective()
    loss: Loss = objective
    if inputs.objective.reads_teacher:
        texts = [inputs.corpus.train.texts, *inputs.unlabelled.values()]
        session, examples, loss = distil_features(
            session,
            examples,
            objective,
            recipe=inputs.objective,
            family=inputs.student.family,
            teacher=inputs.teacher,
            texts=texts,
            tokens=inputs.tokens,
        )
    return _train(folder, session, examples, loss, inputs, controls)


def train_without_context(folder: Path, inputs: StudentInputs, controls: TrainingControls) -> FitResult:
    """Train the control of what context is worth: the student in everything, but for reading each turn alone."""
    return train_student(folder, inputs.without_context(), controls, name="student without context")


def train_twin(folder: Path, inputs: StudentInputs, controls: TrainingControls) -> FitResult:
    """Train the control: the student's start, steps, schedule and seed, on labelled rows and without a teacher."""
    model, tokenizer = inputs.start()
    session = open_session("twin", model, tokenizer, inputs.corpus, inputs.tokens, splits=("train",))
    objective = Objective(LOSSES[inputs.corpus.task.kind], soft_weight=0.0)
    examples = replace(session.train_examples(), context_dropout=inputs.context_dropout)
    return _train(folder, session, examples, objective, inputs, controls)


def _train(
    folder: Path,
    session: TrainingSession,
    examples: Examples,
    loss: Loss,
    inputs: StudentInputs,
    controls: TrainingControls,
) -> FitResult:
    recipe = inputs.student
    result = train(
        session,
        examples,
        loss,
        schedule_of(recipe, inputs.rows, inputs.seed, controls),
        recipe.family.parameter_groups(session.model, **recipe.rates()),
        folder,
        controls,
        wrapper_learning_rate=recipe.head_learning_rate,
    )
    recipe.family.save(session.model, session.tokenizer, folder)
    save_results(folder, session, controls.reporter, result)
    return result
