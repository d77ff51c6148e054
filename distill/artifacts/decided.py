"""Test rows as a stored model decides them: its logits under the decision of its quality."""

from pathlib import Path

from distill.artifacts.logits import BEFORE_TUNING_FILE, LOGITS_FILE, read_logits_file
from distill.artifacts.quality import read_quality
from distill.corpora.corpus import Corpus, label_matrix
from distill.evaluation.decided import DecidedRows, decided_logits


def read_decided(model: Path, quality: Path, corpus: Corpus, *, before_tuning: bool = False) -> DecidedRows:
    """Return the test rows of a corpus as a model decides them.

    Args:
        model: the folder of its logits.
        quality: the folder of its quality.
        corpus: the corpus of which it saw no test row.
        before_tuning: whether a teacher with its untrained head is meant.
    """
    logits = read_logits_file(model, BEFORE_TUNING_FILE if before_tuning else LOGITS_FILE)["test"]
    record = read_quality(quality)
    decision = record.decision_before_tuning if before_tuning else record.decision
    return decided_logits(logits, label_matrix(corpus.test, corpus.task), decision, corpus.task)
