"""What distillation added: over the twin, over several seeds, and how far the student follows its teacher."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from distill.artifacts.quality import read_quality
from distill.corpora.corpus import Corpus, label_matrix
from distill.evaluation.comparison import agreement, copied_errors, paired_bootstrap
from distill.evaluation.metrics import Bools, Floats, macro_f1
from distill.report.models import logits_and_decision, quality_folder
from distill.runs.context import Job
from distill.variants.select import choose_variant


def attribution(job: Job, corpus: Corpus) -> dict[str, Any]:
    """The student that ships beside its twin and its teacher, on test rows, as plain data.

    `gain` is that of the student and of the variant that ships over the twin, None without a twin; `agreement` and
    `copied_errors` are those of every model with the teacher, or with the ensemble.
    """
    gold = label_matrix(corpus.test, corpus.task)
    chosen = choose_variant(job)
    names = ["student", *(["twin"] if job.recipe.objective.compare else []), chosen]
    decided = {name: test_decisions(job, corpus, name) for name in (job.reference, *names)}
    theirs = decided[job.reference]
    gains = None
    if job.recipe.objective.compare:
        gains = {name: _gain(job, [decided[name]], [decided["twin"]], gold) for name in ("student", chosen)}
    return {
        "reference": job.reference,
        "gain": gains,
        "agreement": {name: asdict(agreement(decided[name], theirs)) for name in names},
        "copied_errors": {name: copied_errors(decided[name], theirs, gold, corpus.task.kind) for name in names},
    }


def spread(job: Job, corpus: Corpus) -> dict[str, Any] | None:
    """Every seed's quality, their mean and standard deviation, and the gain of all over their twins.

    None where there is one student. Macro-F1 throughout; the interval is a bootstrap over test rows of the mean
    over the seeds, so that it says what these students gained and not what another seed would.
    """
    if not job.recipe.seeds:
        return None
    branches, gold = job.branches(), label_matrix(corpus.test, corpus.task)
    names = ["student", "ships", *(["twin"] if job.recipe.objective.compare else [])]
    models = [{name: choose_variant(one) if name == "ships" else name for name in names} for one in branches]
    rows = [
        {"seed": branch.seed, "variant": named["ships"]}
        | {name: _macro_f1(branch, model) for name, model in named.items()}
        for branch, named in zip(branches, models, strict=True)
    ]
    decided = {
        name: [test_decisions(one, corpus, named[name]) for one, named in zip(branches, models, strict=True)]
        for name in names
    }
    tests = {name: np.array([macro_f1(one, gold) for one in decisions]) for name, decisions in decided.items()}
    gains = {
        name: _gain(job, decided[name], decided["twin"], gold)
        for name in ("student", "ships")
        if job.recipe.objective.compare
    }
    return {
        "rows": rows,
        "mean": {name: float(values.mean()) for name, values in tests.items()},
        "standard_deviation": {
            name: float(values.std(ddof=1)) if len(values) > 1 else None for name, values in tests.items()
        },
        "gain": gains or None,
    }


def _macro_f1(job: Job, name: str) -> dict[str, float]:
    quality = read_quality(quality_folder(job, name))
    return {split: quality[split]["macro_f1"] for split in ("validation", "test")}


def test_decisions(job: Job, corpus: Corpus, name: str) -> Bools:
    """What one model decides on the test rows, ``(N, C)``: a teacher, the ensemble, student, twin or a variant."""
    logits, decision = logits_and_decision(job, name)
    return decision.decide(logits, corpus.task.kind)


def _gain(job: Job, ours: Sequence[Bools], theirs: Sequence[Bools], gold: Floats) -> dict[str, float]:
    return asdict(paired_bootstrap(ours, theirs, gold, seed=job.recipe.seed))
