"""The quality of a model from the raw logits that it left: calibration and thresholds, then every metric.

Kept apart from training, so that another threshold policy judges a model anew without training it again.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors.numpy import load_file, save_file

from corpora.corpus import Corpus, label_matrix, load_corpus
from distill.atomic import write_whole
from distill.calibrate import Logits, fit_decision, judge
from distill.job import Job
from distill.json_files import read_json, write_json
from distill.variants import QUALITY_FILE

JUDGED = ("validation", "test")
LOGITS_FILE = "logits.safetensors"
BEFORE_TUNING_FILE = "logits_before_tuning.safetensors"
TRAINING_FILE = "training.json"


def quality_of(logits: Mapping[str, Logits], corpus: Corpus, shrink: float) -> dict[str, Any]:
    """Validation and test quality of raw logits ``(N, C)``, with the decision that was fitted on validation."""
    splits = dict(corpus.splits())
    gold = {split: label_matrix(splits[split], corpus.task) for split in JUDGED}
    decision = fit_decision(logits["validation"], gold["validation"], corpus.task, shrink=shrink)
    found: dict[str, Any] = {
        split: judge(logits[split], gold[split], corpus.task, decision).to_dict() for split in JUDGED
    }
    return {**found, "decision": decision.to_dict()}


def judge_model(job: Job, source: Path, folder: Path) -> None:
    """Write the `quality.json` of a model that a training stage left in `source`."""
    corpus, shrink = load_corpus(job.corpus), job.recipe.export.threshold_shrink
    quality = {**read_json(source / TRAINING_FILE), **quality_of(read_logits_file(source), corpus, shrink)}
    before = source / BEFORE_TUNING_FILE
    if before.is_file():
        quality["before_tuning"] = quality_of(load_file(before), corpus, shrink)
    write_json(quality, folder / QUALITY_FILE)


def write_logits_file(logits: Mapping[str, Logits], path: Path) -> None:
    """Store raw logits ``(N, C)`` of validation and test, whole or not at all."""
    write_whole(path, lambda partial: save_file(dict(logits), partial))


def read_logits_file(folder: Path) -> dict[str, Logits]:
    """Raw logits ``(N, C)`` of validation and test that a model or a variant left in its folder."""
    return dict(load_file(folder / LOGITS_FILE))


def read_quality(folder: Path) -> dict[str, Any]:
    """The `quality.json` in a folder."""
    return read_json(folder / QUALITY_FILE)
