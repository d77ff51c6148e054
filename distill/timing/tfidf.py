"""TF-IDF with logistic regression: the baseline that every bench measures beside the models.

Words and pairs of words are its terms. scikit-learn's words are what blanks and marks separate, so where a script
has no blanks a sentence would be one word: there characters, their pairs and triples are tried as well, and
validation chooses.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import islice

import numpy as np
from scipy.sparse import csr_matrix
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier

from distill.corpora.corpus import Corpus, label_matrix
from distill.evaluation.decision import Logits
from distill.evaluation.evaluators import evaluator_of
from distill.export.runtime.reading.inputs import Row, segments_of

BASELINE_FEATURES = 100_000

# scikit-learn's analyzer of each kind of terms, and how many in a row are one term at most
TERMS = {"words": ("word", 2), "characters": ("char", 3)}

# Thai, Lao, Tibetan, Myanmar, Khmer, Tai scripts, Kana, Han
NO_BLANKS = re.compile(
    "[\u0e00-\u0eff\u0f00-\u0fff\u1000-\u109f\u1780-\u17ff\u1950-\u19df\u1a20-\u1aaf\u3040-\u30ff"
    "\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]"
)

# texts that are looked at, and the share of such letters from which characters are tried
LOOKED_AT = 2000
LEAST_SHARE = 0.1


@dataclass(frozen=True)
class TfidfModel:
    """TF-IDF with logistic regression: raw logits ``(N, C)`` of texts, its terms, and what it weighs."""

    logits: Callable[[list[Row]], Logits]
    terms: str
    parameters: int
    sizes: dict[str, int]  # bytes: weights, tokenizer, total


def lacks_blanks(texts: Iterable[str]) -> bool:
    """Return whether at least a tenth of the letters of the first texts are of scripts without blanks."""
    letters = without_blanks = 0
    for text in islice(texts, LOOKED_AT):
        letters += sum(map(str.isalpha, text))
        without_blanks += len(NO_BLANKS.findall(text))
    return without_blanks > 0 and without_blanks >= LEAST_SHARE * letters


def fit_tfidf(corpus: Corpus, seed: int) -> TfidfModel:
    """Fit it on the train rows; of several kinds of terms the one with the best headline on validation is kept."""
    wanted = list(TERMS) if lacks_blanks(map(_joined, corpus.train.texts)) else ["words"]
    models = [_fit(corpus, terms, seed) for terms in wanted]
    if len(models) == 1:
        return models[0]
    evaluator, texts = evaluator_of(corpus.task), list(corpus.validation.texts)
    gold = label_matrix(corpus.validation, corpus.task)
    return max(models, key=lambda model: evaluator.quick_score(model.logits(texts), gold))


def _fit(corpus: Corpus, terms: str, seed: int) -> TfidfModel:
    task = corpus.task
    analyzer, longest = TERMS[terms]
    vectorizer = TfidfVectorizer(
        analyzer=analyzer, ngram_range=(1, longest), sublinear_tf=True, max_features=BASELINE_FEATURES
    )
    regression = LogisticRegression(C=5.0, solver="liblinear", random_state=seed)
    features = vectorizer.fit_transform(map(_joined, corpus.train.texts))
    gold = evaluator_of(task).head_gold(label_matrix(corpus.train, task))  # (N, K)
    model = OneVsRestClassifier(regression).fit(features, gold)

    def logits(texts: list[Row]) -> Logits:
        rows: csr_matrix = vectorizer.transform(map(_joined, texts))
        return np.asarray(model.decision_function(rows), dtype=np.float32).reshape(len(texts), task.num_outputs)

    weights = sum(int(estimator.coef_.size) for estimator in model.estimators_ if hasattr(estimator, "coef_"))
    names = sum(len(term.encode()) for term in vectorizer.vocabulary_)
    sizes = {"weights": 8 * weights, "tokenizer": names, "total": 8 * weights + names}
    return TfidfModel(logits, terms, weights, sizes)


def _joined(row: Row) -> str:
    """Return a row as one text: the segments of a pair are one bag of words."""
    return "\n".join(segments_of(row))
