"""What emoji pieces of a student's own would bring on GoEmotions texts with emoji; no student is trained for it.

    python -m tests.benchmarks.trust_emoji BUNDLE CORPORA/goemotions

Three readings of the same texts by one bundle, with its own thresholds:

- as they are: MiniLM's vocabulary knows no emoji, so each is [UNK];
- described: each emoji in the words of its Unicode name, which is where a piece of its own would start;
- learned: each emoji adds a number per label to the bundle's logits, fitted on train (logistic regression with the
  logits as offsets, ridge chosen on validation): all that a piece's own vector can add if nothing else changes.
"""

import argparse
import unicodedata
from collections import Counter
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from distill.evaluation.bootstrap import row_weights
from distill.evaluation.metrics import macro_f1, weighted_macro_f1
from distill.export.runtime import Classifier, load
from distill.export.runtime.deciding.scores import sigmoid
from tests.benchmarks.trust_texts import read_goemotions

Doubles = NDArray[np.float64]

# emoji and pictographs, dingbats and miscellaneous symbols; no skin tones, joiners or variation selectors
RANGES = ((0x1F300, 0x1F3FA), (0x1F400, 0x1FAFF), (0x2600, 0x27BF))

LEAST_TEXTS = 3

RIDGES = (0.3, 1.0, 3.0, 10.0, 30.0, 100.0)


def emoji_in(text: str) -> list[str]:
    """Return the emoji of a text, each time they are in it."""
    return [sign for sign in text if any(low <= ord(sign) <= high for low, high in RANGES)]


def described(text: str) -> str:
    """Return a text with each emoji in the words of its name."""
    return "".join(f" {unicodedata.name(sign, '').lower()} " if emoji_in(sign) else sign for sign in text)


def learned(counts: Doubles, logits: Doubles, gold: Doubles, ridge: float) -> Doubles:
    """Return what each emoji adds to each label's logit: ``(N, E), (N, C), (N, C) -> (E, C)``."""
    found = np.zeros((counts.shape[1], gold.shape[1]))
    for label in range(gold.shape[1]):
        sign = 2 * gold[:, label] - 1

        def cost(weights: Doubles, label: int = label, sign: Doubles = sign) -> tuple[float, Doubles]:
            margin = sign * (logits[:, label] + counts @ weights)
            value = np.logaddexp(0, -margin).sum() + ridge * (weights**2).sum() / 2
            return float(value), -counts.T @ (sign * sigmoid(-margin)) + ridge * weights

        found[:, label] = minimize(cost, found[:, label], jac=True, method="L-BFGS-B").x
    return found


def decide(bundle: Classifier, logits: Doubles) -> NDArray[np.bool_]:
    return bundle.task.decide(bundle.task.scores(logits), bundle.manifest.policy)


def with_emoji(path: Path, labels: int) -> tuple[list[str], Doubles]:
    texts, gold = read_goemotions(path, labels)
    chosen = [at for at, text in enumerate(texts) if emoji_in(text)]
    return [texts[at] for at in chosen], np.asarray(gold, dtype=np.float64)[chosen]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("corpus", type=Path)
    given = parser.parse_args()
    bundle = load(given.bundle)
    count = len(bundle.labels)
    parts = {name: with_emoji(given.corpus / f"{name}.tsv", count) for name in ("train", "dev", "test")}
    known = Counter(sign for text in parts["train"][0] for sign in set(emoji_in(text)))
    kept = {sign: at for at, sign in enumerate(sign for sign, texts in known.items() if texts >= LEAST_TEXTS)}
    print({name: f"{len(texts)} texts with emoji" for name, (texts, _) in parts.items()})
    print(f"{len(kept)} emoji are in {LEAST_TEXTS} texts of train or more")

    def features(texts: list[str]) -> Doubles:
        found = np.zeros((len(texts), len(kept)))
        for row, text in enumerate(texts):
            for sign in emoji_in(text):
                if sign in kept:
                    found[row, kept[sign]] += 1
        return np.minimum(found, 1)

    logits = {name: bundle.logits(texts).astype(np.float64) for name, (texts, _) in parts.items()}
    counts, train_gold = features(parts["train"][0]), parts["train"][1]
    fitted = {ridge: learned(counts, logits["train"], train_gold, ridge) for ridge in RIDGES}
    dev_texts, dev_gold = parts["dev"]
    scored = {
        ridge: macro_f1(decide(bundle, logits["dev"] + features(dev_texts) @ added), dev_gold)
        for ridge, added in fitted.items()
    }
    ridge = max(scored, key=scored.__getitem__)
    texts, gold = parts["test"]
    decisions = {
        "as they are": decide(bundle, logits["test"]),
        "described": decide(bundle, bundle.logits([described(text) for text in texts]).astype(np.float64)),
        f"learned (ridge {ridge:g})": decide(bundle, logits["test"] + features(texts) @ fitted[ridge]),
    }
    weights = row_weights(len(texts), seed=0)
    base = weighted_macro_f1(decisions["as they are"], gold, weights)
    for name, decided in decisions.items():
        more = weighted_macro_f1(decided, gold, weights) - base
        low, high = np.quantile(more, [0.025, 0.975])
        value = macro_f1(decided, gold)
        gain = value - macro_f1(decisions["as they are"], gold)
        print(f"{name}: macro-F1 {value:.3f}, {gain:+.3f} ({low:+.3f} to {high:+.3f})")


if __name__ == "__main__":
    main()
