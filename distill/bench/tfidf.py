"""TF-IDF with logistic regression: the baseline that every bench measures beside the models."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_matrix
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier

from distill.corpora.corpus import Corpus, label_matrix
from distill.evaluation.decision import Logits
from distill.evaluation.evaluators import evaluator_of

BASELINE_FEATURES = 100_000


@dataclass(frozen=True)
class TfidfModel:
    """TF-IDF of words and pairs with logistic regression: raw logits ``(N, C)`` of texts, and what it weighs."""

    logits: Callable[[list[str]], Logits]
    parameters: int
    sizes: dict[str, int]  # bytes: weights, tokenizer, total


def fit_tfidf(corpus: Corpus, seed: int) -> TfidfModel:
    """Fit it on the train rows."""
    task = corpus.task
    vectorizer = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, max_features=BASELINE_FEATURES)
    regression = LogisticRegression(C=5.0, solver="liblinear", random_state=seed)
    features = vectorizer.fit_transform(corpus.train.texts)
    gold = evaluator_of(task).head_gold(label_matrix(corpus.train, task))  # (N, K)
    model = OneVsRestClassifier(regression).fit(features, gold)

    def logits(texts: list[str]) -> Logits:
        rows: csr_matrix = vectorizer.transform(texts)
        return np.asarray(model.decision_function(rows), dtype=np.float32).reshape(len(texts), task.num_outputs)

    weights = sum(int(estimator.coef_.size) for estimator in model.estimators_ if hasattr(estimator, "coef_"))
    terms = sum(len(term.encode()) for term in vectorizer.vocabulary_)
    return TfidfModel(logits, weights, {"weights": 8 * weights, "tokenizer": terms, "total": 8 * weights + terms})
