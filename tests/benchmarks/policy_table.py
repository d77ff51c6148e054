"""Finished runs under other threshold policies: nothing is trained or exported again, decisions are fitted anew.

    python -m tests.benchmarks.policy_table runs/goemotions runs/goemotions-compact runs/goemotions-static

A line a policy: teacher, twin, and the variant that ships, each decided by it (fitted on validation), macro-F1 on
test as the mean over the seeds with its standard deviation; the difference to the twin with the interval of a
paired bootstrap over test rows; and the mean over all these models of cross-validation on halves of validation,
which is what a policy may be chosen by.
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from distill.artifacts.logits import read_logits_file
from distill.corpora.corpus import Corpus, label_matrix
from distill.corpora.storage.parquet import load_corpus
from distill.evaluation.comparison import paired_bootstrap
from distill.evaluation.decision import Logits
from distill.evaluation.evaluators import evaluator_of
from distill.evaluation.metrics import macro_f1
from distill.export.runtime.deciding.scores import Bools
from distill.recipe.shipping import DecisionsRecipe
from tests.benchmarks.markdown import head_lines, line
from tests.benchmarks.students_table import interval
from tests.campaigns.policies import cross_validate

POLICIES = (
    ("common", 20),
    ("common", 50),
    ("common", 100),
    *(("expected-f1", shrink) for shrink in (20, 50, 100)),
)
HALVES, SEED = 5, 13
HEAD = ("run", "towards, shrink", "teacher", "twin", "bundle", "bundle over twin (95 %)", "halves of validation")
MACRO_F1 = 4  # of what `cross_validate` gives

Models = Mapping[str, Sequence[Mapping[str, Logits]]]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path, nargs="+", help="folders of finished runs with several seeds")
    print(*head_lines(HEAD), sep="\n")
    for run in parser.parse_args().runs:
        models, corpus = read_models(run), load_corpus(run / "corpus")
        for towards, shrink in POLICIES:
            policy = DecisionsRecipe(
                calibration="platt-per-label", threshold_towards=towards, threshold_shrink=shrink
            )
            print(line([f"`{run.name}`", f"{towards}, {shrink}", *cells(models, corpus, policy)]), flush=True)


def read_models(run: Path) -> Models:
    """Raw logits by split: of the teacher or the ensemble, and of each seed's twin and shipping variant."""
    report = json.loads((run / "report.json").read_text(encoding="utf-8"))
    seeds = [run / "seeds" / str(row["seed"]) for row in report["seeds"]["rows"]]
    variants = [f"export/{row['variant']}" for row in report["seeds"]["rows"]]
    return {
        "teacher": [read_logits_file(run / report["attribution"]["reference"])],
        "twin": [read_logits_file(seed / "twin") for seed in seeds],
        "bundle": [read_logits_file(seed / name) for seed, name in zip(seeds, variants, strict=True)],
    }


def cells(models: Models, corpus: Corpus, policy: DecisionsRecipe) -> list[str]:
    """What a line has beside its name and policy."""
    task = corpus.task
    gold = {split: label_matrix(rows, task) for split, rows in corpus.splits() if split != "train"}
    decided: dict[str, list[Bools]] = {}
    for name, members in models.items():
        fits = [evaluator_of(task).fit(one["validation"], gold["validation"], policy) for one in members]
        decided[name] = [fit.decide(one["test"], task) for fit, one in zip(fits, members, strict=True)]
    pairs = [(one["validation"], gold["validation"]) for members in models.values() for one in members]
    halves = cross_validate(pairs, task, policy, HALVES, SEED)
    gain = paired_bootstrap(evaluator_of(task), decided["bundle"], decided["twin"], gold["test"], seed=SEED)
    scores = {name: [macro_f1(one, gold["test"]) for one in found] for name, found in decided.items()}
    return [
        *(_spread(scores[name]) for name in models),
        interval({"difference": gain.difference, "low": gain.low, "high": gain.high}),
        f"{float(halves[..., MACRO_F1].mean()):.4f}",
    ]


def _spread(values: Sequence[float]) -> str:
    mean = f"{np.mean(values):.4f}"
    return mean if len(values) == 1 else f"{mean} ± {np.std(values, ddof=1):.4f}"


if __name__ == "__main__":
    main()
