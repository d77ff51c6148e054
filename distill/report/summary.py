"""The summary table at the end of a run."""

from collections.abc import Sequence
from dataclasses import dataclass

from distill.artifacts.model_report import ModelReport, Timing
from distill.artifacts.report import Report


@dataclass(frozen=True)
class SummaryRow:
    """One model in one runtime; latency is for single real texts on one thread, None where it was not timed.

    `score` is the task's headline, and `times_faster` the speed-up over the first row, the teacher in PyTorch.
    """

    name: str
    kind: str
    ships: bool
    runtime: str | None
    score: float
    macro_f1: float
    macro_f1_at_half: float | None
    micro_f1: float
    ece: float
    retention: float | None
    megabytes: float
    p50_ms: float | None
    p95_ms: float | None
    times_faster: float | None


def summary_rows(report: Report) -> list[SummaryRow]:
    """Return one row per model and runtime, the teacher in PyTorch first."""
    rows: list[SummaryRow] = []
    for model in report.models:
        timings: Sequence[Timing | None] = _single_text(model) or [None]
        for timing in timings:
            p50 = None if timing is None else timing.p50_ms
            baseline = rows[0].p50_ms if rows else p50
            rows.append(
                SummaryRow(
                    name=model.name,
                    kind=model.kind,
                    ships=model.name == report.chosen,
                    runtime=None if timing is None else timing.runtime,
                    score=model.test.metric(report.headline.key),
                    macro_f1=model.test.macro_f1,
                    macro_f1_at_half=model.test.macro_f1_at_half,
                    micro_f1=model.test.micro_f1,
                    ece=model.test.ece,
                    retention=model.retention,
                    megabytes=model.bytes.total / 1e6,
                    p50_ms=p50,
                    p95_ms=None if timing is None else timing.p95_ms,
                    times_faster=baseline / p50 if baseline and p50 else None,
                )
            )
    return rows


def _single_text(model: ModelReport) -> list[Timing]:
    """Return the timings of single real texts on one thread, PyTorch's first."""
    rows = [row for row in model.latency.rows if (row.texts, row.threads, row.batch) == ("real", 1, 1)]
    return sorted(rows, key=lambda row: row.runtime != "pytorch")
