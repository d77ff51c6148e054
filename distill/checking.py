"""What can be found out about a recipe, its corpus and its teacher before anything is trained."""

from typing import Any

from corpora.checks import describe
from corpora.corpus import part_of
from corpora.sources import read_corpus
from distill.job import Job
from distill.pipeline import corpus_spec
from distill.recipe import Recipe
from students.bodies import check_layers, check_width, depth_of, require_supported
from students.layers import candidate_layers
from teachers.classifier import check_max_tokens, load_config, load_tokenizer, uncut
from teachers.sources import resolve_model


def check_job(job: Job) -> dict[str, Any]:
    """Rows, labels, lengths, leaks, the share of texts cut, and the base model's hashes, as plain data.

    Raises:
        InputError: the corpus cannot be used, the base model is not to be had or not the pinned one, or no such
            student can be made from it.
    """
    recipe = job.recipe
    base = resolve_model(recipe.teacher.checkpoint or recipe.teacher.model, recipe.teacher.sha256)
    check_models(recipe, load_config(base.folder))
    with job.reporter.count("read the corpus") as advance:
        corpus, bad = read_corpus(corpus_spec(recipe.corpus), seed=recipe.seed, progress=advance)
    if recipe.corpus.rows is not None:
        corpus = part_of(corpus, recipe.corpus.rows)
    tokenizer = load_tokenizer(base.folder)

    backend = uncut(tokenizer)

    def lengths(texts: list[str]) -> list[int]:
        return [len(encoding) for encoding in backend.encode_batch(texts)]

    with job.reporter.status("count tokens"):
        found = describe(corpus, bad.reasons, lengths, recipe.corpus.max_tokens).to_dict()
    return {**found, "base_model": base.to_dict()}


def check_models(recipe: Recipe, config: Any) -> None:
    """Whether the student that the recipe wants can be made from a teacher of this configuration.

    Raises:
        InputError: a body that is not supported, layers or a width that it has not, or texts longer than it reads.
    """
    require_supported(config)
    check_max_tokens(config, recipe.corpus.max_tokens)
    student = recipe.student
    if student.kind == "compact":
        check_width(config, student.width, student.heads)
    elif isinstance(student.layers, str):
        candidate_layers(depth_of(config), student.depth)
    else:
        check_layers(config, student.layers)
