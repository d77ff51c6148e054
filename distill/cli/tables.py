"""Results on stdout for people: tables that are never cut, trees of values, and the corpus as `check` shows it."""

import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from distill.artifacts.plan import Plan
from distill.artifacts.trials import BEST_FILE, read_trials
from distill.cli.layout import print_table
from distill.export.measure.components import COMPONENTS
from distill.export.runtime.manifest.manifest import read_manifest
from distill.export.runtime.reading.inputs import TEXT
from distill.files.printable import printable

if TYPE_CHECKING:
    from distill.bundles.evaluate import Evaluation
    from distill.corpora.describe import CorpusReport, SplitReport
    from distill.corpora.window_counts import WindowTokens
    from distill.teachers.sources import ModelSource
    from distill.timing.bundles import BundleBench, BundleBytes

SHOWN_TRIALS = 10

SHOWN_MISSES = 5


def print_tree(data: Mapping[str, object], indent: str = "") -> None:
    """Print plain values by name, nested mappings indented."""
    for key, value in data.items():
        if isinstance(value, dict):
            print(f"{indent}{printable(str(key))}:")
            print_tree(value, indent + "  ")
        else:
            shown = f"{value:.4f}" if isinstance(value, float) else str(value)
            print(f"{indent}{printable(f'{key}: {shown}')}")


def print_evaluation(evaluation: "Evaluation") -> None:
    """Print everything but curves as a tree, then a table of the labels."""
    data = evaluation.to_dict()
    selective = {key: value for key, value in data["selective"].items() if key != "curve"}
    left_out = ("per_label", "floors", "sets")  # the notes have the floors
    tree = {key: value for key, value in data.items() if key not in left_out} | {"selective": selective}
    if evaluation.sets is not None:
        tree["sets"] = {"coverage": evaluation.sets.coverage, "mean_size": evaluation.sets.mean_size}
    print_tree(tree)
    for line in evaluation.notes:
        print(printable(line))
    rows = [
        [
            label.label,
            *(f"{share:.3f}" for share in (label.precision, label.recall, label.f1)),
            f"{label.brier:.4f}",
            _shown(label.brier_skill, 3),
            str(label.support),
        ]
        for label in evaluation.quality.per_label
    ]
    print_table("by label", ["label", "precision", "recall", "F1", "Brier", "skill", "rows"], rows)


def print_bench(bench: "BundleBench") -> None:
    """Print the machine, latencies, and the size and memory of each bundle."""
    print(f"{bench.cpu.model}, {' '.join(bench.cpu.flags)}")
    rows = [
        [
            row.name,
            row.texts,
            str(row.threads),
            str(row.batch),
            *(f"{milliseconds:.3f}" for milliseconds in (row.p50_ms, row.p95_ms, row.p99_ms)),
            f"{row.texts_per_second:.0f}",
        ]
        for row in bench.rows
    ]
    head = ["bundle", "texts", "threads", "batch", "p50 ms", "p95 ms", "p99 ms", "texts/s"]
    print_table(f"latency of one call, median of {bench.rounds} interleaved rounds", head, rows)
    costs = [
        [
            name,
            cost.precision,
            *(f"{size / 1e6:.2f}" for size in _sizes(cost.bytes)),
            f"{cost.cold_start_ms:.0f}",
            _shown(None if cost.peak_rss_bytes is None else cost.peak_rss_bytes / 1e6),
            _shown(cost.test_macro_f1, 4),
        ]
        for name, cost in bench.bundles.items()
    ]
    head = [
        "bundle",
        "precision",
        "MB",
        "model",
        "tokenizer",
        "rest",
        "cold start ms",
        "peak memory MB",
        "macro-F1",
    ]
    title = "size; cold start and memory of a fresh process on one thread; quality from the manifest"
    print_table(title, head, costs)
    if any(cost.peak_rss_bytes is None for cost in bench.bundles.values()):
        print("peak memory: not measured, because this system does not report it")
    print_components({name: cost.components for name, cost in bench.bundles.items()})


def _sizes(sizes: "BundleBytes") -> tuple[int, ...]:
    return sizes.total, sizes.model, sizes.tokenizer, sizes.rest


def print_components(weighed: Mapping[str, Mapping[str, int]]) -> None:
    """Print bytes by component: a column per bundle, a row per component that any of them has."""
    rows = [
        [name.replace("_", " "), *(f"{sizes.get(name, 0):,}" for sizes in weighed.values())]
        for name in COMPONENTS
        if any(name in sizes for sizes in weighed.values())
    ]
    print_table("bytes by component, without the model card", ["component", *weighed], rows)


def print_summary(name: str, folder: Path) -> None:
    """Print the summary of a run: its table, warnings, verdict, report, bundle, and the command to try next."""
    from distill.artifacts.report import read_report
    from distill.report.summary import summary_rows

    report = read_report(folder)
    rows = [
        [
            row.name + (" (ships)" if row.ships else ""),
            row.runtime or "-",
            _shown(row.score, 3),
            _shown(row.retention, 3),
            _shown(row.megabytes, 1),
            _shown(row.p50_ms, 2),
            _shown(row.p95_ms, 2),
            _shown(row.times_faster, 1),
        ]
        for row in summary_rows(report)
    ]
    head = ["model", "runtime", report.headline.title, "retention", "MB", "p50 ms", "p95 ms", "times faster"]
    tested = "test quality" if report.folds is None else f"out-of-fold quality of {report.folds.rows:,} rows"
    print_table(f"{name}: {tested}; latency of a single text on one thread", head, rows)
    empty = report.models[0].test.labels_at_zero
    if empty:
        print(f"labels without test rows, each of which counts 0 in macro-F1: {printable(', '.join(empty))}")
    notes = () if report.verdict is None else report.verdict.notes
    for warning in (*report.warnings, *notes):
        print(f"warning: {printable(warning)}")
    if report.verdict is not None:
        print(f"verdict: {report.verdict.line}")
    bundle = folder / "bundle"
    asked = '"some text"' if read_manifest(bundle).reads.kind == TEXT else "FILE"
    print(f"report: {folder / 'report.html'}\nbundle: {bundle}")
    print(f"next: distill predict {shlex.quote(str(bundle))} {asked}")


