"""Certified floors, sets and hand-over, measured: simulated draws, random halves of GoEmotions, workload tables.

    python -m tests.benchmarks.trust draws
    python -m tests.benchmarks.trust chosen
    python -m tests.benchmarks.trust halves CORPORA/goemotions TEACHER/goemotions-minilm --arrays halves.npz
    MAPIE_VENV/bin/python tests/benchmarks/trust_mapie.py halves.npz     # writes halves.json; needs mapie 1.6
    python -m tests.benchmarks.trust halves CORPORA/goemotions TEACHER/goemotions-minilm --mapie halves.json
    python -m tests.benchmarks.trust workload CORPORA/goemotions TEACHER/goemotions-minilm CORPORA/annomi
    python -m tests.benchmarks.trust unreadable CORPORA/goemotions TOKENIZER
    python -m tests.benchmarks.trust words CORPORA/goemotions

`halves`: 200 times, half of validation and test fits and the other half tells. A floor's population is all rows,
of which the fitting half is drawn with replacement, so that "broken" is about a known recall.
"""

import argparse
import json
import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from distill.evaluation.binomial import interval, misses_allowed, trials_needed
from distill.evaluation.certificates import certified_threshold
from distill.evaluation.sets import evaluate_sets, fit_thresholds_of_sets
from distill.evaluation.thresholds import HIGHEST, cuts_of, keep_recall
from distill.evaluation.trials import Parts
from distill.export.runtime.deciding.scores import sigmoid, softmax
from distill.export.runtime.deciding.sets import LABELS, Sets
from tests.benchmarks.markdown import head_lines, line
from tests.benchmarks.trust_texts import measure_unreadable, measure_words, read_goemotions

CONFIDENCE, HALVES, DRAWS = 0.9, 200, 2000
FLOORS = (0.8, 0.9, 0.95)
FLOORED = ("sadness", "anger", "fear", "disappointment")
COVERAGE = 0.9

Doubles = NDArray[np.float64]


def draws() -> None:
    """Print how often floors are broken whose true recall is known."""
    print(*head_lines(["floor", "positives", "certified, broken", "plain, broken"]), sep="\n")
    for floor, positives in ((0.8, 30), (0.9, 60), (0.95, 60), (0.95, 200), (0.95, 500)):
        rng, broken = np.random.default_rng(0), np.zeros(2)
        for _ in range(DRAWS):
            scores = rng.uniform(size=positives)
            thresholds = (
                certified_threshold(scores, floor, CONFIDENCE),
                keep_recall(scores, np.ones(positives), floor, HIGHEST),
            )
            broken += [1 - threshold < floor for threshold in thresholds]
        shares = broken / DRAWS
        print(line([f"{floor:g}", str(positives), *(f"{share:.1%}" for share in shares)]))


def chosen() -> None:
    """Print how often a certified floor is broken of the best of ten models, chosen on the rows that certify too.

    One label, whose F1 alone chooses: of many labels each has a part in the choice. The models are equally good,
    and half or nine tenths of a score's variance is common to them.
    """
    print(*head_lines(["floor", "positives", "common", "one model, broken", "best of ten, broken"]), sep="\n")
    for floor, positives in ((0.8, 30), (0.9, 60), (0.95, 200)):
        for common in (0.5, 0.9):
            rng, broken = np.random.default_rng(0), np.zeros(2)
            gold = np.zeros(10 * positives)  # the first of the positives certify, the others tune
            gold[: 2 * positives] = 1
            for _ in range(DRAWS):
                shared, own = rng.normal(size=gold.shape), rng.normal(size=(10, len(gold)))
                scores = sigmoid(2 * (2 * gold - 1 + common**0.5 * shared + (1 - common) ** 0.5 * own))
                best = max(scores, key=lambda column: float(cuts_of(column, gold).f1.max()))
                for at, model in enumerate((scores[0], best)):
                    threshold = certified_threshold(model[:positives], floor, CONFIDENCE)
                    cut = math.log(threshold / (1 - threshold)) / 2
                    broken[at] += math.erfc((cut - 1) / math.sqrt(2)) / 2 < floor
            shares = broken / DRAWS
            print(line([f"{floor:g}", str(positives), f"{common:g}", *(f"{share:.1%}" for share in shares)]))


