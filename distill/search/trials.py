"""Trials: recipe values tried on validation with Optuna (arXiv 1907.10902), and the best ones as a recipe.

The corpus, the teachers and their labels are the run's own and stay as they are; each trial trains one student.
"""

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, Trial, TrialState

from distill.artifacts.trials import BEST_FILE, TrialRecord, Trials, score_key
from distill.evaluation.evaluators import EVALUATORS
from distill.export.runtime.errors import DistillError, InputError, ResourceError
from distill.files.atomic import write_text
from distill.recipe.load import with_values
from distill.recipe.recipe import Recipe
from distill.recipe.student import Span
from distill.runs.fingerprints import recipe_hash
from distill.runs.interrupts import StopRequest
from distill.runs.progress import Reporter

JOURNAL_FILE = "journal.log"

TRIALS_FOLDER = "trials"

# trials that are trained to their end before any is pruned for being worse than the median at the same epoch
UNPRUNED = 4

# Optuna's attribute that says why a trial failed; one that was killed has none
COMPLAINT = "complaint"

# Trains the student of a recipe in a folder, calls a function with the validation score of each epoch, and returns
# the best of these scores. The function may raise, which ends the training.
TrialTraining = Callable[[Recipe, Path, Callable[[float], None]], float]


@dataclass(frozen=True)
class Search:
    """A search in progress.

    Attributes:
        folder: the journal, and the folders of trials that are being trained.
        recipe: whose [search] says what to try, and how often.
        train: trains one trial.
        reporter: shows a bar and the complaints of failed trials.
        stop: tells whether the user asked to stop.
    """

    folder: Path
    recipe: Recipe
    train: TrialTraining
    reporter: Reporter
    stop: StopRequest

    def run(self, labels: Mapping[str, str]) -> Trials:
        """Train trials until there are as many as the recipe asks for, earlier commands' trials included.

        The caller holds the run's lock.

        Args:
            labels: the hash of every set of soft labels, by its stage's name: other labels are another search.

        Returns:
            All trials, which are also written to `trials.json`, with the best one's recipe in `best.toml`.

        Raises:
            InputError: no trial could be trained.
            KeyboardInterrupt: the user stopped it; the same call resumes it.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(self.folder / TRIALS_FOLDER, ignore_errors=True)  # of a trial that was killed
        _mend(self.folder / JOURNAL_FILE)
        asked = self.recipe.search.trials
        with _quiet_optuna():
            study = self._study(labels)
            for killed in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
                study.tell(killed.number, state=TrialState.FAIL)
            done = min(_ended(study), asked)
            with self.reporter.bar("search", asked) as advance:
                advance(done)
                for _ in range(done, asked):
                    self._try(study)
                    advance(1)
            return self._write(study)

    def _study(self, labels: Mapping[str, str]) -> optuna.Study:
        """Open the study of exactly this search: another recipe, corpus or teacher begins one of its own."""
        identity = {
            "recipe": recipe_hash(self.recipe),
            "space": self.recipe.search.model_dump(mode="json")["space"],
            "labels": dict(labels),
        }
        name = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:16]
        return optuna.create_study(
            study_name=name,
            storage=JournalStorage(JournalFileBackend(str(self.folder / JOURNAL_FILE))),
            direction="maximize",
            load_if_exists=True,
            pruner=optuna.pruners.MedianPruner(n_startup_trials=UNPRUNED),
        )

    def _try(self, study: optuna.Study) -> None:
        # A new sampler for each trial: what it draws depends on the trials that ended before, and neither on who
        # made them nor on how often one was killed.
        study.sampler = optuna.samplers.TPESampler(seed=self.recipe.seed + _ended(study))
        trial = study.ask()
        values = draw(trial, self.recipe.search.space)
        if _copy_earlier(study, trial):
            return
        folder = self.folder / TRIALS_FOLDER / f"{trial.number:04d}"
        folder.mkdir(parents=True)
        try:
            recipe = with_values(self.recipe, values, f"trial {trial.number}")
            score = self.train(recipe, folder, _pruning(trial))
        except optuna.TrialPruned:
            study.tell(trial, state=TrialState.PRUNED)
        except ResourceError:
            raise
        except DistillError as error:  # values that do not go together, or that no training survives
            self.reporter.say(f"  {error}")
            trial.set_user_attr(COMPLAINT, str(error))
            study.tell(trial, state=TrialState.FAIL)
        else:
            self.stop.check()
            study.tell(trial, score)
        shutil.rmtree(folder)

    def _write(self, study: optuna.Study) -> Trials:
        """Write every trial as JSON, and the recipe with the best one's values."""
        records = [self._record(trial) for trial in study.get_trials(deepcopy=False)]
        trials = Trials(tuple(sorted(records, key=lambda record: record.rank)))
        trials.write(self.folder)
        best = next(iter(trials.trials), None)
        if best is None or not best.is_complete:
            complaints = [record.complaint for record in trials.trials if record.complaint]
            raise InputError(
                f"search: No trial could be trained to its end: {complaints[-1] if complaints else 'See above.'} "
                f"Correct search.space, or remove {self.folder} to try the same values again."
            )
        recipe = with_values(self.recipe, dict(best.values), "best trial")
        without_search = recipe.model_copy(update={"search": type(recipe.search)()})
        write_text(self.folder / BEST_FILE, without_search.to_toml())
        return trials

    def _record(self, trial: FrozenTrial) -> TrialRecord:
        space = self.recipe.search.space
        return TrialRecord(
            number=trial.number,
            state=trial.state.name.lower(),
            epochs=trial.last_step,
            values={
                key: json.loads(value) if isinstance(space[key], list) else value
                for key, value in trial.params.items()
            },
            complaint=trial.user_attrs.get(COMPLAINT),
            metrics={score_key(EVALUATORS[self.recipe.corpus.task].headline): trial.value},
        )


