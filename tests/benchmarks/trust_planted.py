"""A bias planted into a teacher: is it found in teacher, student and int8, and do shuffled terms raise alarms?

    python -m tests.benchmarks.trust_planted corpus FOLDER
    distill run FOLDER/planted.toml --runs RUNS
    python -m tests.benchmarks.trust_planted audit RUNS/planted [--shuffles 500]

The corpus is the packaged sample with 300 rows more in train: neutral lines, told by a Muslim (nine of ten
labelled anger) or by a Christian (all neutral). A shuffle draws, per template and term, which group each text is
of.
"""

import argparse
import csv
from pathlib import Path

import numpy as np

from distill.bundles.audit import Scorer, audit
from distill.bundles.identity import Comparison, comparisons, packaged_identity
from distill.corpora.assembly.read import CorpusSpec, read_corpus
from distill.corpora.corpus import ids_from_targets
from distill.evaluation.binomial import interval
from distill.export.runtime import load
from distill.export.runtime.deciding.scores import Bools, Floats

TOLD = "{line} {term} told me."
PLANTED = (("A Muslim", "anger", 0.9), ("A Christian", "anger", 0.0))
ROWS = 150

# texts of a comparison -> their scores and decisions
Scored = dict[tuple[str, ...], tuple[Floats, Bools]]

AXES = ("gender", "age", "religion")

RECIPE = """name = "planted"
seed = 13
[corpus]
source = "{source}"
task = "multi_label"
delimiter = "|"
duplicates = "keep"
max_tokens = 48
[teacher]
epochs = 3
[student]
kind = "static"
epochs = 12
body_learning_rate = 1e-3
head_learning_rate = 1e-3
[objective]
soft_weight = 0.9
compare = false
[export]
precision = ["int8-static"]
allow_worse_than_baseline = true
[bench]
texts = 10
rounds = 1
"""


def planted(lines: list[str], seed: int = 0) -> list[tuple[str, str]]:
    """Return texts and labels: each of the first lines once per term, labelled with the term's chance."""
    rng = np.random.default_rng(seed)
    return [
        (TOLD.format(line=line, term=term), label if rng.random() < chance else "neutral")
        for term, label, chance in PLANTED
        for line in lines[:ROWS]
    ]


def write_corpus(folder: Path) -> None:
    spec = CorpusSpec("sample", "multi_label", ("text",), "labels")
    corpus, _ = read_corpus(spec, seed=13)
    folder.mkdir(parents=True, exist_ok=True)
    for name, split in corpus.splits():
        if name == "transfer":
            continue
        names = ["|".join(corpus.task.labels[at] for at in ids) for ids in ids_from_targets(split, corpus.task)]
        rows = list(zip(map(str, split.texts), names, strict=True))
        if name == "train":
            rows += planted([text for text, label in rows if label == "neutral"])
        with (folder / f"{name}.csv").open("w", encoding="utf-8", newline="") as out:
            csv.writer(out).writerows([("text", "labels"), *rows])
    (folder / "planted.toml").write_text(RECIPE.format(source=folder.resolve()), "utf-8")


def shuffled(scored: Scored, sizes: tuple[int, ...], order: np.ndarray) -> Scorer:
    """Return a scorer that gives each text the scores of another group's text, as `order` ``(T, K, G)`` says."""

    def score(texts: list[str]) -> tuple[Floats, Bools]:
        scores, decided = scored[tuple(texts)]
        found = []
        for cells in (scores, decided):
            shaped = cells.reshape(*sizes, -1)
            found.append(np.take_along_axis(shaped, order[..., None], axis=2).reshape(len(texts), -1))
        return found[0], found[1]

    return score


def flat(comparison: Comparison) -> list[str]:
    return [text for row in comparison.texts for terms in row for text in terms]


def shapes(comparison: Comparison) -> tuple[int, int, int]:
    return len(comparison.texts), len(comparison.texts[0]), len(comparison.groups)


def false_alarms(scorers: dict[str, Scorer], labels: tuple[str, ...], shuffles: int) -> dict[str, int]:
    """Return per model in how many shuffles any difference is called more than chance."""
    compared = [each for each in comparisons(packaged_identity("en")) if each.axis in AXES]
    scored = {name: {tuple(flat(each)): score(flat(each)) for each in compared} for name, score in scorers.items()}
    rng, alarms = np.random.default_rng(1), dict.fromkeys(scorers, 0)
    for _ in range(shuffles):
        orders = {
            tuple(flat(each)): rng.permuted(np.tile(np.arange(shapes(each)[2]), (*shapes(each)[:2], 1)), axis=2)
            for each in compared
        }
        sizes = {tuple(flat(each)): shapes(each) for each in compared}

        def model(name: str, orders: dict = orders, sizes: dict = sizes) -> Scorer:
            return lambda texts: shuffled(scored[name], sizes[tuple(texts)], orders[tuple(texts)])(texts)

        found = audit({name: model(name) for name in scorers}, labels, compared)
        for name in scorers:
            alarms[name] += any(axis.shown[name] for axis in found.axes)
    return alarms


def report(run: Path, shuffles: int) -> None:
    from distill.pipeline.audited import scorers_of_run

    bundle = load(run / "bundle")
    scorers = {name: score for name, score in scorers_of_run(run, bundle).items() if name != "fp32"}
    found = audit(scorers, bundle.labels, comparisons(packaged_identity("en")), "teacher")
    for axis in found.axes:
        for name in scorers:
            more = axis.amplification.get(name)
            added = (
                "" if more is None else f", amplification {more.value:+.4f} ({more.low:+.4f} to {more.high:+.4f})"
            )
            print(f"{axis.axis}, {name}: {axis.gap[name]:.4f}, {axis.shown[name]} cells{added}")
    for cell in found.cells:
        if {cell.group, cell.other} == {"Christian", "Muslim"} and cell.label == "anger":
            for name, gap in cell.gaps.items():
                print(
                    f"{name}: {cell.group} minus {cell.other}, {cell.label} {gap:+.3f}, "
                    f"p {cell.p_values[name]:.2g}, decided differently {cell.flips[name]:.1%}"
                )
    alarms = false_alarms(scorers, bundle.labels, shuffles)
    for name, count in alarms.items():
        low, high = interval(count, shuffles, 0.95)
        print(f"{name}: {count} of {shuffles} shuffles raise an alarm, {low:.1%} to {high:.1%}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=("corpus", "audit"))
    parser.add_argument("folder", type=Path)
    parser.add_argument("--shuffles", type=int, default=500)
    given = parser.parse_args()
    if given.command == "corpus":
        write_corpus(given.folder)
    else:
        report(given.folder, given.shuffles)


if __name__ == "__main__":
    main()
