"""What `distill check` finds out about a recipe and its corpus before anything is trained."""

from typing import Any

from transformers import AutoConfig

from corpora.checks import describe
from corpora.sources import read_corpus
from distill.job import Job
from distill.pipeline import corpus_spec
from teachers.classifier import check_max_tokens, load_tokenizer
from teachers.packaged import resolve_model


def check_job(job: Job) -> dict[str, Any]:
    """Rows, labels, lengths, leaks and the share of texts cut, as plain data.

    Raises:
        InputError: the corpus cannot be used, or the teacher cannot read texts of `max_tokens`.
    """
    recipe = job.recipe
    corpus, bad = read_corpus(corpus_spec(recipe.corpus), seed=recipe.seed)
    source = resolve_model(recipe.teacher.checkpoint or recipe.teacher.model)
    tokenizer = load_tokenizer(source)
    check_max_tokens(AutoConfig.from_pretrained(source), recipe.corpus.max_tokens)

    def lengths(texts: list[str]) -> list[int]:
        return [len(ids) for ids in tokenizer(texts, truncation=False, verbose=False)["input_ids"]]

    return describe(corpus, bad, lengths, recipe.corpus.max_tokens).to_dict()
