"""`distill check`: everything that can be known about a recipe before anything is trained."""

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from distill.corpora.assembly.read import read_corpus
from distill.corpora.corpus import label_matrix, with_train_rows
from distill.corpora.describe import describe
from distill.corpora.token_warnings import require_known
from distill.corpora.warnings import corpus_warnings
from distill.pipeline.audited import check_auditable
from distill.pipeline.base import with_start
from distill.pipeline.llm import check_language_model
from distill.pipeline.needs import require_asked
from distill.recipe.ensemble import members_of, reader_of, start_of
from distill.recipe.keys import recipe_keys
from distill.recipe.labels_needed import check_named
from distill.recipe.recipe import Recipe
from distill.recipe.sources import corpus_spec
from distill.runs.progress import Reporter
from distill.variants.hand_over import check_domain

if TYPE_CHECKING:
    from distill.teachers.sources import ModelSource
    from distill.training.reading import Reading


@dataclass(frozen=True)
class CheckedRecipe:
    """The corpus of a recipe as its tokenizers read it, and its base models, the first teacher's first.

    `pins` are the hashes that `teacher.sha256` may pin: those of teachers, not of a base of the student's own.
    """

    reading: "Reading"
    base_models: "tuple[ModelSource, ...]"
    pins: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, object]:
        """Return plain data for JSON, with the corpus's keys at the top."""
        base, *others = self.base_models
        reading = self.reading
        student = reading.teacher if reading.student is None else reading.student
        return {
            **reading.report.to_dict(),
            "warnings": list(reading.warnings),
            "teacher_tokens": {name: asdict(split) for name, split in reading.teacher.items()},
            "student_tokens": {name: asdict(split) for name, split in student.items()},
            **(
                {"windows": {name: asdict(split) for name, split in reading.windows.items()}}
                if reading.windows
                else {}
            ),
            "base_model": base.to_dict(),
            "further_models": [other.to_dict() for other in others],
        }


@recipe_keys()
def check_recipe(recipe: Recipe, reporter: Reporter) -> CheckedRecipe:
    """Return rows, labels, lengths, leaks, the share of texts cut, and the base models' hashes.

    Raises:
        InputError: the corpus cannot be used, the base model is missing, not the pinned one or not whole,
            it cannot read a script of the corpus, or no such student can be made from it.
    """
    check_auditable(recipe)
    require_asked(recipe)
    recipe = with_start(recipe, reporter)
    with reporter.count("read the corpus") as advance:
        corpus, bad = read_corpus(corpus_spec(recipe.corpus), seed=recipe.seed, progress=advance)
    corpus = with_train_rows(corpus, recipe.corpus.rows)
    check_named("label_meanings", recipe.corpus.label_meanings or (), corpus.task.labels)
    warnings = corpus_warnings(describe(corpus, bad.reasons, None, recipe.corpus.max_tokens))
    for warning in warnings:
        reporter.say(f"warning: {warning}")
    # from here on torch is needed, which takes seconds to import
    from distill.evaluation.evaluators import evaluator_of
    from distill.evaluation.floors import check_floors
    from distill.labelling.augmentation import build_augmenter
    from distill.teachers.checkpoints import load_config
    from distill.teachers.sources import resolve_model, resolve_teacher
    from distill.teachers.tokenizers import load_tokenizer
    from distill.training.preflight import (
        check_known,
        check_models,
        check_start,
        check_vocabulary,
        check_weights,
    )
    from distill.training.reading import Sample, read_whole

    sources = {}
    if recipe.teacher.kind == "classifier":
        sources = {member.source: resolve_teacher(member.source, member.pin) for member in members_of(recipe)}
    check_language_model(recipe, corpus, reporter)
    base = resolve_model(*start_of(recipe))
    teachers = tuple(sources.values())
    own = () if sources and recipe.student.base is None else (base,)
    config = load_config(base.folder)
    check_models(recipe, config)
    if sources:
        check_weights(recipe, sources, corpus.task)
    for start in own:
        check_start(recipe, start, corpus.task)
    tokenizer = load_tokenizer(base.folder)
    build_augmenter(recipe.augmentation, tokenizer, recipe.corpus.max_tokens, base.folder)
    check_domain(recipe.decisions.out_of_domain_share, len(corpus.validation))
    if corpus.is_labelled:
        gold = label_matrix(corpus.validation, corpus.task)
        check_floors(recipe.decisions, evaluator_of(corpus.task), gold, corpus.validation.groups)
    with reporter.status("make the student's vocabulary"):
        student_tokenizer = check_vocabulary(recipe, config, tokenizer, corpus)
    with reporter.status("count tokens"):
        length, reader = recipe.corpus.max_tokens, reader_of(recipe)
        reading = read_whole(corpus, bad.reasons, tokenizer, student_tokenizer, length, reader)
    for warning in reading.warnings:
        if warning not in warnings:
            reporter.say(f"warning: {warning}")
    require_known(reading.teacher, recipe.teacher.max_unknown, reader)
    if reader == "base":
        check_known(recipe, sources, Sample(corpus, length))
    return CheckedRecipe(reading, (*teachers, *own), tuple(teacher.sha256 for teacher in teachers))
