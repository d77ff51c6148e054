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

from distill.export.runtime.errors import DistillError, InputError, ResourceError
from distill.files.atomic import write_text
from distill.files.json_files import write_json
from distill.files.lock import exclusive
from distill.recipe.ensemble import members_of
from distill.recipe.keys import recipe_keys
from distill.recipe.load import with_values
from distill.recipe.recipe import Recipe
from distill.recipe.student import Span
from distill.runs.context import Job
from distill.runs.fingerprints import recipe_hash
from distill.runs.stage import read_record

JOURNAL_FILE = "journal.log"

TRIALS_FILE = "trials.json"

BEST_FILE = "best.toml"

TRIALS_FOLDER = "trials"

# trials that run to their end before any is given up for being worse than the middle one at the same epoch
UNPRUNED = 4

# of a failed trial that ended by itself: why; one that was killed has none
COMPLAINT = "complaint"


@dataclass(frozen=True)
class Found:
    """All trials, best first: number, state, validation macro-F1, values, complaint; and the best one's recipe."""

    trials: list[dict[str, Any]]
    best: Path


def search(job: Job, train: Callable[[Job, Path], float]) -> Found:
    """Go on until the recipe's number of trials is reached, whoever made the earlier ones.

    Args:
        job: of a run whose labels are made.
        train: trains the student of a job in a folder and gives its best validation macro-F1.

    Raises:
        InputError: no trial could be trained.
        KeyboardInterrupt: somebody stopped it; the same call goes on from there.
    """
    job.search.mkdir(parents=True, exist_ok=True)
    with exclusive(job.folder):
        shutil.rmtree(job.search / TRIALS_FOLDER, ignore_errors=True)  # of a trial that was killed
        _mend(job.search / JOURNAL_FILE)
        study = _study(job)
        for killed in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            study.tell(killed.number, state=TrialState.FAIL)
        done = min(_ended(study), job.recipe.search.trials)
        with job.reporter.bar("search", job.recipe.search.trials) as advance:
            advance(done)
            for _ in range(done, job.recipe.search.trials):
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
        str(path.parent.relative_to(job.folder)): read_record(path.parent)
        for member in members_of(job.recipe)
        for path in sorted(job.labels("*", member.index).parent.glob("*/stage.json"))
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


def _mend(journal: Path) -> None:
    """Cut off the half line that a killed process may have left: behind another one no reader gets past it."""
    if not journal.is_file():
        return
    with journal.open("r+b") as file:
        lines = file.read()
        file.truncate(lines.rfind(b"\n") + 1)


def _ended(study: optuna.Study) -> int:
    """How many trials have ended by themselves, well or not."""
    return sum(
        trial.state in (TrialState.COMPLETE, TrialState.PRUNED) or COMPLAINT in trial.user_attrs
        for trial in study.get_trials(deepcopy=False)
    )


def _try(job: Job, study: optuna.Study, train: Callable[[Job, Path], float]) -> None:
    # anew for each trial: what it draws depends on the trials that ended before it, and neither on who made them
    # nor on how often one was killed
    study.sampler = optuna.samplers.TPESampler(seed=job.recipe.seed + _ended(study))
    trial = study.ask()
    values = draw(trial, job.recipe.search.space)
    if _taken_over(study, trial):
        return
    branch = f"{job.search.name}/{TRIALS_FOLDER}/{trial.number:04d}"
    folder = job.folder / branch / "student"
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
        with recipe_keys():
            score = train(replace(job, recipe=recipe, branch=branch, heard=heard), folder)
    except optuna.TrialPruned:
        study.tell(trial, state=TrialState.PRUNED)
    except ResourceError:
        raise
    except DistillError as error:  # values that do not go together, or that no training survives
        job.reporter.say(f"  {error}")
        trial.set_user_attr(COMPLAINT, str(error))
        study.tell(trial, state=TrialState.FAIL)
    else:
        job.stop.check()
        study.tell(trial, score)
    shutil.rmtree(folder.parent)


def _taken_over(study: optuna.Study, trial: Trial) -> bool:
    """Whether the same values were tried before: the same training would end in the same score."""
    for earlier in study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)):
        if earlier.params == trial.params and earlier.value is not None:
            for epoch, score in earlier.intermediate_values.items():
                trial.report(score, epoch)
            study.tell(trial, earlier.value)
            return True
    return False


def _write(job: Job, study: optuna.Study) -> Found:
    """Every trial as JSON, and the recipe with the best one's values."""
    trials: list[dict[str, Any]] = [
        {
            "number": trial.number,
            "state": trial.state.name.lower(),
            "validation_macro_f1": trial.value,
            "epochs": trial.last_step,
            "values": _values(trial.params, job.recipe),
            "complaint": trial.user_attrs.get(COMPLAINT),
        }
        for trial in study.get_trials(deepcopy=False)
    ]
    trials.sort(key=_place)
    write_json({"trials": trials}, job.search / TRIALS_FILE)
    if not trials or trials[0]["state"] != "complete":
        complaints = [one["complaint"] for one in trials if one["complaint"]]
        raise InputError(
            f"search: no trial could be trained to its end; {complaints[-1] if complaints else 'see above'} "
            f"(correct search.space, or remove {job.search} to try the same again)"
        )
    best = with_values(job.recipe, trials[0]["values"], "best trial")
    write_text(job.search / BEST_FILE, best.model_copy(update={"search": type(best.search)()}).to_toml())
    return Found(trials, job.search / BEST_FILE)


def _place(one: dict[str, Any]) -> tuple[bool, float, int]:
    """Sorts trials: those that were trained to their end by their score, then the others by theirs."""
    score = one["validation_macro_f1"]
    return one["state"] != "complete", -1.0 * (-1.0 if score is None else score), one["number"]


def _values(params: dict[str, Any], recipe: Recipe) -> dict[str, Any]:
    space = recipe.search.space
    return {key: json.loads(value) if isinstance(space[key], list) else value for key, value in params.items()}
