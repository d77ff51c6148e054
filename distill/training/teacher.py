"""Fine-tune a teacher, or load a checkpoint that is already fine-tuned."""

from dataclasses import dataclass
from pathlib import Path

from torch import Tensor
from transformers import set_seed

from distill.artifacts.logits import BEFORE_TUNING_FILE, write_logits_file
from distill.corpora.corpus import Corpus, label_matrix
from distill.corpora.reading.places.provenance import SOURCE_FILE
from distill.export.runtime.deciding.task import Task
from distill.export.runtime.reading.inputs import Input
from distill.files.json_files import write_json
from distill.objectives.task_loss import LOSSES, TaskLoss
from distill.recipe.sources import TeacherRecipe
from distill.teachers.checkpoints import build_classifier, load_classifier, save_classifier
from distill.teachers.device import device_of
from distill.teachers.encoder import HeadedClassifier, Pooling
from distill.teachers.finetune import class_weights, freeze, parameter_groups
from distill.teachers.markers import add_markers, with_markers
from distill.teachers.sources import ModelSource
from distill.teachers.token_cache import TokenCache
from distill.teachers.tokenizers import load_tokenizer
from distill.training.session import (
    TrainingControls,
    TrainingSession,
    evaluated_logits,
    open_session,
    save_results,
    schedule_of,
    train,
)
from distill.training.tuned import merge


def load_teacher(
    folder: Path,
    base: ModelSource,
    recipe: TeacherRecipe,
    corpus: Corpus,
    tokens: TokenCache,
    *,
    seed: int,
    controls: TrainingControls,
) -> None:
    """Store a checkpoint that is already fine-tuned, with the logits that it is evaluated by.

    Raises:
        InputError: the checkpoint cannot be loaded, or its labels are not the corpus's.
    """
    set_seed(seed)
    model = load_classifier(base.path, corpus.task, Pooling(recipe.pooling), recipe.label_order)
    plain = load_tokenizer(base.path)
    tokenizer = with_markers(plain, tokens.reads)
    add_markers(model, plain, tokenizer, tokens.reads)
    session = open_session("teacher", model, tokenizer, corpus, tokens, splits=())
    if isinstance(model, HeadedClassifier):
        model.model.save_pretrained(folder, safe_serialization=True)
        tokenizer.save_pretrained(folder)
    else:
        save_classifier(model, tokenizer, folder)
    write_json(base.to_dict(), folder / SOURCE_FILE)
    save_results(folder, session, controls.reporter)


def train_teacher(
    folder: Path,
    base: ModelSource,
    recipe: TeacherRecipe,
    corpus: Corpus,
    tokens: TokenCache,
    *,
    seed: int,
    controls: TrainingControls,
) -> None:
    """Fine-tune a base model with a fresh head, and store it with its logits before and after.

    Raises:
        InputError: the base model cannot be loaded.
    """
    plain = load_tokenizer(base.path)
    tokenizer = with_markers(plain, tokens.reads)
    set_seed(seed)
    model = build_classifier(base.path, corpus.task, Pooling(recipe.pooling), recipe.dropout)
    add_markers(model, plain, tokenizer, tokens.reads)
    if recipe.peft is not None:
        tokenizer = recipe.peft.tuning.prepare(model, tokenizer)
    session = open_session("teacher", model, tokenizer, corpus, tokens, splits=("train",))
    if not (folder / BEFORE_TUNING_FILE).is_file():  # an interrupted execution may have written it
        write_logits_file(evaluated_logits(session, controls.reporter), folder / BEFORE_TUNING_FILE)
    freeze(model, recipe.freeze)
    result = train(
        session,
        session.train_examples(),
        _hard_loss(session, weighted=recipe.class_weights),
        schedule_of(recipe, len(corpus.train), seed, controls),
        parameter_groups(model, **recipe.rates()),
        folder,
        controls,
        wrapper_learning_rate=recipe.head_learning_rate,
    )
    if recipe.peft is not None:
        merge(folder, session, recipe.peft, base.sha256, controls.reporter)
    save_classifier(model, tokenizer, folder)
    write_json(base.to_dict(), folder / SOURCE_FILE)
    save_results(folder, session, controls.reporter, result)


def store_base(
    folder: Path, base: ModelSource, recipe: TeacherRecipe, task: Task, reads: Input, *, seed: int
) -> None:
    """Store an encoder with a fresh head, and with the pieces of roles where rows are turns.

    A student starts from it whose teacher has no layers to copy.

    Raises:
        InputError: the encoder cannot be loaded.
    """
    set_seed(seed)
    model = build_classifier(base.path, task, Pooling(recipe.start_pooling), recipe.dropout, "base")
    plain = load_tokenizer(base.path)
    tokenizer = with_markers(plain, reads)
    add_markers(model, plain, tokenizer, reads)
    if recipe.kind != "classifier":  # it is fine-tuned beside the language model, after hours
        freeze(model, recipe.freeze)
    save_classifier(model, tokenizer, folder)
    write_json(base.to_dict(), folder / SOURCE_FILE)


@dataclass(frozen=True)
class _HardLoss:
    """The loss on gold labels; `weights` ``(C,)`` are higher for rarer labels."""

    losses: TaskLoss
    weights: Tensor | None

    def __call__(self, logits: Tensor, _teacher: Tensor, targets: Tensor, _labelled: Tensor) -> Tensor:
        """Return the mean loss over rows, a scalar."""
        return self.losses.hard(logits, targets, self.weights).mean()


def _hard_loss(session: TrainingSession, *, weighted: bool) -> _HardLoss:
    """Return the loss on gold labels; `weighted` gives rare labels more weight."""
    corpus = session.corpus
    weights = class_weights(label_matrix(corpus.train, corpus.task)) if weighted else None
    on_device = None if weights is None else weights.to(device_of(session.model))
    return _HardLoss(LOSSES[corpus.task.kind], on_device)
