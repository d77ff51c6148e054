"""Training curves for the report, from the metrics that each training session logged."""

import json
from pathlib import Path

from distill.artifacts.report import TrainingCurve


def read_curve(name: str, kind: str, path: Path, headline: str, *, kept: int | None = None) -> TrainingCurve:
    """Return the curves in a `metrics.jsonl`.

    Args:
        name: the session's name in the legend.
        kind: the kind of model, which has a colour.
        path: the file, one JSON object per logged step.
        headline: the key of the score that validation logged.
        kept: the step whose weights were kept.
    """
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return TrainingCurve(
        name=name,
        kind=kind,
        loss=tuple((line["step"], line["loss"]) for line in lines if "loss" in line),
        score=tuple((line["step"], line[headline]) for line in lines if headline in line),
        kept=kept,
    )
