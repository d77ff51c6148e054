"""A corpus in folds: the run of each fold, and every row as decided by models that did not see its fold."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from distill.corpora.corpus import Corpus
from distill.pipeline.state import Run
from distill.recipe.load import with_values
from distill.recipe.recipe import Recipe

if TYPE_CHECKING:
    from distill.evaluation.decided import DecidedRows


def fold_warnings(recipe: Recipe) -> tuple[str, ...]:
    """Return a warning if something makes out-of-fold quality too good."""
    if recipe.corpus.folds is None or recipe.teacher.checkpoint is None:
        return ()
    return (
        "corpus.folds and teacher.checkpoint: a teacher that has learnt from these rows knows every fold, so "
        "out-of-fold quality is too good; remove the checkpoint, so that each fold gets its own teacher",
    )


def fold_runs(run: Run) -> tuple[Run, ...]:
    """Return a run for each fold of a corpus in folds; none for any other corpus, and for a fold's own run."""
    corpus = run.recipe.corpus
    if corpus.folds is None or corpus.fold is not None:
        return ()
    layouts = [run.layout.of_fold(fold) for fold in range(corpus.folds)]
    return tuple(
        Run(
            fold_recipe(run.recipe, fold),
            layout,
            run.reporter,
            run.stop,
            prefix=f"{layout.folder.relative_to(run.layout.folder).as_posix()}/",
            on_epoch_end=run.on_epoch_end,
        )
        for fold, layout in enumerate(layouts)
    )


def fold_recipe(recipe: Recipe, fold: int) -> Recipe:
    """Return the recipe of one fold: the run's, with whatever was chosen for it so far."""
    return with_values(recipe, {"corpus.fold": fold}, recipe.name)


def out_of_fold(
    root: Path, folds: Mapping[Path, Corpus], model: Path, quality: Path, *, before_tuning: bool = False
) -> "DecidedRows | None":
    """Return all rows, each as its fold's model of the same name decides it; None for a corpus without folds.

    Args:
        root: the folder of the run of all rows.
        folds: the folder of the run of each fold, with its corpus.
        model: the folder of a model in the run of all rows, which has the same place in the run of each fold.
        quality: the folder of that model's quality, likewise.
        before_tuning: whether a teacher with its untrained head is meant.
    """
    from distill.artifacts.decided import read_decided
    from distill.evaluation.decided import pooled

    parts = []
    for folder, corpus in folds.items():
        model_there, quality_there = (folder / place.relative_to(root) for place in (model, quality))
        parts.append(read_decided(model_there, quality_there, corpus, before_tuning=before_tuning))
    return pooled(parts) if parts else None