def print_trials(folder: Path, headline: str) -> None:
    """Print the best trials of a search by the named headline, and the path of the best recipe."""
    trials = read_trials(folder).trials
    keys = list(trials[0].values)
    rows = [
        [str(trial.number), trial.state, _shown(trial.score, 4), _shown(trial.epochs)]
        + [json.dumps(trial.values.get(key)) for key in keys]
        for trial in trials[:SHOWN_TRIALS]
    ]
    print_table("trials, best first", ["trial", "state", f"validation {headline}", "epochs", *keys], rows)
    print(f"best recipe: {folder / BEST_FILE}")


def print_trials_json(folder: Path) -> None:
    """Print all trials of a search, best first, as JSON, and the path of the best recipe."""
    trials = [asdict(trial) for trial in read_trials(folder).trials]
    print(json.dumps({"best_recipe": str(folder / BEST_FILE), "trials": trials}, indent=2))


def print_plan(plan: Plan) -> None:
    """Print the students that fit, best first, and those that do not with the bounds that they miss."""
    bounds = plan.budget.bounds
    columns = {"p50_ms": "p50 ms", "p95_ms": "p95 ms", "size_mb": "MB"}
    if "rss_mb" in bounds:
        columns["rss_mb"] = "peak MB"
    head = ["student", "precision", "predicted retention"]
    for key, name in columns.items():
        head += [name, "left"] if key in bounds else [name]
    rows = []
    for student in plan.fits:
        row = [student.student, student.precision, f"{student.predicted_retention:.3f}"]
        for key in columns:
            value = getattr(student, key)
            row.append(_shown(value, 2))
            if key in bounds:
                row.append(f"{1.0 - value / bounds[key]:.0%}")
        rows.append(row)
    flags, threads = " ".join(plan.cpu.flags), plan.budget.threads
    print(f"{plan.cpu.model}, {flags}; {plan.vocabulary:,} tokens in the vocabulary; threads: {threads}")
    if rows:
        print_table(f"within the budget, most promising first; {plan.texts} texts, one at a time", head, rows)
    misses = [
        [student.student, student.precision, "; ".join(student.over or ())]
        for student in plan.misses[:SHOWN_MISSES]
    ]
    if misses:
        print_table("over the budget, nearest first", ["student", "precision", "excess"], misses)
    if plan.unmeasured:
        print(f"Time limit reached: {plan.unmeasured} students not measured. An idle machine measures more.")
    if plan.busy:
        print("The machine was busy, so students may look slower than they are. Plan again when it is idle.")


def print_corpus(corpus: "CorpusReport", base_models: "Sequence[ModelSource]", pins: Sequence[str]) -> None:
    """Print the result of `check`: splits, labels, leaks, other counts, and how to pin models."""
    rows = [
        [
            split.name,
            str(split.rows),
            _shown(split.groups),
            _shown(split.cardinality, 2),
            _shown(split.rows_without_label),
            *_token_lengths(split),
        ]
        for split in corpus.splits
    ]
    head = ["split", "rows", "groups", "labels per row", "no label", "tokens p50", "p95", "longest"]
    print_table(f"{corpus.task}, {len(corpus.labels)} labels", [*head, f"cut at {corpus.max_tokens}"], rows)
    counts = {split.name: split.labels for split in corpus.splits if split.labels is not None}
    by_label = [[label, *(str(labels[label]) for labels in counts.values())] for label in corpus.labels]
    print_table("rows with each label", ["label", *counts], by_label)
    for leak in corpus.leaks:
        print(f"leaks: {leak.removed} rows removed from {leak.split}, {leak.kept} kept (same {leak.by})")
    for reason, count in corpus.bad_rows.items():
        print(f"quarantined: {count} rows: {printable(reason)}")
    for note, count in corpus.notes.items():
        if count and "leaks" not in note:
            print(f"{note.replace('_', ' ')}: {count}")
    names = ", ".join(model.name for model in base_models)
    pinned = json.dumps(list(pins) if len(pins) > 1 else pins[0]) if pins else ""
    print(f"base model: {names}" + (f"; to pin it: teacher.sha256 = {pinned}" if pinned else ""))


def print_windows(windows: "Mapping[str, WindowTokens]") -> None:
    """Print how many turns of context fit, split by split; nothing where rows are not turns."""
    for name, split in windows.items():
        most = max(split.turns, default=0)
        full = split.turns.get(most, 0)
        print(
            f"context of {name}: {split.mean_turns:.1f} turns per row fit of {split.wanted / split.rows:.1f}; "
            f"{full} of {split.rows} rows have {most}, {split.shortened} have the beginning of the newest cut, "
            f"{split.alone} lose all, {split.cut} decided turns are cut"
        )


def _token_lengths(split: "SplitReport") -> tuple[str, ...]:
    tokens, cut = split.tokens, split.cut_share
    if tokens is None or cut is None:
        return ("-",) * 4
    return str(tokens.p50), str(tokens.p95), str(tokens.longest), f"{cut:.1%}"


def _shown(value: float | None, digits: int = 0) -> str:
    return "-" if value is None else f"{value:.{digits}f}"
