"""Change talk of AnnoMI's clients by TF-IDF: scores to fit floors on, and to test them on, by conversation."""

import csv
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

Doubles = NDArray[np.float64]


def change_talk(path: Path) -> tuple[tuple[Doubles, Doubles], NDArray[np.int64], tuple[Doubles, Doubles]]:
    """Scores and gold of the rows that fit, their conversations, and scores and gold of test.

    Half of the conversations train, a quarter fits, a quarter tests; a row with several annotators counts once.
    """
    with path.open(encoding="utf-8", newline="") as file:
        rows = {
            (row["transcript_id"], row["utterance_id"]): (
                row["utterance_text"],
                row["client_talk_type"] == "change",
            )
            for row in csv.DictReader(file)
            if row["interlocutor"] == "client"
        }
    conversation = np.array([int(key[0]) for key in rows])
    texts = [text for text, _ in rows.values()]
    gold = np.array([float(change) for _, change in rows.values()])
    part = np.random.default_rng(0).permutation(conversation.max() + 1)[conversation] % 4
    features = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
    matrix = features.fit_transform([text for text, at in zip(texts, part, strict=True) if at < 2])
    model = LogisticRegression(C=4.0, class_weight="balanced", max_iter=1000).fit(matrix, gold[part < 2])
    scores = model.predict_proba(features.transform(texts))[:, 1]
    fits, tests = part == 2, part == 3
    return (scores[fits], gold[fits]), conversation[fits], (scores[tests], gold[tests])
