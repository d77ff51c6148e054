"""A model2vec classifier (MinishLab/model2vec), trained on the gold labels; it has no soft labels.

Static token vectors out of the same base model, and a small network on their mean.
"""

from distill.teachers.sources import MINILM, resolve_model
from tests.benchmarks.peer import Made, Peer, label_names, logits_of_scores

DIMENSIONS = 256


def model2vec_peers(made: Made) -> list[Peer]:
    """Distilled, trained with early stopping on the validation rows, and made its inference pipeline."""
    from model2vec.distill import distill
    from model2vec.train import StaticModelForClassification

    corpus, kind = made.corpus, made.corpus.task.kind
    base = distill(model_name=str(resolve_model(MINILM).folder), pca_dims=DIMENSIONS)
    model = StaticModelForClassification.from_static_model(model=base)
    model.fit(
        made.texts("train"),
        label_names(corpus.train, corpus.task),
        X_val=made.texts("validation"),
        y_val=label_names(corpus.validation, corpus.task),
        random_seed=made.shipped.recipe.seed,
    )
    classes = list(model.classes)
    order = [classes.index(name) for name in corpus.task.labels]
    pipeline = model.to_pipeline()
    saved = made.folder / "model2vec"
    pipeline.save_pretrained(str(saved))
    size = sum(path.stat().st_size for path in saved.rglob("*") if path.is_file())
    return [
        Peer(
            f"model2vec, {DIMENSIONS} dimensions",
            "numpy",
            size,
            lambda texts: logits_of_scores(pipeline.predict_proba(texts)[:, order], kind),
        )
    ]
