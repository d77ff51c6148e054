"""Labels of a corpus that has none: the language model's own, which students are trained and measured on.

Measured against them, a figure is agreement with the model and says nothing about quality; every report says so.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from distill.corpora.corpus import LABELLED_SPLITS, Corpus, targets_of
from distill.corpora.storage.columns import LabelRows
from distill.corpora.targets import CODECS, Targets
from distill.export.runtime.deciding.task import Task
from distill.files.atomic import write_whole

OWN_LABELS_FILE = "own_labels.safetensors"

# said wherever figures of such a run are shown
UNKNOWN_QUALITY = (
    "No row of the corpus has a label: every figure is agreement with the language model, and nothing is known "
    "about its quality. Label the rows of review/to_review.csv to find out."
)


def decided_by(values: NDArray[np.float64], task: Task) -> NDArray[np.uint8]:
    """Return a model's own labels, 0/1 ``(N, C)``: the highest, or all with log-odds above 0.

    Args:
        values: log-probabilities or log-odds per label without their prior, ``(N, C)``.
        task: the corpus's.
    """
    if CODECS[task.kind].several:
        return np.asarray(values > 0, dtype=np.uint8)
    return np.asarray(np.eye(task.num_labels, dtype=np.uint8)[values.argmax(axis=1)])


def write_own_labels(labels: Mapping[str, NDArray[np.uint8]], folder: Path) -> None:
    """Store the labels of each split, whole or not at all."""
    write_whole(folder / OWN_LABELS_FILE, lambda partial: save_file(dict(labels), partial))


def with_own_labels(corpus: Corpus, folder: Path) -> Corpus:
    """Return a corpus without labels with those that `write_own_labels` stored."""
    stored = load_file(folder / OWN_LABELS_FILE)

    def targets(split: str) -> Targets:
        rows = [np.flatnonzero(row).tolist() for row in stored[split]]
        return targets_of(LabelRows.of(rows), corpus.task)

    train, validation, test = (
        replace(split, targets=targets(name)) for name, split in corpus.splits() if name in LABELLED_SPLITS
    )
    return replace(corpus, train=train, validation=validation, test=test)
