"""Ordered levels on the C-SSRS Reddit corpus: five folds by person, beside a softmax head and TF-IDF.

    python -m tests.benchmarks.ordinal CORPORA/cssrs500/500_Reddit_users_posts_labels.csv --runs RUNS

Each person is one row: all posts, of which the first `--max-tokens` tokens are read. Fold k is test, fold k + 1
validation, the other three train. Per fold, a teacher is fine-tuned and a student distilled as `ordinal`, and once
more as `single_label` (the same models with a softmax head); the student has three seeds. TF-IDF with logistic
regression learns from the same train rows. A finished fold is not trained again.

Graded recall and ordinal error are those of Gaur et al. 2019 (WWW, "Knowledge-aware assessment of severity of
suicide risk for early intervention"): a row below its level is a false negative; an error is at least two levels.
"""

import argparse
import csv
import json
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from distill.artifacts.logits import read_logits_file
from distill.artifacts.quality import read_quality
from distill.pipeline.runner import execute_run
from distill.pipeline.state import Run
from distill.recipe.load import load_recipe
from distill.runs.layout import RunLayout
from distill.runs.progress import Reporter
from tests.benchmarks.markdown import head_lines, line

LEVELS = ("Supportive", "Indicator", "Ideation", "Behavior", "Attempt")
FOLDS, SEEDS = 5, (13, 14, 15)
METRICS = ("QWK", "MAE", "macro-F1", "graded recall", "graded precision", "ordinal error", "two or more too low")
PUBLISHED = {"graded recall": 0.545, "ordinal error": 0.161}
RESAMPLES = 2000
BETWEEN_POSTS = re.compile(r"""['"], ['"]""")

Levels = NDArray[np.int64]


def main() -> None:
    """Train what is missing, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", type=Path, help="the csv: one person per row")
    parser.add_argument("--runs", type=Path, required=True, help="folder for folds and runs")
    parser.add_argument("--max-tokens", type=int, default=128)
    parser.add_argument("--only", choices=("ordinal", "single_label"), help="train one of the two, print nothing")
    options = parser.parse_args()
    rows = read_rows(options.corpus)
    folds = write_folds(rows, options.runs / "folds")
    for fold in range(FOLDS):
        for task in ("ordinal", "single_label") if options.only is None else (options.only,):
            train(options.runs / f"{task}-{fold}", folds[fold], task, options.max_tokens)
    if options.only is None:
        print_table(decided(rows, folds, options.runs), np.array([LEVELS.index(level) for _, level in rows]))


def read_rows(path: Path) -> list[tuple[str, str]]:
    """Return the text and the level of each person.

    Posts are a printed Python list, which a spreadsheet's limit has cut in places; they are joined by line ends.
    """
    with path.open(encoding="utf-8", newline="") as file:
        return [
            (BETWEEN_POSTS.sub("\n", row["Post"].strip("[]'\"")), row["Label"]) for row in csv.DictReader(file)
        ]


def fold_of(rows: Sequence[tuple[str, str]]) -> Levels:
    """Return the fold of each person: levels are spread evenly, in an order drawn with a fixed seed."""
    folds = np.zeros(len(rows), dtype=np.int64)
    levels = np.array([level for _, level in rows])
    rng = np.random.default_rng(13)
    first = 0
    for level in LEVELS:
        members = rng.permutation(np.flatnonzero(levels == level))
        folds[members] = (first + np.arange(len(members))) % FOLDS
        first += len(members)
    return folds


def write_folds(rows: Sequence[tuple[str, str]], folder: Path) -> list[Path]:
    """Write one csv per fold with the split of each row; return their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    folds, paths = fold_of(rows), []
    for test in range(FOLDS):
        names = {test: "test", (test + 1) % FOLDS: "validation"}
        path = folder / f"{test}.csv"
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(("text", "labels", "split"))
            writer.writerows(
                (text, level, names.get(int(fold), "train"))
                for (text, level), fold in zip(rows, folds, strict=True)
            )
        paths.append(path)
    return paths


def train(folder: Path, corpus: Path, task: str, max_tokens: int) -> None:
    """Fine-tune a teacher on one fold and distil students with three seeds; nothing is exported."""
    settings = (
        f"corpus.source={corpus}",
        f"corpus.task={task}",
        f"corpus.label_names={list(LEVELS)}",
        "corpus.split=split",
        "corpus.quoting=true",  # posts have line ends and commas
        "corpus.duplicates=keep",
        "corpus.leaks=keep",
        f"corpus.max_tokens={max_tokens}",
        "teacher.freeze=3",
        "teacher.epochs=4",
        "teacher.patience=8",
        "student.depth=2",
        "student.width=128",
        "student.epochs=20",
        "objective.compare=false",
        f"seeds={list(SEEDS)}",
    )
    run = Run(load_recipe("smoke", ["corpus.rows=1000", *settings]), RunLayout(folder), Reporter())
    execute_run(run, "train")


