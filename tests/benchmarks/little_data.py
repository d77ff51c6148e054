"""Students from little data: one line of JSON per try, all of them from one teacher and one set of made texts.

    python -m tests.benchmarks.little_data RECIPE --runs FOLDER --out FILE --set KEY=VALUE --tries TRIES

The run is executed up to its soft labels, with as many made texts as `--set augmentation.rows` says. TRIES has a
name and recipe keys per line; a try takes the first `augmentation.rows` of the made texts, and one that FILE has
already is left out. Keys that no recipe has: `x.soup` (the mean of the weights of so many students of one start,
seed after seed), `x.keep=divergence` (the epoch that is kept is the one nearest to the teacher on validation),
`x.seed`, and `x.twin=1`. Logits are stored beside FILE. What is printed is of validation alone;
`tests.benchmarks.little_data_table` compares finalists on test.
"""

import argparse
import json
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from safetensors.numpy import save_file
from safetensors.torch import load_file as load_tensors
from sklearn.metrics import average_precision_score

from distill.artifacts.logits import read_logits_file
from distill.corpora.corpus import Corpus, label_matrix
from distill.evaluation.decision import Logits
from distill.evaluation.quality import quality_of
from distill.objectives.task_loss import LOSSES
from distill.pipeline.runner import execute_run
from distill.pipeline.state import Run
from distill.pipeline.train import training_inputs
from distill.recipe.load import load_recipe
from distill.recipe.recipe import Recipe
from distill.runs.layout import RunLayout
from distill.runs.progress import Reporter
from distill.teachers.inference import predict_logits
from distill.training import session as sessions
from distill.training.student import StudentInputs, train_student, train_twin


def divergence(logits: Logits, teacher: Logits, corpus: Corpus) -> float:
    """Return the mean soft loss of rows ``(N, C)`` at temperature 1."""
    losses = LOSSES[corpus.task.kind]
    return float(losses.soft(torch.from_numpy(logits), torch.from_numpy(teacher), 1.0).mean())


def average_precision(logits: Logits, gold: Any) -> float:
    """Return macro average precision over the labels that have a row."""
    return float(
        np.mean([average_precision_score(gold[:, at], logits[:, at]) for at in np.flatnonzero(gold.any(0))])
    )


def measured(logits: Mapping[str, Logits], teacher: Mapping[str, Logits], run: Run) -> dict[str, float]:
    """Return what a try is ranked by, and its test score."""
    corpus = run.corpus
    quality = quality_of(logits, corpus, run.recipe.decisions)
    gold = label_matrix(corpus.validation, corpus.task)
    return {
        "val": quality.validation["macro_f1"],
        "val_ap": average_precision(logits["validation"], gold),
        "val_div": divergence(logits["validation"], teacher["validation"], corpus),
        "test": quality.test["macro_f1"],
        "test_ap": average_precision(logits["test"], label_matrix(corpus.test, corpus.task)),
    }


def inputs_of(run: Run, recipe: Recipe, own: Mapping[str, str]) -> StudentInputs:
    """Return the training of a try: its recipe on the run's teacher, and on the first of its made texts."""
    seed = int(own.get("seed", recipe.seed))
    inputs = training_inputs(run, seed)
    rows = recipe.augmentation.rows
    unlabelled = {
        name: texts[:rows] if name == "augmented" else texts
        for name, texts in inputs.unlabelled.items()
        if name != "augmented" or rows
    }
    learned = inputs.soft_labels

    def soft_labels(split: str) -> Logits:
        logits = learned(split)
        return logits[:rows] if split == "augmented" else logits

    return replace(
        inputs,
        student=recipe.student,
        objective=recipe.objective,
        unlabelled=unlabelled,
        soft_labels=soft_labels,
        tokens=inputs.tokens.of_part(),
    )


