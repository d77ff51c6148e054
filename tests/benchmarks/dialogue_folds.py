"""Distilled students of conversations in folds: of each family, with several seeds, with context and without.

    python -m tests.benchmarks.dialogue_folds RECIPE --runs RUNS --out FOLDER --seeds 13

Every fold has one teacher, which reads the turns before a turn, and labels for it. Per family and seed there is
the student, the student that learns from the same labels without context, and the twin, which has context and no
teacher. Decisions are kept in FOLDER, so that a command that was stopped continues where it was; the table is of
everything that FOLDER has, over all rows of the folds, each as decided by models that did not see its fold.
Intervals are of a paired bootstrap over conversations and seeds. docs/results/dialogue.md has its numbers.
"""

import argparse
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from distill.artifacts.logits import read_logits_file
from distill.corpora.corpus import label_matrix, test_groups
from distill.corpora.storage.parquet import load_corpus
from distill.evaluation.comparison import paired_bootstrap
from distill.evaluation.decided import decided_logits
from distill.evaluation.decision import Logits
from distill.evaluation.evaluator import Evaluator
from distill.evaluation.evaluators import evaluator_of
from distill.export.runtime.deciding.scores import Bools, Floats
from distill.pipeline.runner import execute_run
from distill.pipeline.state import Run
from distill.pipeline.train import training_inputs
from distill.recipe.load import load_recipe
from distill.runs.layout import RunLayout
from distill.runs.progress import Reporter
from distill.teachers.inference import predict_logits
from distill.training.student import StudentInputs, train_student, train_twin, train_without_context
from tests.benchmarks.markdown import head_lines, line

# of every family, for a few thousand rows
KEYS = {
    "static": ["width=128", "hash_buckets=0", "epochs=15", "body_learning_rate=2e-3", "head_learning_rate=2e-3"],
    "compact": ["epochs=15", "body_learning_rate=5e-4"],
    "layers": ["layers=[1,3,5]", "epochs=4"],
}
TRAIN: dict[str, Callable[..., object]] = {
    "student": train_student,
    "without context": train_without_context,
    "twin": train_twin,
}
FOLDS = 5

LEFT_OUT = "context left out"


def decided(logits: Mapping[str, Logits], run: Run) -> Bools:
    """Return the decisions on test, by thresholds that were fitted on validation."""
    corpus = run.corpus
    gold = label_matrix(corpus.validation, corpus.task)
    fit = evaluator_of(corpus.task).fit
    decision = fit(logits["validation"], gold, run.recipe.decisions, corpus.validation.groups)
    return decided_logits(logits["test"], label_matrix(corpus.test, corpus.task), decision, corpus.task).decisions


def learned(run: Run, inputs: StudentInputs, name: str) -> dict[str, Bools]:
    """Train one model, and return its decisions on test, by name; a student's without its context too."""
    with TemporaryDirectory() as made:
        folder = Path(made)
        TRAIN[name](folder, inputs, run.controls())
        logits = read_logits_file(folder)
        found = {name: decided(logits, run)}
        if name == "student":
            model, (_, tokenizer) = inputs.student.family.load(folder, inputs.corpus.task), inputs.start()
            alone = inputs.without_context().tokens
            rows = {
                split: alone.rows(tokenizer, split, getattr(inputs.corpus, split).texts)
                for split in ("validation", "test")
            }
            without = {
                split: predict_logits(model, part, pad_id=tokenizer.pad_token_id) for split, part in rows.items()
            }
            found[LEFT_OUT] = decided(without, run)
    return found


def place_of(out: Path, fold: int, kind: str, seed: int, name: str) -> Path:
    return out / f"{fold}-{kind}-{seed}-{name.replace(' ', '-')}.safetensors"


def try_fold(run: Run, fold: int, out: Path, kind: str, seed: int, models: Sequence[str]) -> None:
    """Store what the models of one fold, family and seed decide on its test rows, unless it is there."""
    missing = [name for name in models if not place_of(out, fold, kind, seed, name).exists()]
    if not missing:
        return
    execute_run(run, "label")
    corpus = run.corpus
    gold = label_matrix(corpus.test, corpus.task)
    teacher = decided(read_logits_file(run.layout.teacher(0)), run)
    groups = test_groups([corpus])
    assert groups is not None
    save_file({"gold": gold, "groups": groups, "teacher": teacher}, out / f"{fold}.safetensors")
    keys = [f"student.{key}" for key in (f"kind={kind}", *KEYS[kind])]
    student = load_recipe(str(run.layout.recipe), keys).student
    inputs, evaluator = replace(training_inputs(run, seed), student=student), evaluator_of(corpus.task)
    for name in missing:
        found = learned(run, inputs, name)
        save_file(found, place_of(out, fold, kind, seed, name))
        shown = {key: round(float(evaluator.score(value, gold)), 3) for key, value in found.items()}
        print(fold, kind, seed, shown, flush=True)