def both_splits(corpus: Path, teacher: Path) -> tuple[Doubles, Doubles, tuple[str, ...]]:
    """Logits and gold of validation and test together, and the labels."""
    labels = tuple((corpus / "labels.txt").read_text().split())
    parts = [read_goemotions(corpus / f"{split}.tsv", len(labels))[1] for split in ("dev", "test")]
    logits = [np.load(teacher / f"{split}_logits.npy").astype(np.float64) for split in ("dev", "test")]
    return np.concatenate(logits), np.concatenate(parts), labels


def samples(rows: int) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Half of the rows, drawn with replacement; and all of them in an order whose first half fits."""
    for seed in range(HALVES):
        rng = np.random.default_rng(seed)
        yield rng.integers(0, rows, rows // 2), rng.permutation(rows)


def halves(corpus: Path, teacher: Path, arrays: Path | None, mapie: Path | None) -> None:
    """Write what MAPIE needs, or print the two side by side."""
    logits, gold, labels = both_splits(corpus, teacher)
    scores = sigmoid(logits)
    one = gold.sum(axis=1) == 1  # rows of a single-label task
    single, single_gold = softmax(logits[one]), gold[one]
    if arrays is not None:
        drawn = list(samples(len(gold)))
        columns = [labels.index(name) for name in FLOORED]
        np.savez_compressed(
            arrays,
            scores=scores[:, columns],
            gold=gold[:, columns],
            drawn=np.array([draw for draw, _ in drawn]),
            single=single,
            single_gold=single_gold,
            orders=np.array([order for _, order in samples(len(single))]),
        )
        return
    beside = {} if mapie is None else json.loads(mapie.read_text())
    names = ("certified", "plain", *beside.get("methods", ()))
    print(*head_lines(["label", "floor", *(f"{name}: broken, flagged" for name in names)]), sep="\n")
    for at, label in enumerate(FLOORED):
        column = labels.index(label)
        for floor in FLOORS:
            found = {name: beside["floors"][name][f"{at},{floor:g}"] for name in names[2:]}
            found |= {name: [] for name in names[:2]}
            for draw, _ in samples(len(gold)):
                s, y = scores[draw, column], gold[draw, column]
                found["certified"].append(certified_threshold(s[y > 0], floor, CONFIDENCE))
                found["plain"].append(keep_recall(s, y, floor, HIGHEST))
            cells = [
                _broken_and_flagged(np.array(found[name]), scores[:, column], gold[:, column], floor)
                for name in names
            ]
            print(line([label, f"{floor:g}", *cells]))
    coverages, sizes = [], []
    for _, order in samples(len(single)):
        fit, told = np.array_split(order, 2)
        decisions = single == single.max(axis=1, keepdims=True)
        thresholds = fit_thresholds_of_sets(
            single, decisions, single_gold, _parts(fit, len(single)), COVERAGE, per_label=False
        )
        sets = Sets(LABELS, COVERAGE, thresholds)
        quality = evaluate_sets(sets.held_mask(single[told], decisions[told]), single_gold[told])
        coverages.append(quality.coverage)
        sizes.append(quality.mean_size)
    print(*head_lines(["sets of single labels", "coverage", "labels per set"]), sep="\n")
    print(line(["ours", f"{np.mean(coverages):.4f}", f"{np.mean(sizes):.3f}"]))
    for name, (coverage, size) in beside.get("sets", {}).items():
        print(line([name, f"{coverage:.4f}", f"{size:.3f}"]))
    held = []
    for _, order in samples(len(gold)):
        fit, told = np.array_split(order, 2)
        nothing = np.zeros_like(scores, dtype=np.bool_)
        thresholds = fit_thresholds_of_sets(
            scores, nothing, gold, _parts(fit, len(gold)), COVERAGE, per_label=True
        )
        sets = Sets(LABELS, COVERAGE, thresholds)
        quality = evaluate_sets(sets.held_mask(scores[told], nothing[told]), gold[told])
        held.append([quality.coverage, quality.mean_size, *(one or np.nan for one in quality.label_coverage)])
    means = np.nanmean(held, axis=0)
    print(
        f"several labels: coverage {means[0]:.4f}, {means[1]:.2f} labels per set, per label "
        f"{means[2:].min():.3f} to {means[2:].max():.3f}"
    )


def _parts(fit: NDArray[np.int64], rows: int) -> Parts:
    """Some rows as trials."""
    certifies = np.isin(np.arange(rows), fit)
    return Parts(~certifies, certifies, fit)


def _broken_and_flagged(thresholds: Doubles, scores: Doubles, gold: Doubles, floor: float) -> str:
    """How often the recall among all rows is below the floor, and the mean share of rows that are flagged."""
    positives, everything = np.sort(scores[gold > 0]), np.sort(scores)
    recalls = 1 - np.searchsorted(positives, thresholds) / len(positives)
    flagged = 1 - np.searchsorted(everything, thresholds) / len(everything)
    return f"{(recalls < floor).mean():.1%}, {flagged.mean():.2%}"


def workload(corpus: Path, teacher: Path, annomi: Path) -> None:
    """Print texts that a person reads against cases that are missed, certified and not, on the test split."""
    head = ["corpus, label", "floor", "certified", "fitted on", "handed over", "missed of cases", "95 % interval"]
    print(*head_lines(head), sep="\n")
    labels = tuple((corpus / "labels.txt").read_text().split())
    parts = {split: read_goemotions(corpus / f"{split}.tsv", len(labels))[1] for split in ("dev", "test")}
    logits = {split: np.load(teacher / f"{split}_logits.npy").astype(np.float64) for split in parts}
    for label in FLOORED:
        at = labels.index(label)
        fit, told = ((sigmoid(logits[split])[:, at], parts[split][:, at]) for split in ("dev", "test"))
        _print_workload(f"GoEmotions, {label}", fit, told, None)
    from tests.benchmarks.trust_annomi import change_talk

    fit, groups, told = change_talk(annomi / "AnnoMI-full.csv")
    _print_workload("AnnoMI, change", fit, told, groups)


def _print_workload(
    name: str, fit: tuple[Doubles, Doubles], told: tuple[Doubles, Doubles], groups: NDArray[np.int64] | None
) -> None:
    positive = np.flatnonzero(fit[1] > 0)
    trials = positive
    if groups is not None:
        shuffled = np.random.default_rng(0).permutation(positive)
        trials = shuffled[np.unique(groups[shuffled], return_index=True)[1]]
    for floor in FLOORS:
        for certified in (True, False):
            rows = trials if certified else positive
            if certified and misses_allowed(len(rows), floor, CONFIDENCE) is None:
                needed = trials_needed(floor, CONFIDENCE)
                print(line([name, f"{floor:g}", f"no: needs {needed}, has {len(rows)}", "-", "-", "-", "-"]))
                continue
            threshold = (
                certified_threshold(fit[0][rows], floor, CONFIDENCE)
                if certified
                else keep_recall(*fit, floor, HIGHEST)
            )
            handed = float((told[0] >= threshold).mean())
            cases = told[1] > 0
            missed = int((told[0][cases] < threshold).sum())
            low, high = interval(missed, int(cases.sum()), 0.95)
            shown = f"{len(rows)} {'groups' if certified and groups is not None else 'rows'}"
            print(
                line(
                    [
                        name,
                        f"{floor:g}",
                        "yes" if certified else "no",
                        shown,
                        f"{handed:.1%}",
                        f"{missed} of {int(cases.sum())}",
                        f"{low:.1%} to {high:.1%}",
                    ]
                )
            )


def main() -> None:
    """Measure what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("draws", "chosen", "halves", "workload", "unreadable", "words"))
    parser.add_argument("paths", type=Path, nargs="*")
    parser.add_argument("--arrays", type=Path)
    parser.add_argument("--mapie", type=Path)
    options = parser.parse_args()
    if options.what == "draws":
        draws()
    elif options.what == "chosen":
        chosen()
    elif options.what == "halves":
        halves(*options.paths, options.arrays, options.mapie)
    elif options.what == "workload":
        workload(*options.paths)
    elif options.what == "unreadable":
        measure_unreadable(*options.paths)
    else:
        measure_words(*options.paths)


if __name__ == "__main__":
    main()
