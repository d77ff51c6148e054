"""Out-of-fold quality of a run's models: a corpus in folds has no test split, and every row is a test row."""

from collections.abc import Mapping, Sequence

import numpy as np

from distill.artifacts.decided import read_decided
from distill.artifacts.report import FoldsReport
from distill.corpora.corpus import Corpus, label_matrix, test_groups
from distill.evaluation.comparison import FoldScores, fold_scores
from distill.evaluation.evaluator import Evaluator
from distill.export.runtime.deciding.scores import Floats
from distill.report.models import RunModel


def test_gold(corpora: Sequence[Corpus]) -> Floats:
    """Return 0/1 of the test rows of several corpora, one after the other, ``(N, C)``."""
    return np.concatenate([label_matrix(corpus.test, corpus.task) for corpus in corpora])


def folds_report(
    models: Mapping[str, RunModel],
    baseline: Mapping[str, FoldScores],
    corpora: Sequence[Corpus],
    evaluator: Evaluator,
    *,
    seed: int,
) -> FoldsReport:
    """Return the headline of every model on all rows and on each fold's.

    Args:
        models: with those of the folds, by name.
        baseline: bench measurements of models that are not the run's own, by name.
        corpora: the corpus of each fold.
        evaluator: the task's.
        seed: of the bootstrap.
    """
    groups = test_groups(corpora)

    def scores(model: RunModel) -> FoldScores:
        pairs = zip(model.folds, corpora, strict=True)
        parts = [read_decided(fold.folder, fold.quality_folder, corpus) for fold, corpus in pairs]
        return fold_scores(evaluator, parts, groups, seed=seed)

    return FoldsReport(
        folds=len(corpora),
        rows=sum(len(corpus.test) for corpus in corpora),
        resampled="rows" if groups is None else "groups",
        models={name: scores(model) for name, model in models.items()} | dict(baseline),
    )