def attempt(run: Run, recipe: Recipe, own: Mapping[str, str], logits_file: Path) -> dict[str, float]:
    """Train the student, or the mean of several, and return its scores."""
    teacher = read_logits_file(run.layout.teacher(0))
    inputs = inputs_of(run, recipe, own)
    learn = train_twin if "twin" in own else train_student
    started = time.process_time()
    states = []
    with TemporaryDirectory(dir=logits_file.parent) as made:
        folder = Path(made)
        for member in range(int(own.get("soup", 1))):
            part = replace(inputs, seed=inputs.seed + 100 * member, starts_as=inputs)
            place = folder / str(member)
            place.mkdir()
            kept = patch.object(sessions, "_validation_score", by_divergence(teacher["validation"]))
            if own.get("keep") == "divergence":
                with kept:
                    result = learn(place, part, run.controls())
            else:
                result = learn(place, part, run.controls())
            states.append(load_tensors(place / "model.safetensors"))
            logits = read_logits_file(place)
        if len(states) > 1:
            mean = {name: torch.stack([state[name].float() for state in states]).mean(0) for name in states[0]}
            logits = logits_of(inputs, mean, place)
    seconds = time.process_time() - started
    save_file(dict(logits), logits_file)
    return {**measured(logits, teacher, run), "seconds": seconds, "best": result.best_step, "steps": result.steps}


def logits_of(inputs: StudentInputs, state: dict[str, torch.Tensor], folder: Path) -> dict[str, Logits]:
    """Return the logits of averaged weights."""
    from safetensors.torch import save_file as save_tensors

    save_tensors(state, folder / "model.safetensors")
    model = inputs.student.family.load(folder, inputs.corpus.task)
    _, tokenizer = inputs.start()
    rows = {
        name: inputs.tokens.rows(tokenizer, name, split.texts)
        for name, split in (("validation", inputs.corpus.validation), ("test", inputs.corpus.test))
    }
    return {name: predict_logits(model, part, pad_id=tokenizer.pad_token_id) for name, part in rows.items()}


def by_divergence(teacher: Logits) -> Any:
    """Return a replacement of the score that chooses an epoch: minus the divergence from the teacher."""

    def score(session: Any, controls: Any) -> Any:
        from distill.evaluation.evaluators import evaluator_of

        headline = evaluator_of(session.corpus.task).headline

        def evaluate() -> dict[str, float]:
            rows = session.tokens["validation"]
            logits = predict_logits(session.model, rows, pad_id=session.tokenizer.pad_token_id)
            return {headline: -divergence(logits, teacher, session.corpus)}

        return evaluate

    return score


def main() -> None:
    """Run the tries that are missing."""
    parser = argparse.ArgumentParser()
    parser.add_argument("recipe")
    parser.add_argument("--runs", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--set", action="append", default=[])
    parser.add_argument("--try", action="append", default=[], dest="tries")
    parser.add_argument("--tries", type=Path, dest="file")
    given = parser.parse_args()
    recipe = load_recipe(given.recipe, given.set)
    run = Run(recipe, RunLayout(given.runs / recipe.name), Reporter(quiet=True))
    execute_run(run, "label")
    done = (
        {json.loads(line)["name"] for line in given.out.read_text().splitlines()} if given.out.exists() else set()
    )
    lines = given.file.read_text().splitlines() if given.file else []
    for line in [*given.tries, *lines]:
        if not line.strip() or line.startswith("#"):
            continue
        name, *keys = line.split()
        if name in done:
            continue
        done.add(name)
        own = dict(key[2:].split("=", 1) for key in keys if key.startswith("x."))
        wanted = load_recipe(given.recipe, [*given.set, *[key for key in keys if not key.startswith("x.")]])
        if not any(key.startswith("augmentation.rows") for key in keys):
            wanted = wanted.model_copy(update={"augmentation": wanted.augmentation.model_copy(update={"rows": 0})})
        logits = given.out.parent / "logits" / given.out.stem / f"{name}.safetensors"
        logits.parent.mkdir(parents=True, exist_ok=True)
        found = {"name": name, "keys": keys, **attempt(run, wanted, own, logits)}
        with given.out.open("a") as stream:
            stream.write(json.dumps(found) + "\n")
        shown = {
            key: round(value, 4) for key, value in found.items() if key not in ("name", "keys", "test", "test_ap")
        }
        print(name, shown, flush=True)


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
