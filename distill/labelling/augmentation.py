"""Augmentation: texts made from train rows, kept apart from every row that is evaluated."""

from functools import partial
from pathlib import Path
from typing import Any

from distill.corpora.augment import Augmenter, Substitute, augment, text_key
from distill.corpora.corpus import Corpus
from distill.corpora.storage.parquet import save_texts
from distill.corpora.storage.text_store import TextStore
from distill.export.runtime.errors import InputError
from distill.recipe.sources import AugmentationRecipe
from distill.runs.progress import Reporter

AUGMENTED_FILE = "augmented.parquet"


def write_augmented(
    folder: Path,
    corpus: Corpus,
    recipe: AugmentationRecipe,
    augmenter: Augmenter,
    *,
    seed: int,
    reporter: Reporter,
) -> None:
    """Make texts and write those that do not repeat a train, validation, test or transfer row.

    Args:
        folder: gets the file; a sibling of it holds the texts while they are made.
        corpus: its train rows are the material.
        recipe: number of texts.
        augmenter: the ways of making them.
        seed: for every draw.
        reporter: shows a bar.
    """
    known = {text_key(text) for _, split in corpus.splits() for text in split.texts}
    store = TextStore(folder.parent)
    with reporter.bar("augment", recipe.rows) as advance:
        for text in augment(corpus.train.texts, recipe.rows, augmenter, known=known, seed=seed):
            store.append(text)
            advance(1)
    if len(store) < recipe.rows:
        reporter.say(
            f"  {len(store)} texts instead of {recipe.rows}: the train rows yield no further distinct texts"
        )
    save_texts(store.view(0, len(store)), folder / AUGMENTED_FILE)


def build_augmenter(recipe: AugmentationRecipe, tokenizer: Any, max_tokens: int) -> Augmenter:
    """Return the recipe's ways of making texts.

    Args:
        recipe: the ways, and a masked language model where one of them needs it.
        tokenizer: the teacher's, whose mask token stands for a masked word.
        max_tokens: length at which the masked language model cuts its texts.

    Raises:
        InputError: a way needs a mask token and the tokenizer has none, or the masked language model is missing.
    """
    mask: str | None = tokenizer.mask_token
    substitute: Substitute | None = None
    if recipe.rows and "mask" in recipe.ways and mask is None:
        raise InputError(
            "augmentation.ways has mask, but the teacher's tokenizer has no mask token. Remove mask from ways."
        )
    if recipe.rows and "substitute" in recipe.ways and recipe.masked_model is not None:
        from distill.teachers.masked import load_masked
        from distill.teachers.sources import resolve_model

        model = load_masked(resolve_model(recipe.masked_model).folder)
        substitute = partial(model.substitute, max_tokens=max_tokens)
    return Augmenter(tuple(recipe.ways), recipe.share, mask, substitute)
