"""Out-of-fold quality of a run's models: a corpus in folds has no test split, every row is one."""

from collections.abc import Mapping, Sequence

import numpy as np

from distill.artifacts.report import FoldScores, FoldsReport
from distill.corpora.corpus import Corpus, label_matrix
from distill.evaluation.comparison import estimate
from distill.evaluation.evaluator import Evaluator
from distill.export.runtime.scores import Bools, Floats
from distill.report.models import RunModel


def test_gold(corpora: Sequence[Corpus]) -> Floats:
    """Return 0/1 of the test rows of several corpora, one after the other, ``(N, C)``."""
    return np.concatenate([label_matrix(corpus.test, corpus.task) for corpus in corpora])


def folds_report(
    models: Mapping[str, RunModel], corpora: Sequence[Corpus], evaluator: Evaluator, *, seed: int
) -> FoldsReport:
    """Return the headline of every model on all rows and on each fold's.

    Args:
        models: with those of the folds, by name.
        corpora: the corpus of each fold.
        evaluator: the task's.
        seed: of the bootstrap.
    """
    golds = [label_matrix(corpus.test, corpus.task) for corpus in corpora]
    known = [corpus.test.groups for corpus in corpora if corpus.test.groups is not None]
    groups = np.concatenate(known) if len(known) == len(corpora) else None

    def scores(model: RunModel) -> FoldScores:
        decided: list[Bools] = [fold.test_decisions(evaluator.task) for fold in model.folds]
        return FoldScores(
            all_rows=estimate(evaluator, np.concatenate(decided), np.concatenate(golds), groups, seed=seed),
            folds=tuple(evaluator.score(*one) for one in zip(decided, golds, strict=True)),
        )

    return FoldsReport(
        rows=sum(map(len, golds)),
        resampled="rows" if groups is None else "groups",
        models={name: scores(model) for name, model in models.items()},
    )
