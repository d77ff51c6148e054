"""The watch and the explanations of a bundle, measured on GoEmotions and CounselChat.

    python -m tests.benchmarks.trust_watch stable BUNDLE CORPORA/goemotions
    python -m tests.benchmarks.trust_watch shifts BUNDLE CORPORA/goemotions CORPORA/counsel_chat/counsel_chat.csv
    python -m tests.benchmarks.trust_watch domain BUNDLE CORPORA
    python -m tests.benchmarks.trust_watch words CORPORA/clue_emotion
    python -m tests.benchmarks.trust_watch year
    python -m tests.benchmarks.trust_watch cost BUNDLE CORPORA/goemotions
    python -m tests.benchmarks.trust_watch explain BUNDLE CORPORA/goemotions [--beside FP32_BUNDLE]

`stable`: a random half of validation is the reference, and windows are drawn from the other half. A fixed bound on
PSI is taken over 10 equal bins of one label's scores, the mildest form of it: one of all labels alarms more often.
"""

import argparse
import json
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from distill.bundles.drift import ALPHA, compared
from distill.evaluation import drift
from distill.evaluation.drift import log_evidence
from distill.export.runtime import Classifier, load
from distill.export.runtime.deciding.domain import energy_of
from distill.export.runtime.deciding.listed_words import WordFinder
from distill.export.runtime.deciding.scores import Floats
from distill.export.runtime.deciding.task import Noticed, Prediction
from distill.export.runtime.reading.inputs import Encoded
from distill.export.runtime.watching.counts import Counts, counts_of
from distill.export.runtime.watching.monitor import HELD, Monitor
from distill.variants.word_forms import LANGUAGES, crisis_words
from tests.benchmarks.markdown import head_lines, line
from tests.benchmarks.trust_texts import read_goemotions

ROUNDS, WINDOWS = 300, (50, 200, 1000)
SHIFTED = ("sadness", "fear", "gratitude")


class Decided:
    """What a bundle decides on texts, kept so that counts of any of them take no time."""

    def __init__(self, classifier: Classifier, texts: Sequence[str]) -> None:
        self.classifier = classifier
        self._scores: list[Floats] = []
        self._seen: list[tuple[int, float, tuple[str, ...]]] = []
        classifier.watched_by(self._see).predict(texts)
        self.scores = np.concatenate(self._scores)  # (N, C)
        self.decided = classifier.task.decide(self.scores, classifier.manifest.policy)

    def _see(
        self, scores: Floats, encoded: Sequence[Encoded], noticed: Sequence[Noticed], found: Sequence[Prediction]
    ) -> None:
        self._scores.append(scores)
        self._seen += [
            (len(row.ids), known.meaningless, one.handed_over)
            for row, known, one in zip(encoded, noticed, found, strict=True)
        ]

    def counts(self, rows: NDArray[np.int64]) -> Counts:
        lengths, shares, reasons = zip(*(self._seen[row] for row in rows), strict=True)
        return counts_of(self.scores[rows], self.decided[rows], lengths, shares, reasons)


def psi(window: NDArray[np.float64], reference: NDArray[np.float64]) -> float:
    """The population stability index over ten bins that hold a tenth of the reference each."""
    edges = np.quantile(reference, np.linspace(0.1, 0.9, 9))
    shares = [
        np.maximum(np.bincount(np.searchsorted(edges, values), minlength=10) / len(values), 1e-4)
        for values in (window, reference)
    ]
    return float(((shares[0] - shares[1]) * np.log(shares[0] / shares[1])).sum())