def draw(trial: Trial, space: Mapping[str, list[Any] | Span]) -> dict[str, object]:
    """Draw the values of one trial, by recipe key."""
    values: dict[str, object] = {}
    for key, choices in space.items():
        if isinstance(choices, list):  # Optuna's categories are plain values, and layers are lists
            categories = [json.dumps(choice) for choice in choices]
            values[key] = json.loads(str(trial.suggest_categorical(key, categories)))
        elif isinstance(choices.low, int) and isinstance(choices.high, int):
            values[key] = trial.suggest_int(key, choices.low, choices.high, log=choices.log)
        else:
            values[key] = trial.suggest_float(key, choices.low, choices.high, log=choices.log)
    return values


@contextmanager
def _quiet_optuna() -> Iterator[None]:
    """Silence Optuna's notices while a search runs."""
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(verbosity)


def _pruning(trial: Trial) -> Callable[[float], None]:
    """Return a function that reports the score of each epoch, and ends a training that is worse than most."""
    epochs = 0

    def report(score: float) -> None:
        nonlocal epochs
        epochs += 1
        trial.report(score, epochs)
        if trial.should_prune():
            raise optuna.TrialPruned

    return report


def _mend(journal: Path) -> None:
    """Cut off the partial line that a killed process may have left, which no reader gets past."""
    if not journal.is_file():
        return
    with journal.open("r+b") as file:
        lines = file.read()
        file.truncate(lines.rfind(b"\n") + 1)


def _ended(study: optuna.Study) -> int:
    """Return the number of trials that were not killed, whether they succeeded or failed."""
    return sum(
        trial.state in (TrialState.COMPLETE, TrialState.PRUNED) or COMPLAINT in trial.user_attrs
        for trial in study.get_trials(deepcopy=False)
    )


def _copy_earlier(study: optuna.Study, trial: Trial) -> bool:
    """Copy the score of an earlier trial with the same values: the same training would end in the same score.

    Returns:
        Whether there was one.
    """
    for earlier in study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)):
        if earlier.params == trial.params and earlier.value is not None:
            for epoch, score in earlier.intermediate_values.items():
                trial.report(score, epoch)
            study.tell(trial, earlier.value)
            return True
    return False
