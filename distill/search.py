"""`distill search`: recipe values tried on validation with Optuna (arXiv 1907.10902), and the best as a recipe.

The corpus, the teachers and their labels are the run's own and stay as they are; each trial trains one student.
"""

import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import Trial, TrialState

from distill.atomic import write_text
from distill.fingerprints import recipe_hash
from distill.job import Job
from distill.json_files import write_json
from distill.lock import exclusive
from distill.recipe import Recipe, with_values
from distill.recipe_student import Span
from distill.stages import read_record
from export.runtime.errors import InputError

JOURNAL_FILE = "journal.log"
TRIALS_FILE = "trials.json"
BEST_FILE = "best.toml"
# trials that run to their end before any is given up for being worse than the middle one at the same epoch
UNPRUNED = 4


@dataclass(frozen=True)
class Found:
    """All trials, best first: number, state, validation macro-F1, values; and where the best one's recipe is."""

    trials: list[dict[str, Any]]
    best: Path


def search(job: Job, train: Callable[[Job, Path], float]) -> Found:
    """Go on until the recipe's number of trials is reached, whoever made the earlier ones.

    Args:
        job: of a run whose labels are made.
        train: trains the student of a job in a folder and gives its best validation macro-F1.

    Raises:
        InputError: the recipe's [search] has no space, or no trial could be trained.
        KeyboardInterrupt: somebody stopped it; the same call goes on from there.
    """
    if not job.recipe.search.space:
        raise InputError(
            "search.space is empty; say what to try, for instance in the recipe: "
            '[search.space] "objective.temperature" = [1.0, 2.0, 4.0]'
        )
    job.search.mkdir(parents=True, exist_ok=True)
    with exclusive(job.folder):
        study = _study(job)
        _take_up_again(study)
        done = [
            one
            for one in study.get_trials(deepcopy=False)
            if one.state in (TrialState.COMPLETE, TrialState.PRUNED)
        ]
        with job.reporter.bar("search", job.recipe.search.trials) as advance:
            advance(min(len(done), job.recipe.search.trials))
            for _ in range(len(done), job.recipe.search.trials):
                _try(job, study, train)
                advance(1)
        return _write(job, study)


def draw(trial: Trial, space: dict[str, list[Any] | Span]) -> dict[str, Any]:
    """The values of one trial, by key."""
    found: dict[str, Any] = {}
    for key, choices in space.items():
        if isinstance(choices, list):  # Optuna's categories are plain values, and layers are lists
            found[key] = json.loads(str(trial.suggest_categorical(key, [json.dumps(one) for one in choices])))
        elif isinstance(choices.low, int) and isinstance(choices.high, int):
            found[key] = trial.suggest_int(key, choices.low, choices.high, log=choices.log)
        else:
            found[key] = trial.suggest_float(key, choices.low, choices.high, log=choices.log)
    return found


def _study(job: Job) -> optuna.Study:
    """The study of this very question: another recipe, corpus or teacher begins one of its own."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    labels = {
        path.parent.name: read_record(path.parent) for path in sorted(job.folder.glob("labels*/*/stage.json"))
    }
    asked = {
        "recipe": recipe_hash(job.recipe),
        "space": job.recipe.search.model_dump(mode="json")["space"],
        "labels": {name: record.digest for name, record in labels.items() if record is not None},
    }
    name = hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()[:16]
    return optuna.create_study(
        study_name=name,
        storage=JournalStorage(JournalFileBackend(str(job.search / JOURNAL_FILE))),
        direction="maximize",
        load_if_exists=True,
        pruner=optuna.pruners.MedianPruner(n_startup_trials=UNPRUNED),
    )


def _take_up_again(study: optuna.Study) -> None:
    """The values of trials that were killed are tried again, before others."""
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        study.tell(trial.number, state=TrialState.FAIL)
        study.enqueue_trial(trial.params)


def _try(job: Job, study: optuna.Study, train: Callable[[Job, Path], float]) -> None:
    # anew for each trial: what it draws depends on the trials before and not on who made them
    study.sampler = optuna.samplers.TPESampler(seed=job.recipe.seed + len(study.get_trials(deepcopy=False)))
    trial = study.ask()
    values = draw(trial, job.recipe.search.space)
    branch = f"search/trials/{trial.number:04d}"
    folder = job.folder / branch / "student"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    epochs = 0

    def heard(score: float) -> None:
        nonlocal epochs
        epochs += 1
        trial.report(score, epochs)
        if trial.should_prune():
            raise optuna.TrialPruned

    try:
        recipe = with_values(job.recipe, values, f"trial {trial.number}")
        score = train(replace(job, recipe=recipe, branch=branch, heard=heard), folder)
    except optuna.TrialPruned:
        study.tell(trial, state=TrialState.PRUNED)
    except InputError as error:  # values that do not go together
        job.reporter.say(f"  {error}")
        study.tell(trial, state=TrialState.FAIL)
    else:
        job.stop.check()
        study.tell(trial, score)
    shutil.rmtree(folder.parent)


def _write(job: Job, study: optuna.Study) -> Found:
    """Every trial as JSON, and the recipe with the best one's values."""
    trials: list[dict[str, Any]] = [
        {
            "number": trial.number,
            "state": trial.state.name.lower(),
            "validation_macro_f1": trial.value,
            "epochs": trial.last_step,
            "values": _values(trial.params, job.recipe),
        }
        for trial in study.get_trials(deepcopy=False)
    ]
    trials.sort(key=lambda one: (-(one["validation_macro_f1"] or -1.0), one["number"]))
    write_json({"trials": trials}, job.search / TRIALS_FILE)
    if not trials or trials[0]["state"] != "complete":
        raise InputError(
            "search: no trial could be trained to its end; see the complaints above and correct search.space"
        )
    best = with_values(job.recipe, trials[0]["values"], "best trial")
    write_text(job.search / BEST_FILE, best.model_copy(update={"search": type(best.search)()}).to_toml())
    return Found(trials, job.search / BEST_FILE)


def _values(params: dict[str, Any], recipe: Recipe) -> dict[str, Any]:
    space = recipe.search.space
    return {key: json.loads(value) if isinstance(space[key], list) else value for key, value in params.items()}