def decided(
    rows: Sequence[tuple[str, str]], folds: Sequence[Path], runs: Path
) -> Mapping[str, Sequence[tuple[Levels, Levels]]]:
    """Return, by model, the test rows and decided levels of every fold, pooled over folds per seed."""
    found: dict[str, dict[int, list[tuple[Levels, Levels]]]] = defaultdict(lambda: defaultdict(list))
    of_row = fold_of(rows)
    for fold in range(len(folds)):
        test = np.flatnonzero(of_row == fold)
        for task in ("ordinal", "single_label"):
            layout = RunLayout(runs / f"{task}-{fold}")
            models = {("teacher", 0): (layout.teacher(), layout.quality("teacher"))}
            for seed in SEEDS:
                of_seed = layout.of_seed(seed)
                models["student", seed] = (of_seed.student, of_seed.quality("student"))
            kind = json.loads((layout.corpus / "task.json").read_text())["task"]
            for (name, seed), (folder, quality) in models.items():
                levels = levels_of(folder, quality, task, kind["labels"])
                found[f"{name}, {'cumulative logits' if task == 'ordinal' else 'softmax head'}"][seed].append(
                    (test, levels)
                )
        found["TF-IDF, logistic regression"][0].append((test, tfidf(rows, of_row, fold)))
    return {
        model: [tuple(np.concatenate(parts) for parts in zip(*pairs, strict=True)) for pairs in seeds.values()]
        for model, seeds in found.items()
    }


def levels_of(folder: Path, quality: Path, task: str, labels: Sequence[str]) -> Levels:
    """Return the decided level of each test row under the decision that was fitted on validation."""
    from distill.export.runtime.deciding.tasks import TASKS

    logits = read_logits_file(folder)["test"]
    decisions = read_quality(quality).decision.decide(logits, TASKS[task](tuple(labels)))
    order = np.array([LEVELS.index(label) for label in labels])
    return np.asarray(order[decisions.argmax(axis=1)])


def tfidf(rows: Sequence[tuple[str, str]], folds: Levels, test: int) -> Levels:
    """Return the levels that logistic regression on TF-IDF of the whole documents decides."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    kept = (folds != test) & (folds != (test + 1) % FOLDS)
    texts, levels = [text for text, _ in rows], np.array([LEVELS.index(level) for _, level in rows])
    model = make_pipeline(
        TfidfVectorizer(sublinear_tf=True, min_df=2, ngram_range=(1, 2)),
        LogisticRegression(C=10, class_weight="balanced", max_iter=2000),
    )
    model.fit([text for text, keep in zip(texts, kept, strict=True) if keep], levels[kept])
    return np.asarray(model.predict([text for text, fold in zip(texts, folds, strict=True) if fold == test]))


def metrics(gold: Levels, levels: Levels) -> dict[str, float]:
    """Return every metric of the table."""
    from sklearn.metrics import cohen_kappa_score, f1_score

    off = levels - gold
    exact, over, under = ((off == 0).mean(), (off > 0).mean(), (off < 0).mean())
    values = (
        cohen_kappa_score(gold, levels, weights="quadratic", labels=list(range(len(LEVELS)))),
        np.abs(off).mean(),
        f1_score(gold, levels, average="macro", zero_division=0.0),
        exact / (exact + under),
        exact / (exact + over),
        (np.abs(off) >= 2).mean(),
        (off <= -2).mean(),
    )
    return dict(zip(METRICS, map(float, values), strict=True))


def print_table(models: Mapping[str, Sequence[tuple[Levels, Levels]]], gold: Levels) -> None:
    """Print a row per model: the mean over seeds, with a bootstrap interval over persons and seeds."""
    rng = np.random.default_rng(13)
    print(*head_lines(("model", *METRICS)), sep="\n")
    for model, seeds in models.items():
        draws: dict[str, list[float]] = defaultdict(list)
        for _ in range(RESAMPLES):
            rows, levels = seeds[rng.integers(len(seeds))]
            sample = rng.integers(len(rows), size=len(rows))
            for name, value in metrics(gold[rows[sample]], levels[sample]).items():
                draws[name].append(value)
        means = [metrics(gold[rows], levels) for rows, levels in seeds]
        cells = []
        for name in METRICS:
            low, high = np.percentile(draws[name], [2.5, 97.5])
            cells.append(f"{np.mean([one[name] for one in means]):.3f} ({low:.3f} to {high:.3f})")
        print(line((model, *cells)))
    print(
        line(("published, Gaur et al. 2019", *(f"{PUBLISHED[n]:.3f}" if n in PUBLISHED else "" for n in METRICS)))
    )


if __name__ == "__main__":
    main()
