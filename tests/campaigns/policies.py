"""Which calibration and which thresholds are best, by cross-validation of validation halves: no test row is read.

`python -m tests.campaigns.policies RUN [RUN ...]` takes the stored logits of the teachers of some runs (or of
their students: --model), fits each policy on one random half of validation and judges it on the other. It exits 1
where the default calibration is worse than the common Platt scaling, or the default thresholds are worse than
every label's own.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from distill.artifacts.logits import read_logits_file
from distill.corpora.corpus import label_matrix
from distill.corpora.storage.parquet import load_corpus
from distill.evaluation.decision import Decision, Logits
from distill.evaluation.evaluators import evaluator_of
from distill.evaluation.metrics import macro_f1
from distill.evaluation.reliability import brier_of_cells, ece_above_tenth, mean_brier_skill
from distill.export.runtime.deciding.task import Task
from distill.recipe.shipping import DecisionsRecipe
from distill.runs.progress import Reporter

Gold = NDArray[np.float32]
DEFAULT = DecisionsRecipe(calibration="platt-per-label")
COMMON, OWN = DecisionsRecipe(calibration="platt"), DecisionsRecipe(threshold_shrink=0)
CALIBRATIONS = (
    DecisionsRecipe(calibration="none"),
    DecisionsRecipe(calibration="temperature"),
    COMMON,
    *(DecisionsRecipe(calibration="platt-per-label", calibration_shrink=shrink) for shrink in (0, 5, 20, 50, 100)),
)
THRESHOLDS = (
    OWN,
    *(DecisionsRecipe(threshold_towards="common", threshold_shrink=shrink) for shrink in (20, 50, 100, 1e12)),
    *(DecisionsRecipe(threshold_towards="expected-f1", threshold_shrink=shrink) for shrink in (20, 50, 100, 1e12)),
)


def judged(task: Task, decision: Decision, logits: Logits, gold: Gold) -> list[float]:
    """Log loss, Brier score, mean Brier skill, calibration error above a tenth, and macro-F1."""
    scores = decision.scores(logits, task).astype(np.float64)
    z = decision.calibrated(logits).astype(np.float64)
    return [
        float((np.logaddexp(0, z) - gold * z).mean()),
        brier_of_cells(scores, gold),
        mean_brier_skill(scores, gold),
        ece_above_tenth(scores, gold),
        macro_f1(decision.decide(logits, task), gold),
    ]


def cross_validate(
    pairs: Sequence[tuple[Logits, Gold]], task: Task, policy: DecisionsRecipe, halves: int, seed: int
) -> NDArray[np.float64]:
    """What `judged` gives on the half that was not fitted on: ``(model, half, 5)``."""
    found = []
    for logits, gold in pairs:
        rng = np.random.default_rng(seed)  # the same halves for every policy and model
        rows = [np.array_split(rng.permutation(len(gold)), 2) for _ in range(halves)]
        fit = evaluator_of(task).fit
        found.append([judged(task, fit(logits[a], gold[a], policy), logits[b], gold[b]) for a, b in rows])
    return np.array(found)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print one line a policy; 0 where the defaults hold."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", type=Path, help="folders of runs of one multi-label corpus")
    parser.add_argument("--model", default="teacher", choices=("teacher", "student"))
    parser.add_argument("--halves", type=int, default=20, help="random halves of validation")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    pairs, corpus = [], load_corpus(options.runs[0] / "corpus")
    for run in options.runs:
        corpus = load_corpus(run / "corpus")
        logits = read_logits_file(run / options.model)["validation"]
        pairs.append((logits, label_matrix(corpus.validation, corpus.task)))
    policies = {name_of(policy): policy for policy in (*CALIBRATIONS, *THRESHOLDS, DEFAULT)}
    found = {}
    with Reporter().bar("cross-validate", len(policies)) as advance:
        for name, policy in policies.items():
            found[name] = cross_validate(pairs, corpus.task, policy, options.halves, options.seed)
            advance(1)
    print(f"{'policy':58} log loss   Brier    skill  ECE>=.1  macro-F1 of each model, and their mean")
    for name, values in found.items():
        loss, error, skill, reliability, f1 = values.mean(axis=(0, 1))
        each = " ".join(f"{value:.4f}" for value in values[:, :, 4].mean(axis=1))
        print(f"{name:58} {loss:.5f} {error:.5f} {skill:.4f} {reliability:.4f}   {each}  {f1:.4f}")
    default, common, own = (found[name_of(policy)].mean(axis=(0, 1)) for policy in (DEFAULT, COMMON, OWN))
    holds = default[0] <= common[0] and default[4] >= own[4]
    print(f"the default, {name_of(DEFAULT)}: {'holds' if holds else 'DOES NOT HOLD'}")
    return 0 if holds else 1


def name_of(policy: DecisionsRecipe) -> str:
    """The policy in one line."""
    calibration = policy.calibration or "platt-per-label"
    shrink = f" {policy.calibration_shrink:g}" if calibration == "platt-per-label" else ""
    return f"{calibration}{shrink}; thresholds towards {policy.threshold_towards} {policy.threshold_shrink:g}"


if __name__ == "__main__":
    sys.exit(main())
