"""Explanations measured: agreement of two bundles on the words that speak most, and comprehensiveness (AOPC).

    python -m tests.benchmarks.trust_explain RUN CORPORA/goemotions [--texts 2000]
    CAPTUM_ENV/bin/python -m tests.benchmarks.trust_captum RUN CORPORA/goemotions [--texts 300]

RUN is the folder of a run of `goemotions-static`; its bundle is set beside the fp32 graph of the same student.
"""

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from distill.evaluation.binomial import interval
from distill.export.runtime import Classifier, load
from distill.timing.models import ExportedVariant, as_bundled
from tests.benchmarks.trust_texts import read_goemotions

Doubles = NDArray[np.float64]

TOP = 3

# words whose changes are nearer than this are tied: scores are shown with three digits
TIED = 0.001

LEAST_WORDS = 6

# shares of words that are left out (DeYoung et al. 2020, "ERASER", arXiv:1911.03429)
SHARES = (0.05, 0.1, 0.2, 0.5)


def top_words(changes: Sequence[float], count: int = TOP) -> list[int]:
    """Return the words that speak most for the label, the strongest first."""
    return sorted(range(len(changes)), key=lambda at: -changes[at])[:count]


def agree(first: Sequence[float], second: Sequence[float], tied: float = 0.0, count: int = TOP) -> bool:
    """Whether two explanations have the same top words, in any order, ties of either aside.

    A word that only one of them has on top counts as shared if that explanation's own last top word is at most
    `tied` above the other's candidate for its place.
    """
    mine, others = set(top_words(first, count)), set(top_words(second, count))
    if mine == others:
        return True
    for changes, own, other in ((first, mine, others), (second, others, mine)):
        lowest = min(changes[at] for at in own)
        if all(lowest - changes[at] <= tied for at in other - own):
            return True
    return False


def aopc(score: Callable[[frozenset[int]], float], ranking: Sequence[int]) -> float:
    """Return the mean drop of a score when the first shares of a ranking of all words are left out."""
    whole = score(frozenset())
    drops = []
    for share in SHARES:
        gone = frozenset(ranking[: max(1, int(np.ceil(share * len(ranking))))])
        drops.append(whole - score(gone))
    return float(np.mean(drops))


def fp32_of(run: Path, bundle: Classifier) -> Classifier:
    """Open the fp32 graph of the student that ships in the place of the bundle's own."""
    from distill.artifacts.quality import read_quality
    from distill.artifacts.variant import MODEL_FILE

    seed = run / "seeds" / str(bundle.manifest.provenance["seed"])
    place = (seed if seed.is_dir() else run) / "export/fp32"
    return as_bundled(run / "bundle", ExportedVariant(place / MODEL_FILE, read_quality(place).decision))


def long_texts(corpus: Path, labels: int, most: int) -> list[str]:
    texts, _ = read_goemotions(corpus / "test.tsv", labels)
    return [text for text in texts if len(text.split()) >= LEAST_WORDS][:most]


def agreement(run: Path, corpus: Path, most: int) -> None:
    bundle = load(run / "bundle")
    other = fp32_of(run, bundle)
    texts = long_texts(corpus, len(bundle.labels), most)
    exact, tied, shared, apart = 0, 0, 0.0, []
    for text in texts:
        label = bundle.explain(text, masked=False).label
        first, second = (
            [word.change for word in each.explain(text, label, masked=False).words] for each in (bundle, other)
        )
        if len(first) <= TOP:
            continue
        same = agree(first, second)
        exact, tied = exact + same, tied + agree(first, second, TIED)
        shared += len(set(top_words(first)) & set(top_words(second))) / TOP
        order = sorted(second, reverse=True)
        apart.append((same, order[TOP - 1] - order[TOP]))
    rows = len(apart)
    for name, count in (("the same three words", exact), (f"the same, ties of {TIED} aside", tied)):
        low, high = interval(count, rows, 0.95)
        print(f"{name}: {count / rows:.3f} of {rows} texts, {low:.3f} to {high:.3f}")
    print(f"of the three words, shared: {shared / rows:.3f}")
    for kind in (True, False):
        gaps = [gap for same, gap in apart if same == kind]
        median = np.median(gaps)
        print(f"{'same' if kind else 'other'}: {len(gaps)} texts, median of third minus fourth word {median:.5f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--texts", type=int, default=2000)
    given = parser.parse_args()
    agreement(given.run, given.corpus, given.texts)


if __name__ == "__main__":
    main()
