"""Augmentation: texts made from train rows, kept apart from every row that is evaluated."""

from collections.abc import Collection, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from distill.corpora.augment import Augmenter, Substitute, augment, text_key
from distill.corpora.augment_turns import augment_turns
from distill.corpora.corpus import Corpus
from distill.corpora.storage.parquet import save_texts
from distill.corpora.storage.text_store import TextStore
from distill.corpora.storage.windows import Windows
from distill.export.runtime.errors import InputError
from distill.export.runtime.reading.inputs import Row, segments_of
from distill.labelling.codebook import text_of
from distill.labelling.near_copies import near_copies
from distill.recipe.augmentation import AugmentationRecipe
from distill.runs.progress import Reporter

AUGMENTED_FILE = "augmented.parquet"


def write_augmented(
    folder: Path,
    corpus: Corpus,
    recipe: AugmentationRecipe,
    augmenter: Augmenter,
    *,
    written: Sequence[str] = (),
    seed: int,
    reporter: Reporter,
) -> None:
    """Make rows and write those that do not repeat a train, validation, test or transfer row.

    Args:
        folder: gets the file; a sibling of it holds the texts while they are made.
        corpus: its train rows are the material.
        recipe: number of texts.
        augmenter: the ways of making them.
        written: texts that a language model wrote.
        seed: for every draw.
        reporter: shows a bar.
    """
    known = {text_key(text) for _, split in corpus.splits() for text in split.texts}
    store = TextStore(folder.parent)
    with reporter.bar("augment", recipe.rows) as advance:
        for text in _new(written, corpus, known, reporter):
            store.append(text)
            known.add(text_key(text))
            advance(1)
        drawn = recipe.rows - recipe.written_rows if augmenter.ways else 0
        rows = corpus.train.texts
        made: Sequence[Row]
        if isinstance(rows, Windows):
            made = augment_turns(rows, drawn, augmenter, store, known=known, seed=seed, advance=advance)
        else:
            for text in augment(rows, drawn, augmenter, known=known, seed=seed):
                store.append(text)
                advance(1)
            made = store.view(0, len(store))
    if len(made) < recipe.rows:
        reporter.say(
            f"  {len(made)} texts instead of {recipe.rows}: the train rows yield no further distinct texts"
        )
    save_texts(made, folder / AUGMENTED_FILE)


def _new(written: Sequence[str], corpus: Corpus, known: Collection[bytes], reporter: Reporter) -> Iterator[str]:
    """Yield the texts that repeat neither a row nor each other, and are not near-copies of evaluated rows."""
    if not written:
        return
    evaluated = [text_of(row) for split in (corpus.validation, corpus.test) for row in split.texts]
    near, seen, repeated = near_copies(written, evaluated), set(known), 0
    for text, is_near in zip(written, near.tolist(), strict=True):
        key = text_key(text)
        repeated += key in seen and not is_near
        if not is_near and key not in seen:
            seen.add(key)
            yield text
    reporter.say(
        f"  {len(written)} texts were written; left out: {int(near.sum())} near-copies of validation or test "
        f"rows, {repeated} that repeat a row or each other"
    )


def build_augmenter(
    recipe: AugmentationRecipe, tokenizer: Any, max_tokens: int, encoder: Path, texts: Sequence[Row] = ()
) -> Augmenter:
    """Return the recipe's ways of making texts.

    Args:
        recipe: the ways, and a masked language model where one of them needs it.
        tokenizer: the teacher's, whose mask token stands for a masked word.
        max_tokens: length at which the masked language model cuts its texts.
        encoder: folder of the encoder in whose table words are near.
        texts: the train rows, whose near words are looked up.

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
    near: Substitute | None = None
    if recipe.rows and "near" in recipe.ways:
        from distill.teachers.near_words import load_near_words

        near = load_near_words(encoder, _texts_of(texts)).substitute
    return Augmenter(recipe.drawn, recipe.share, mask, substitute, near)


def _texts_of(rows: Sequence[Row]) -> Iterator[str]:
    """Yield the texts of rows, each turn of a conversation once."""
    if isinstance(rows, Windows):
        yield from (text for text, _ in rows.said())
    else:
        yield from (text for row in rows for text in segments_of(row))
