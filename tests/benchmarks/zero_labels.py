"""Students that learnt from no label against people's labels of test rows, beside TF-IDF on a few labelled rows.

    python -m tests.benchmarks.zero_labels RUN EMOTIONS

RUN is a run whose corpus was EMOTIONS (made by `one_emotion`) with `labels = false`; EMOTIONS-labelled.tsv has 96
rows of dev with their labels. Nothing is trained but TF-IDF with logistic regression.
"""

import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score

from distill.corpora.storage.parquet import load_corpus

DRAWS = 1000


def table(path: Path) -> dict[str, str]:
    """Return the label of each text of a table that `one_emotion` wrote."""
    lines = path.read_text(encoding="utf-8").splitlines()[1:]
    return dict(line.rsplit("\t", 1) for line in lines)


def interval(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> tuple[float, float]:
    """Return the 95 % interval of a difference of accuracies, by a paired bootstrap over rows."""
    draw = np.random.default_rng(0)
    rows = draw.integers(len(one), size=(DRAWS, len(one)))
    low, high = np.quantile(one[rows].mean(axis=1) - other[rows].mean(axis=1), (0.025, 0.975))
    return float(low), float(high)


def main() -> None:
    """Print accuracy and macro-F1 of each model, and the differences that matter."""
    run, emotions = Path(sys.argv[1]), Path(sys.argv[2])
    corpus = load_corpus(run / "corpus")
    gold_of, few = table(emotions / "test.tsv"), table(emotions.with_name(f"{emotions.name}-labelled.tsv"))
    texts = [str(text) for text in corpus.test.texts]
    known = [row for row, text in enumerate(texts) if text in gold_of]
    labels = list(corpus.task.labels)
    gold = np.array([labels.index(gold_of[texts[row]]) for row in known])
    vectorizer = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
    features = vectorizer.fit_transform(few)
    tfidf = LogisticRegression(C=5.0, max_iter=1000).fit(features, [labels.index(label) for label in few.values()])
    chosen: Mapping[str, NDArray[np.int64]] = {
        "language model": _logits(run / "teacher")[known].argmax(axis=1),
        "student of soft labels": _logits(run / "student")[known].argmax(axis=1),
        "student of hard labels (twin)": _logits(run / "twin")[known].argmax(axis=1),
        f"TF-IDF on {len(few)} labelled rows": tfidf.predict(vectorizer.transform([texts[row] for row in known])),
    }
    print(f"{len(known)} of {len(texts)} test rows have a label of theirs; {len(corpus.train)} train rows")
    for name, labels_of in chosen.items():
        accuracy = float((labels_of == gold).mean())
        print(f"{name}: accuracy {accuracy:.3f}, macro-F1 {f1_score(gold, labels_of, average='macro'):.3f}")
    right = {name: labels_of == gold for name, labels_of in chosen.items()}
    soft, hard, few_rows = (name for name in right if name != "language model")
    for one, other in ((soft, few_rows), (soft, hard), (soft, "language model")):
        low, high = interval(right[one], right[other])
        difference = float(right[one].mean() - right[other].mean())
        print(f"{one} - {other}: {difference:+.3f} accuracy, 95 % from {low:+.3f} to {high:+.3f}")


def _logits(folder: Path) -> NDArray[np.float32]:
    return np.asarray(load_file(folder / "logits.safetensors")["test"])


if __name__ == "__main__":
    main()