def stable(bundle: Path, corpus: Path) -> None:
    drift.compare_histograms.__defaults__ = (1999,)  # as exact as 9,999 draws, and a fifth of the time
    texts, _ = read_goemotions(corpus / "dev.tsv", len(load(bundle).labels))
    seen, rng = Decided(load(bundle), texts), np.random.default_rng(0)
    label = seen.classifier.labels.index("sadness")
    print(
        *head_lines(["texts in a window", "false alarms of all comparisons", "PSI of sadness above 0.1"]), sep="\n"
    )
    for size in WINDOWS:
        alarms = np.zeros(2)
        for _ in range(ROUNDS):
            rows = rng.permutation(len(texts))
            reference, window = rows[: len(rows) // 2], rows[len(rows) // 2 :][:size]
            found = compared(seen.counts(window), seen.counts(reference), seen.classifier.labels, ALPHA)
            alarms += [
                any(one.moved for one in found),
                psi(seen.scores[window, label], seen.scores[reference, label]) > 0.1,
            ]
        print(line([str(size), *(f"{share:.1%}" for share in alarms / ROUNDS)]), flush=True)


def shifts(bundle: Path, corpus: Path, counsel: Path) -> None:
    drift.compare_histograms.__defaults__ = (1999,)
    classifier, rng = load(bundle), np.random.default_rng(0)
    watch = classifier.manifest.objects.watch
    texts, gold = read_goemotions(corpus / "test.tsv", len(classifier.labels))
    seen = Decided(classifier, texts)
    other = pd.read_csv(counsel)["questionText"].dropna().drop_duplicates().tolist()
    foreign = Decided(classifier, other)
    if watch is None:
        raise SystemExit("the bundle has no watch")
    print(*head_lines(["window", "texts", "found"]), sep="\n")

    def found_in(counts: Counts) -> list[str]:
        found = compared(counts, watch.counts, classifier.labels, ALPHA)
        return [f"{one.what} {one.label}" for one in found if one.moved]

    hits = [found_in(foreign.counts(rng.permutation(len(other))[:200])) for _ in range(50)]
    print(line(["CounselChat", "200", f"{sum(map(bool, hits))} of 50"]), flush=True)
    hits = [found_in(seen.counts(rng.permutation(len(texts))[:2000])) for _ in range(50)]
    print(line(["GoEmotions test", "2000", f"{sum(map(bool, hits))} of 50"]), flush=True)
    for name in SHIFTED:
        at = classifier.labels.index(name)
        with_label = np.flatnonzero(gold[:, at])
        hits = []
        for _ in range(50):
            rows = np.concatenate([rng.permutation(len(texts))[:1800], rng.choice(with_label, 200)])
            moved = found_in(seen.counts(rows))
            hits.append([one for one in moved if one.endswith(f" {name}")])
        print(line([f"10 % more {name}", "2000", f"{sum(map(bool, hits))} of 50"]), flush=True)


OFFICE = (
    "Preheat the oven to 180 degrees and butter a small tin.",
    "The invoice number is on page two of the contract.",
    "Terms and conditions apply to all orders above fifty dollars.",
    "The committee approved the minutes of the previous meeting.",
    "SELECT id, name FROM users WHERE created_at > now()",
)


def domain(bundle: Path, corpora: Path) -> None:
    classifier = load(bundle)
    texts = {
        split: read_goemotions(corpora / f"goemotions/{split}.tsv", len(classifier.labels))[0]
        for split in ("dev", "test")
    }
    counsel = pd.read_csv(corpora / "counsel_chat/counsel_chat.csv")["questionText"].dropna()
    motivational = pd.read_csv(corpora / "annomi/AnnoMI-full.csv")["utterance_text"].dropna()
    posts = pd.read_csv(corpora / "cssrs500/500_Reddit_users_posts_labels.csv").iloc[:, 1].dropna()
    others = {
        "GoEmotions test": texts["test"],
        "CounselChat questions": counsel.drop_duplicates().tolist(),
        "AnnoMI utterances": motivational.tolist()[:3000],
        "C-SSRS posts": posts.tolist(),
        "office sentences and code": list(OFFICE),
    }
    of_dev = energy_of(classifier.logits(texts["dev"]), classifier.task)
    below = np.quantile(of_dev, 0.01)
    print(*head_lines(["texts", "energy below that of 99 % of validation", "AUROC"]), sep="\n")
    for name, rows in others.items():
        energies = energy_of(classifier.logits(rows), classifier.task)
        higher = (of_dev[:, None] > energies).mean() + (of_dev[:, None] == energies).mean() / 2
        print(line([name, f"{(energies < below).mean():.1%}", f"{higher:.2f}"]))


def words(corpus: Path) -> None:
    rows = [
        json.loads(row)
        for part in ("train", "test")
        for row in (corpus / f"{part}.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    for language in LANGUAGES:
        finder = WordFinder(crisis_words(language))
        flagged = sum(finder.found_in(row["content"]) for row in rows)
        print(f"{language}: {flagged} of {len(rows)}, {flagged / len(rows):.2%}")


def year() -> None:
    rng = np.random.default_rng(0)
    years = [max(log_evidence(rng.uniform(size=365).tolist(), 365)) for _ in range(2000)]
    print(f"stable years with an alarm at 0.05: {np.mean(np.array(years) >= np.log(1 / 0.05)):.2%} of 2,000")


def cost(bundle: Path, corpus: Path) -> None:
    """The least of many rounds of each part by itself, in the thread's own time: the machine may be busy."""
    classifier = load(bundle)
    texts, _ = read_goemotions(corpus / "test.tsv", len(classifier.labels))
    block = texts[:HELD]
    for size in (1, 256):
        calls: list[tuple[object, ...]] = []
        recording = classifier.watched_by(lambda *seen, calls=calls: calls.append(seen))  # type: ignore[misc]
        for start in range(0, len(block), size):
            recording.predict(block[start : start + size])
        monitor, counting, predicting = Monitor(classifier), np.inf, 0.0
        for _ in range(30):  # one count of all that waits is in each
            started = time.thread_time()
            for seen in calls:
                monitor._see(*seen)  # type: ignore[arg-type]
            counting = min(counting, time.thread_time() - started)
        for start in range(0, len(block), size):
            least = np.inf
            for _ in range(9):
                started = time.thread_time()
                classifier.predict(block[start : start + size])
                least = min(least, time.thread_time() - started)
            predicting += least
        microseconds = 1e6 / len(block)
        print(
            f"{size} texts at once: {counting * microseconds:.2f} microseconds per text beside "
            f"{predicting * microseconds:.1f}, {counting / predicting:.1%}"
        )


def explain(bundle: Path, corpus: Path, beside: Path | None) -> None:
    classifier = load(bundle)
    texts, _ = read_goemotions(corpus / "test.tsv", len(classifier.labels))
    of_twenty = [text for text in texts if len(text.split()) == 20][:100]
    ratios = []
    for text in of_twenty:  # the least of seven, because the machine may be busy
        seconds = {"predict": np.inf, "explain": np.inf}
        for _ in range(7):
            for name, call in (("predict", classifier), ("explain", classifier.explain)):
                started = time.perf_counter()
                call(text)
                seconds[name] = min(seconds[name], time.perf_counter() - started)
        ratios.append(seconds["explain"] / seconds["predict"])
    print(f"20 words explained in {np.median(ratios):.1f} predictions' time (median of {len(ratios)} texts)")
    if beside is None:
        return
    other, shares = load(beside), []
    for text in [text for text in texts if len(text.split()) >= 6][:500]:
        label = classifier.explain(text, masked=False).label
        tops = []
        for each in (classifier, other):
            words = each.explain(text, label, masked=False).words
            tops.append(set(sorted(range(len(words)), key=lambda at: -words[at].change)[:3]))
        shares.append(len(tops[0] & tops[1]) / 3)
    print(
        f"of the three words that speak most, shared with {beside.name}: {np.mean(shares):.3f}; "
        f"all three in {np.mean(np.array(shares) == 1):.3f} of {len(shares)} texts"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, arguments in (
        ("stable", ("bundle", "corpus")),
        ("shifts", ("bundle", "corpus", "counsel")),
        ("domain", ("bundle", "corpora")),
        ("words", ("corpus",)),
        ("year", ()),
        ("cost", ("bundle", "corpus")),
        ("explain", ("bundle", "corpus")),
    ):
        command = commands.add_parser(name)
        for argument in arguments:
            command.add_argument(argument, type=Path)
        if name == "explain":
            command.add_argument("--beside", type=Path)
    given = vars(parser.parse_args())
    functions = {
        "stable": stable,
        "shifts": shifts,
        "domain": domain,
        "words": words,
        "year": year,
        "cost": cost,
        "explain": explain,
    }
    functions[given.pop("command")](**given)


if __name__ == "__main__":
    main()
