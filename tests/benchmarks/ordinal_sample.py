"""Ordered levels on the packaged sample: cumulative logits beside a softmax head and TF-IDF, three seeds.

    python -m tests.benchmarks.ordinal_sample --runs RUNS

The sample's thirteen labels have no order, and its data card says that they tell no severity. What can be ordered
is the tone of a line: pleasant (joy, gratitude and relief alone), mixed (neutral, or pleasant and unpleasant
labels together), unpleasant (all others). A finished run is not trained again.
"""

import argparse
import csv
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from distill.artifacts.logits import read_logits_file
from distill.artifacts.quality import read_quality
from distill.corpora.corpus import label_matrix
from distill.corpora.storage.parquet import load_corpus
from distill.pipeline.runner import execute_run
from distill.pipeline.state import Run
from distill.recipe.load import load_recipe
from distill.runs.layout import RunLayout
from distill.runs.progress import Reporter
from tests.benchmarks.markdown import head_lines, line

LEVELS = ("pleasant", "mixed", "unpleasant")
PLEASANT = frozenset({"joy", "gratitude", "relief"})
SPLITS, SEEDS = ("train", "validation", "test"), (13, 14, 15)
HEADS = {"ordinal": "cumulative logits", "single_label": "softmax head"}

Levels = NDArray[np.int64]
Rows = Sequence[tuple[str, str, str]]


def main() -> None:
    """Train what is missing, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=Path, required=True, help="folder for the coded corpus and the runs")
    runs = parser.parse_args().runs
    rows = read_rows()
    runs.mkdir(parents=True, exist_ok=True)
    with (runs / "tone.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("text", "labels", "split"), *rows])
    for task in HEADS:
        train(runs / task, runs / "tone.csv", task)
    print_table(rows, runs)


def level_of(labels: Sequence[str]) -> str:
    """Return the tone of a line with these labels."""
    pleasant = PLEASANT.issuperset(labels)
    return "pleasant" if pleasant else "mixed" if "neutral" in labels or PLEASANT & set(labels) else "unpleasant"


def read_rows() -> Rows:
    """Return text, level and split of every labelled line of the sample."""
    folder, rows = files("distill.corpora") / "sample", []
    for split in SPLITS:
        for cells in (folder / f"{split}.tsv").read_text(encoding="utf-8").splitlines()[1:]:
            labels, text = cells.split("\t")
            rows.append((text, level_of(labels.split(",")), split))
    return rows


def train(folder: Path, corpus: Path, task: str) -> None:
    """Fine-tune a teacher and distil students with three seeds; nothing is exported."""
    settings = (
        f"corpus.source={corpus}",
        f"corpus.task={task}",
        f"corpus.label_names={list(LEVELS)}",
        "corpus.split=split",
        "corpus.quoting=true",
        "corpus.rows=2000",
        "corpus.max_tokens=32",
        "teacher.freeze=3",
        "teacher.epochs=2",
        "student.depth=2",
        "student.width=128",
        "student.epochs=10",
        "objective.compare=false",
        f"seeds={list(SEEDS)}",
    )
    execute_run(Run(load_recipe("smoke", settings), RunLayout(folder), Reporter()), "train")


def print_table(rows: Rows, runs: Path) -> None:
    """Print kappa, error in levels, macro-F1 and accuracy on test per model; students with their spread."""

    models: dict[str, list[tuple[Levels, Levels]]] = {}
    for task, head in HEADS.items():
        layout = RunLayout(runs / task)
        corpus = load_corpus(layout.corpus)
        order = np.array([LEVELS.index(label) for label in corpus.task.labels])
        gold = order[label_matrix(corpus.test, corpus.task).argmax(axis=1)]  # (N,)
        places = [("teacher", layout.teacher(), layout.quality("teacher"))]
        for seed in SEEDS:
            of_seed = layout.of_seed(seed)
            places.append(("student", of_seed.student, of_seed.quality("student")))
        for name, folder, quality in places:
            decided = read_quality(quality).decision.decide(read_logits_file(folder)["test"], corpus.task)
            models.setdefault(f"{name}, {head}", []).append((gold, order[decided.argmax(axis=1)]))
    models["TF-IDF, logistic regression"] = [tfidf(rows)]
    print(*head_lines(("model", "QWK", "MAE", "macro-F1", "accuracy")), sep="\n")
    for model, seeds in models.items():
        values = np.array([metrics(*pair) for pair in seeds])  # (S, metrics)
        spread = values.std(axis=0, ddof=1) if len(values) > 1 else None
        ends = [""] * 4 if spread is None else [f" ± {width:.3f}" for width in spread]
        cells = [f"{mean:.3f}{end}" for mean, end in zip(values.mean(axis=0), ends, strict=True)]
        print(line((model, *cells)))


def tfidf(rows: Rows) -> tuple[Levels, Levels]:
    """Return gold and decided levels on test of logistic regression on TF-IDF."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    texts = {split: [text for text, _, of in rows if of == split] for split in SPLITS}
    levels = {split: np.array([LEVELS.index(level) for _, level, of in rows if of == split]) for split in SPLITS}
    model = make_pipeline(
        TfidfVectorizer(sublinear_tf=True, min_df=2, ngram_range=(1, 2)),
        LogisticRegression(C=10, class_weight="balanced", max_iter=2000),
    )
    model.fit(texts["train"], levels["train"])
    return levels["test"], np.asarray(model.predict(texts["test"]))


def metrics(gold: Levels, levels: Levels) -> tuple[float, ...]:
    """Return quadratic weighted kappa, mean absolute error, macro-F1 and accuracy."""
    from sklearn.metrics import cohen_kappa_score, f1_score

    kappa = cohen_kappa_score(gold, levels, weights="quadratic")
    error, right = np.abs(levels - gold).mean(), (levels == gold).mean()
    return float(kappa), float(error), float(f1_score(gold, levels, average="macro")), float(right)


if __name__ == "__main__":
    main()