@dataclass(frozen=True)
class Decisions:
    """Decisions of the models of one family on the rows of all folds.

    Attributes:
        gold: 0/1 ``(N, C)``.
        groups: the number of each row's conversation ``(N,)``.
        evaluator: the task's.
        models: by model, by seed, decisions ``(N, C)``.
    """

    gold: Floats
    groups: NDArray[np.int32]
    evaluator: Evaluator
    models: Mapping[str, Mapping[int, Bools]]

    def score(self, name: str) -> str:
        """Return the mean headline of a model over its seeds, and that of each."""
        values = [float(self.evaluator.score(each, self.gold)) for each in self.models[name].values()]
        return f"{np.mean(values):.3f} ({', '.join(f'{value:.3f}' for value in values)})" if values else ""

    def gain(self, name: str, other: str) -> str:
        """Return the gain of one model over another with its interval, over the seeds that both have."""
        first, second = self.models[name], self.models[other]
        seeds = [seed for seed in first if seed in second]
        if not seeds:
            return ""
        found = paired_bootstrap(
            self.evaluator,
            [first[seed] for seed in seeds],
            [second[seed] for seed in seeds],
            self.gold,
            self.groups,
        )
        return f"{found.difference:+.3f} ({found.low:+.3f} to {found.high:+.3f})"


def read_decisions(out: Path, kind: str, folds: Sequence[int], evaluator: Evaluator) -> Decisions:
    """Return what is there of one family, of each model the seeds that all folds have."""
    shared = [load_file(out / f"{fold}.safetensors") for fold in folds]
    seeds = sorted({int(path.stem.split("-")[2]) for path in out.glob(f"?-{kind}-*")})

    def of_model(name: str, key: str) -> dict[int, Bools]:
        places = {seed: [place_of(out, fold, kind, seed, name) for fold in folds] for seed in seeds}
        return {
            seed: np.concatenate([load_file(path)[key] for path in paths])
            for seed, paths in places.items()
            if all(path.exists() for path in paths)
        }

    return Decisions(
        np.concatenate([one["gold"] for one in shared]),
        np.concatenate([one["groups"] for one in shared]),
        evaluator,
        {
            "teacher": {0: np.concatenate([one["teacher"] for one in shared])},
            LEFT_OUT: of_model("student", LEFT_OUT),
            **{name: of_model(name, name) for name in TRAIN},
        },
    )


def table(out: Path, evaluator: Evaluator) -> Iterator[list[str]]:
    """Yield a row per family, over the folds that have its student."""
    for kind in KEYS:
        folds = sorted({int(path.stem.split("-")[0]) for path in out.glob(f"?-{kind}-*-student.safetensors")})
        if not folds:
            continue
        found = read_decisions(out, kind, folds, evaluator)
        yield [
            f"`{kind}`",
            ", ".join(map(str, folds)),
            found.score("teacher").partition(" ")[0],
            found.score("student"),
            found.score("without context"),
            found.gain("student", "without context"),
            found.score("twin"),
            found.gain("student", "twin"),
            found.score(LEFT_OUT),
            found.gain(LEFT_OUT, "without context"),
        ]


HEAD = [
    "student",
    "folds",
    "teacher",
    "with context",
    "without",
    "gain of context",
    "twin",
    "over the twin",
    LEFT_OUT,
    "left out, over without",
]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe")
    parser.add_argument("--runs", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--kinds", nargs="+", choices=[*KEYS], default=[*KEYS])
    parser.add_argument("--models", nargs="+", choices=[*TRAIN], default=[*TRAIN])
    parser.add_argument("--seeds", type=int, nargs="+", default=[13])
    parser.add_argument("--folds", type=int, nargs="+", default=[*range(FOLDS)])
    parser.add_argument("--set", action="append", default=[])
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    for seed in given.seeds:
        for fold in given.folds:
            keys = [f"corpus.folds={FOLDS}", f"corpus.fold={fold}", "augmentation.rows=0", *given.set]
            recipe = load_recipe(given.recipe, keys)
            folder = given.runs / f"{recipe.name}-{fold}"
            for kind in given.kinds:
                run = Run(recipe, RunLayout(folder), Reporter(quiet=True))
                try_fold(run, fold, given.out, kind, seed, given.models)
    evaluator = evaluator_of(load_corpus(RunLayout(given.runs / f"{recipe.name}-0").corpus).task)
    print("\n".join([*head_lines(HEAD), *map(line, table(given.out, evaluator))]))


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
