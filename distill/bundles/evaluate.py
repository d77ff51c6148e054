"""Evaluate a bundle on labelled rows, and compare two bundles on texts."""

from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from distill.bundles.predict import _predict
from distill.bundles.rows import Columns, _labelled_rows, texts_of
from distill.evaluation.evaluator import evaluator_of
from distill.evaluation.selective import evaluate_selective
from distill.export.runtime import InputError, load
from distill.export.runtime.cores import available_threads
from distill.runs.progress import Reporter


def evaluate_bundle(bundle: Path, file: Path, columns: Columns, reporter: Reporter) -> dict[str, Any]:
    """Quality, calibration and truncation of a bundle on labelled rows, and what its rule to abstain does there.

    The metrics are of all rows, as if it never abstained; those under `selective` know the rule.

    Raises:
        InputError: a row of the file cannot be used.
    """
    classifier = load(bundle, threads=available_threads())
    texts, gold = _labelled_rows(file, columns, classifier)
    task, policy = classifier.task, classifier.manifest.policy
    with reporter.bar("evaluate", len(texts)) as advance:
        predictions = _predict(classifier, texts, advance)
    scores = np.array([list(prediction.scores.values()) for prediction in predictions])  # (N, C)
    quality = evaluator_of(task).evaluate(scores, gold, policy)
    selective = evaluate_selective(scores, gold, task, policy)
    return {
        "rows": len(texts),
        "truncated": sum(prediction.truncated for prediction in predictions),
        "abstained": sum(prediction.abstained for prediction in predictions),
        **quality.to_dict(),
        "selective": asdict(selective),
    }


def compare_bundles(old: Path, new: Path, file: Path, columns: Columns, reporter: Reporter) -> dict[str, Any]:
    """Which decisions change between two bundles: rows, and by label those gained and lost.

    A row that only one of them hands over to a person is changed, and counts as abstained or answered now; what
    labels gain and lose is counted on rows that both answer.
    """
    before, after = (load(bundle, threads=available_threads()) for bundle in (old, new))
    if set(before.labels) != set(after.labels):
        raise InputError(f"{old} and {new} have different labels; only bundles of one task can be compared")
    texts = texts_of(file, columns)
    gained: Counter[str] = Counter()
    lost: Counter[str] = Counter()
    abstained: Counter[str] = Counter()
    changed = []
    with reporter.bar("compare", 2 * len(texts)) as advance:
        pairs = zip(_predict(before, texts, advance), _predict(after, texts, advance), strict=True)
    for row, (first, second) in enumerate(pairs, 1):
        if first.abstained != second.abstained:
            abstained["gained" if second.abstained else "lost"] += 1
        elif not first.abstained:
            gained.update(set(second.labels) - set(first.labels))
            lost.update(set(first.labels) - set(second.labels))
        if first.abstained != second.abstained or set(first.labels) != set(second.labels):
            changed.append(row)
    by_label = {name: {"gained": gained[name], "lost": lost[name]} for name in before.labels}
    return {
        "rows": len(texts),
        "rows_changed": len(changed),
        "changed_rows": changed,
        "abstained": {"gained": abstained["gained"], "lost": abstained["lost"]},
        "by_label": by_label,
    }
