"""What can be found out about a recipe, its corpus and its teacher before anything is trained."""

from typing import Any

from corpora.checks import describe
from corpora.corpus import part_of
from corpora.sources import read_corpus
from distill.job import Job
from distill.pipeline import corpus_spec
from distill.recipe import Recipe
from students.bodies import check_layers, check_width, require_supported
from teachers.classifier import check_max_tokens, load_config, load_tokenizer
from teachers.label import ENCODED_TEXTS
from teachers.packaged import resolve_model


def check_job(job: Job) -> dict[str, Any]:
    """Rows, labels, lengths, leaks and the share of texts cut, as plain data.

    Raises:
        InputError: the corpus cannot be used, or the student cannot be made from this teacher.
    """
    recipe = job.recipe
    source = resolve_model(recipe.teacher.checkpoint or recipe.teacher.model)
    check_models(recipe, load_config(source))
    corpus, bad = read_corpus(corpus_spec(recipe.corpus), seed=recipe.seed)
    if recipe.corpus.rows is not None:
        corpus = part_of(corpus, recipe.corpus.rows)
    tokenizer = load_tokenizer(source)

    def lengths(texts: list[str]) -> list[int]:
        found: list[int] = []
        for start in range(0, len(texts), ENCODED_TEXTS):
            some = texts[start : start + ENCODED_TEXTS]
            found += [len(ids) for ids in tokenizer(some, truncation=False, verbose=False)["input_ids"]]
        return found

    return describe(corpus, bad, lengths, recipe.corpus.max_tokens).to_dict()


def check_models(recipe: Recipe, config: Any) -> None:
    """Whether the student that the recipe wants can be made from a teacher of this configuration.

    Raises:
        InputError: a body that is not supported, layers or a width that it has not, or texts longer than it reads.
    """
    require_supported(config)
    check_max_tokens(config, recipe.corpus.max_tokens)
    if recipe.student.kind == "layers":
        check_layers(config, recipe.student.layers)
    else:
        check_width(config, recipe.student.width, recipe.student.heads)
