"""Finalists of `tests.benchmarks.little_data` on test: macro-F1, and paired differences from a first one.

    python -m tests.benchmarks.little_data_table RUN FILE NAME[,NAME...] NAME[,NAME...] ...

RUN is the folder of the run whose teacher and corpus the tries had, FILE their lines. Each argument is one kind of
student, as one try per seed. `baseline` and `teacher` are what the run has of these names.
"""

import sys
from pathlib import Path

from distill.artifacts.logits import read_logits_file
from distill.corpora.corpus import label_matrix
from distill.corpora.storage.parquet import load_corpus
from distill.evaluation.comparison import paired_bootstrap
from distill.evaluation.decided import decided_logits
from distill.evaluation.decision import Logits
from distill.evaluation.evaluators import evaluator_of
from distill.export.runtime.deciding.scores import Bools
from distill.recipe.load import load_recipe


def main(run: Path, file: Path, *kinds: str) -> None:
    """Print a line per kind of student."""
    corpus, policy = load_corpus(run / "corpus"), load_recipe(str(run / "recipe.toml")).decisions
    evaluator, groups = evaluator_of(corpus.task), corpus.test.groups
    gold = {
        name: label_matrix(split, corpus.task)
        for name, split in (("validation", corpus.validation), ("test", corpus.test))
    }

    def logits_of(name: str) -> dict[str, Logits]:
        if (run / name / "logits.safetensors").is_file():
            return read_logits_file(run / name)
        return read_logits_file(file.parent / "logits" / file.stem, f"{name}.safetensors")

    def decided(name: str) -> Bools:
        logits = logits_of(name)
        decision = evaluator.fit(logits["validation"], gold["validation"], policy, corpus.validation.groups)
        return decided_logits(logits["test"], gold["test"], decision, corpus.task).decisions

    rows = {kind: [decided(name) for name in kind.split(",")] for kind in kinds}
    first = rows[kinds[0]]
    for kind, seeds in rows.items():
        mean = sum(evaluator.score(decisions, gold["test"]) for decisions in seeds) / len(seeds)
        gain = paired_bootstrap(evaluator, seeds, first, gold["test"], groups)
        print(f"{kind}: {mean:.4f}; {gain.difference:+.4f} ({gain.low:+.4f} to {gain.high:+.4f}) over {kinds[0]}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), *sys.argv[3:])
