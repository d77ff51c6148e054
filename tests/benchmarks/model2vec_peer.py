"""A model2vec classifier trained on a run's own rows, beside the run's bundle: quality and latency in one run.

    pip install "model2vec[distill,train]"     # in an environment that has this package too
    python -m tests.benchmarks.model2vec_peer runs/goemotions-static --dimensions 256

model2vec (MinishLab/model2vec) makes static token vectors out of the same base model and trains a small classifier
on the gold labels; it has no soft labels. Its scores are calibrated and decided by the run's own policy, fitted on
validation, as every model of a run is.
"""

import argparse
import statistics
import time
from pathlib import Path

import numpy as np
from scipy.special import logit

from corpora.comparison import paired_bootstrap
from corpora.corpus import Split, label_matrix, load_corpus
from corpora.task import Task
from distill.calibrate import Decision
from distill.job import Job
from distill.progress import Reporter
from distill.quality import JUDGED, quality_of
from distill.recipe import load_recipe
from distill.run_models import logits_and_decision
from distill.variants import choose_branch, choose_variant
from export.runtime.classifier import load
from teachers.sources import MINILM, resolve_model

EDGE = 1e-7


def main() -> None:
    """Train, judge, time, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--dimensions", type=int, default=256)
    parser.add_argument("--texts", type=int, default=500, help="test texts that are timed")
    parser.add_argument("--rounds", type=int, default=7)
    chosen = parser.parse_args()
    job = choose_branch(Job(load_recipe(str(chosen.run / "recipe.toml")), chosen.run, Reporter(quiet=True)))
    corpus = load_corpus(job.corpus)
    splits, names = dict(corpus.splits()), corpus.task.labels
    texts = {name: list(split.texts) for name, split in splits.items()}
    labels = {name: label_names(split, corpus.task) for name, split in splits.items() if name != "transfer"}

    from model2vec.distill import distill
    from model2vec.train import StaticModelForClassification

    base = distill(model_name=str(resolve_model(MINILM).folder), pca_dims=chosen.dimensions)
    model = StaticModelForClassification.from_static_model(model=base)
    held = {"X_val": texts["validation"], "y_val": labels["validation"]}
    model.fit(texts["train"], labels["train"], **held, random_seed=job.recipe.seed)
    order = [list(model.classes).index(name) for name in names]
    scores = {split: model.predict_proba(texts[split])[:, order] for split in JUDGED}
    logits = {split: logit(values.clip(EDGE, 1 - EDGE)).astype(np.float32) for split, values in scores.items()}
    quality = quality_of(logits, corpus, job.recipe.decisions)
    theirs = Decision.from_dict(quality["decision"]).decide(logits["test"], corpus.task.kind)
    own_logits, decision = logits_and_decision(job, choose_variant(job))
    ours = decision.decide(own_logits, corpus.task.kind)
    gold = label_matrix(corpus.test, corpus.task)
    gain = paired_bootstrap([ours], [theirs], gold, seed=job.recipe.seed)
    print(f"model2vec {chosen.dimensions}: test macro-F1 {quality['test']['macro_f1']:.4f}")
    print(f"bundle over it: {gain.difference:+.4f} ({gain.low:+.4f} to {gain.high:+.4f})")

    pipeline, bundle = model.to_pipeline(), load(job.bundle)
    calls = {
        "model2vec, labels": pipeline.predict,
        "bundle, labels": bundle.predict,
        "model2vec, scores": pipeline.predict_proba,
        "bundle, scores": bundle.predict_proba,
    }
    times: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(chosen.rounds):
        for name, call in calls.items():
            for text in texts["test"][: chosen.texts]:
                start = time.perf_counter()
                call([text])
                times[name].append(1e3 * (time.perf_counter() - start))
    for name, found in times.items():
        print(f"{name}: p50 {statistics.median(found):.3f} ms, p95 {np.percentile(found, 95):.3f} ms")


def label_names(split: Split, task: Task) -> list[list[str]]:
    """The names of each row's labels."""
    return [[task.labels[place] for place in np.flatnonzero(row)] for row in label_matrix(split, task)]


if __name__ == "__main__":
    main()
