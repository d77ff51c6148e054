"""The augmentation stage: texts made out of the train rows, kept apart from every row that is judged."""

from functools import partial
from pathlib import Path
from typing import Any

from distill.corpora.augment import Augmenter, Substitute, augment, text_key
from distill.corpora.storage.parquet import load_corpus, save_texts
from distill.corpora.storage.text_store import TextStore
from distill.export.runtime.errors import InputError
from distill.recipe.recipe import Recipe
from distill.runs.context import Job

AUGMENTED_FILE = "augmented.parquet"


def make_augmented(job: Job, folder: Path) -> None:
    """Write the made texts; those that repeat a train, validation, test or transfer row are left out.

    Raises:
        InputError: a way needs a mask and the teacher's tokenizer has none, or a model that is not there.
    """
    from distill.teachers.tokenizers import load_tokenizer

    recipe, corpus = job.recipe.augmentation, load_corpus(job.corpus)
    mask, substitute = augmentation_means(job.recipe, load_tokenizer(job.teacher))
    known = {text_key(text) for _, split in corpus.splits() for text in split.texts}
    augmenter = Augmenter(tuple(recipe.ways), recipe.share, mask, substitute)
    store = TextStore(job.folder)
    with job.reporter.bar("augment", recipe.rows) as advance:
        for text in augment(corpus.train.texts, recipe.rows, augmenter, known=known, seed=job.recipe.seed):
            store.append(text)
            advance(1)
    if len(store) < recipe.rows:
        job.reporter.say(f"  {len(store)} texts instead of {recipe.rows}: the train rows give no more that differ")
    save_texts(store.view(0, len(store)), folder / AUGMENTED_FILE)


def augmentation_means(recipe: Recipe, tokenizer: Any) -> tuple[str | None, Substitute | None]:
    """The mask of the teacher's tokenizer, and the recipe's masked language model as a function on words, if any.

    Raises:
        InputError: a way needs a mask and the tokenizer has none, or a model that is not there.
    """
    wanted, mask = recipe.augmentation, tokenizer.mask_token
    if not wanted.rows:
        return mask, None
    if "mask" in wanted.ways and mask is None:
        raise InputError(
            "augmentation.ways has mask, and the teacher's tokenizer has no mask token; take mask out of ways"
        )
    if "substitute" not in wanted.ways or wanted.masked_model is None:
        return mask, None
    from distill.teachers.masked import load_masked
    from distill.teachers.sources import resolve_model

    model = load_masked(resolve_model(wanted.masked_model).folder)
    return mask, partial(model.substitute, max_tokens=recipe.corpus.max_tokens)
