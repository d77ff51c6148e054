"""A corpus in folds: the run of each fold, and every row as the models decide it that did not see its fold."""

from pathlib import Path
from typing import TYPE_CHECKING

from distill.corpora.corpus import label_matrix
from distill.pipeline.state import Run
from distill.recipe.load import with_values
from distill.recipe.recipe import Recipe

if TYPE_CHECKING:
    from distill.evaluation.decided import DecidedRows


def fold_warnings(recipe: Recipe) -> tuple[str, ...]:
    """Return what makes out-of-fold quality too good."""
    if recipe.corpus.folds is None or recipe.teacher.checkpoint is None:
        return ()
    return (
        "corpus.folds and teacher.checkpoint: a teacher that has learnt from these rows knows every fold, and "
        "out-of-fold quality is too good then; leave the checkpoint out, and each fold has a teacher of its own",
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
        )
        for fold, layout in enumerate(layouts)
    )


def fold_recipe(recipe: Recipe, fold: int) -> Recipe:
    """Return the recipe of one fold: the run's, with whatever was chosen for it so far."""
    return with_values(recipe, {"corpus.fold": fold}, recipe.name)


def out_of_fold(run: Run, model: Path, quality: Path, *, before_tuning: bool = False) -> "DecidedRows | None":
    """Return all rows, each as its fold's model of the same name decides it; None for a corpus without folds.

    Args:
        run: the run of all rows.
        model: folder of a model in it, which has the same place in the run of each fold.
        quality: folder of that model's quality, likewise.
        before_tuning: whether a teacher with its untrained head is meant.
    """
    from distill.artifacts.logits import BEFORE_TUNING_FILE, LOGITS_FILE, read_logits_file
    from distill.artifacts.quality import read_quality
    from distill.evaluation.decided import decided_logits, pooled

    parts = []
    for fold in run.folds:
        places = [fold.layout.folder / folder.relative_to(run.layout.folder) for folder in (model, quality)]
        logits = read_logits_file(places[0], BEFORE_TUNING_FILE if before_tuning else LOGITS_FILE)["test"]
        record = read_quality(places[1])
        decision = record.decision_before_tuning if before_tuning else record.decision
        task = fold.corpus.task
        parts.append(decided_logits(logits, label_matrix(fold.corpus.test, task), decision, task))
    return pooled(parts) if parts else None
