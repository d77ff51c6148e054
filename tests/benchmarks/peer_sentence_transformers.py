"""A frozen sentence-transformers encoder with a linear head: MiniLM's mean-pooled vectors, logistic regression."""

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier

from distill.corpora.corpus import label_matrix
from distill.teachers.sources import MINILM, resolve_model
from tests.benchmarks.peer import Made, Peer, size_of

BATCH = 32


def sentence_transformers_peers(made: Made) -> list[Peer]:
    """The head is fitted on the same train rows; the encoder stays as it was published."""
    from sentence_transformers import SentenceTransformer

    folder = resolve_model(MINILM).folder
    encoder = SentenceTransformer(str(folder), device="cpu")
    encoder.max_seq_length = made.shipped.recipe.corpus.max_tokens

    def vectors(texts: list[str]) -> np.ndarray:
        return np.asarray(encoder.encode(texts, batch_size=BATCH, show_progress_bar=False))  # (N, D)

    regression = LogisticRegression(C=10.0, max_iter=1000, random_state=made.shipped.recipe.seed)
    gold = label_matrix(made.corpus.train, made.corpus.task)
    head = OneVsRestClassifier(regression).fit(vectors(made.texts("train")), gold)
    shape = (-1, made.corpus.task.num_labels)
    weights = sum(one.coef_.size + 1 for one in head.estimators_ if hasattr(one, "coef_"))
    size = size_of(folder / "model.safetensors", folder / "tokenizer.json") + 4 * weights
    return [
        Peer(
            "MiniLM encoder + linear head",
            "sentence-transformers",
            size,
            lambda texts: np.asarray(head.decision_function(vectors(texts)), dtype=np.float32).reshape(shape),
        )
    ]
