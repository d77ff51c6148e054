"""TF-IDF of words and pairs with logistic regression: the run's own baseline, trained again."""

from distill.timing.tfidf import fit_tfidf
from tests.benchmarks.peer import Made, Peer


def tfidf_peers(made: Made) -> list[Peer]:
    """On the same train rows; the bytes are of float64 weights and the terms."""
    model = fit_tfidf(made.corpus, made.shipped.recipe.seed)
    return [Peer("TF-IDF + logistic regression", "scikit-learn", model.sizes["total"], model.logits)]
