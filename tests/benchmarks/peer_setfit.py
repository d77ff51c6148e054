"""SetFit (Tunstall et al., arXiv 2209.11055): MiniLM tuned on pairs of a few rows per label, and a linear head."""

import numpy as np

from distill.corpora.corpus import label_matrix
from distill.corpora.targets import CODECS
from distill.teachers.sources import MINILM, resolve_model
from tests.benchmarks.peer import Made, Peer, logits_of_scores

# rows per label and pairs per row, as in its paper: all pairs of a whole train split would take days
SHOTS, PAIRS = 8, 20


def setfit_peers(made: Made) -> list[Peer]:
    """Fitted on `SHOTS` rows per label, drawn by the run's seed."""
    from datasets import Dataset
    from setfit import SetFitModel, Trainer, TrainingArguments

    corpus, seed = made.corpus, made.shipped.recipe.seed
    task, gold = corpus.task, label_matrix(corpus.train, corpus.task)
    several, draw = CODECS[task.kind].several, np.random.default_rng(seed)
    chosen = np.unique(np.concatenate([draw.permutation(np.flatnonzero(column))[:SHOTS] for column in gold.T]))
    texts, labels = made.texts("train"), gold[chosen].astype(int) if several else gold[chosen].argmax(axis=1)
    model = SetFitModel.from_pretrained(
        str(resolve_model(MINILM).folder), multi_target_strategy="one-vs-rest" if several else None, device="cpu"
    )
    model.model_body.max_seq_length = made.shipped.recipe.corpus.max_tokens
    rows = Dataset.from_dict({"text": [texts[row] for row in chosen], "label": labels.tolist()})
    arguments = TrainingArguments(
        output_dir=str(made.folder / "setfit-training"),
        num_iterations=PAIRS,
        seed=seed,
        report_to="none",
        save_strategy="no",
        show_progress_bar=False,
    )
    Trainer(model=model, args=arguments, train_dataset=rows).train()
    saved = made.folder / "setfit"
    model.save_pretrained(str(saved))
    size = sum(path.stat().st_size for path in saved.rglob("*") if path.is_file())

    def logits(given: list[str]) -> np.ndarray:
        scores = np.asarray(model.predict_proba(given, as_numpy=True, show_progress_bar=False))  # (N, C)
        return logits_of_scores(scores, task.kind)

    return [Peer(f"SetFit, {SHOTS} rows per label", "sentence-transformers", size, logits)]
