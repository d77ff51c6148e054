"""The quality of a model from the raw logits that it left: calibration and thresholds, then every metric.

Kept apart from training, so that another threshold policy judges a model anew without training it again.
"""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from safetensors.numpy import load_file, save_file

from corpora.corpus import Corpus, label_matrix, load_corpus
from corpora.selective import evaluate_selective
from distill.atomic import write_whole
from distill.calibrate import Decision, Logits, fit_decision, judge
from distill.floors import judge_floors, require_floors
from distill.job import Job
from distill.json_files import read_json, write_json
from distill.recipe_shipping import DecisionsRecipe
from distill.variants import QUALITY_FILE

JUDGED = ("validation", "test")
LOGITS_FILE = "logits.safetensors"
BEFORE_TUNING_FILE = "logits_before_tuning.safetensors"
TRAINING_FILE = "training.json"


def quality_of(logits: Mapping[str, Logits], corpus: Corpus, policy: DecisionsRecipe) -> dict[str, Any]:
    """Validation and test quality of raw logits ``(N, C)``, with the decision that was fitted on validation."""
    gold = label_matrix(corpus.validation, corpus.task)
    return assess(logits, corpus, fit_decision(logits["validation"], gold, corpus.task, policy), policy)


def assess(
    logits: Mapping[str, Logits], corpus: Corpus, decision: Decision, policy: DecisionsRecipe
) -> dict[str, Any]:
    """Quality of raw logits ``(N, C)`` of both splits under a decision: metrics, floors, risk and coverage."""
    task, splits = corpus.task, dict(corpus.splits())
    gold = {split: label_matrix(splits[split], task) for split in JUDGED}
    decided = {split: decision.decide(logits[split], task.kind) for split in JUDGED}
    found: dict[str, Any] = {}
    for split in JUDGED:
        scores = decision.scores(logits[split], task.kind)
        selective = evaluate_selective(scores, decided[split], gold[split], task.kind, decision.abstain_below)
        quality = judge(logits[split], gold[split], task, decision)
        found[split] = {**quality.to_dict(), "selective": asdict(selective)}
    floors = judge_floors(policy, task, {split: (decided[split], gold[split]) for split in JUDGED})
    return {
        **found,
        "floors": [{**asdict(floor), "kept": not floor.missing} for floor in floors],
        "decision": decision.to_dict(),
    }


def judge_model(job: Job, source: Path, folder: Path) -> None:
    """Write the `quality.json` of a model that a training stage left in `source`.

    Raises:
        CheckFailedError: it is the student, and validation does not keep a floor of the recipe.
    """
    corpus, policy = load_corpus(job.corpus), job.recipe.decisions
    quality = {**read_json(source / TRAINING_FILE), **quality_of(read_logits_file(source), corpus, policy)}
    if source == job.student:  # what it cannot keep no variant of it can
        require_floors(quality["floors"])
    before = source / BEFORE_TUNING_FILE
    if before.is_file():
        quality["before_tuning"] = quality_of(load_file(before), corpus, policy)
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
