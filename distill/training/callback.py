"""Training callback: logs, evaluates once per epoch, keeps the best weights, writes checkpoints."""

import json
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import TrainerCallback
from transformers.utils import SAFE_WEIGHTS_NAME

from distill.export.runtime.errors import DistillError
from distill.files.json_files import read_json, write_json
from distill.runs.interrupts import StopRequest
from distill.runs.stage import UNFINISHED
from distill.training.checkpoints import checkpoint_folder, cut_metrics, latest_checkpoint, mark_complete, step_of
from distill.training.tracking import Trackers

METRICS_FILE = "metrics.jsonl"

# in a checkpoint, beside the files that transformers writes
BEST_FILE = "best.safetensors"

# the file, and its key for "the epoch of this checkpoint was evaluated"; both names are kept, because a training
# resumes from checkpoints that earlier versions wrote
STATE_FILE = "watch.json"
IS_EVALUATED = "judged"  # english: ok

# repeating a training that took less time is cheaper than saving it at its end
LAST_SAVE_SECONDS = 10.0


@dataclass(frozen=True)
class Resources:
    """Share of a machine that a training takes; neither steps nor losses depend on it.

    `processes` share each batch. Each reads `rows_per_pass` of its rows at once, all of them where it is None.
    `gradient_checkpointing` trades time for memory.
    """

    processes: int = 1
    rows_per_pass: int | None = None
    gradient_checkpointing: bool = False


@dataclass(frozen=True)
class TrainingSchedule:
    """Steps, batches and patience of a training; `bf16` where the device multiplies faster in it."""

    max_steps: int
    steps_per_epoch: int
    batch_size: int
    warmup: float
    patience: int
    seed: int
    checkpoint_seconds: float = 300.0
    bf16: bool = False
    resources: Resources = Resources()


class TrainingCallback(TrainerCallback):  # type: ignore[misc]
    """Logs, evaluates once per epoch, keeps the best weights, and stops without progress or on request.

    Args:
        model: the module that is trained, in place.
        evaluate: called once per epoch; its `headline` decides which weights are kept. After a request to stop
            it may raise KeyboardInterrupt: the epoch is then evaluated when the training resumes.
        schedule: steps, patience and how often to save.
        folder: receives `metrics.jsonl`, one line per logging step, and the checkpoints.
        progress: receives the number of steps since the last call, and a line of news.
        headline: the key in the result of `evaluate`, and its title for a reader; greater is better.
        stop: a request to stop; the training then saves and ends.
        on_epoch_end: receives the number and the headline of each epoch, and may end the training by an exception.
        trackers: get losses and headlines.
    """

    def __init__(
        self,
        model: nn.Module,
        evaluate: Callable[[], dict[str, float]],
        schedule: TrainingSchedule,
        folder: Path,
        progress: Callable[[int, str], None] | None = None,
        stop: StopRequest | None = None,
        headline: tuple[str, str] = ("macro_f1", "macro-F1"),
        on_epoch_end: Callable[[int, float], None] = lambda number, score: None,
        trackers: Trackers | None = None,
    ) -> None:
        self.checkpoints = folder / UNFINISHED
        self.stop = stop or StopRequest()
        self._model, self._evaluate, self._schedule = model, evaluate, schedule
        self._file, self._progress = folder / METRICS_FILE, progress
        self._headline, self._title = headline
        self._on_epoch_end, self._trackers = on_epoch_end, trackers or Trackers()
        self._best_state: dict[str, Tensor] = {}
        self._worse, self._evaluated = 0, True
        self._saved = time.monotonic()
        self.best_step, self.best_score, self._score = 0, -math.inf, -math.inf

    def begin(self) -> Path | None:
        """Resume from the newest complete checkpoint, if there is one, and return its folder."""
        checkpoint = latest_checkpoint(self.checkpoints)
        if checkpoint is None:
            self._file.unlink(missing_ok=True)
            return None
        step, state = step_of(checkpoint), read_json(checkpoint / STATE_FILE)
        cut_metrics(self._file, step, keep_scores=state[IS_EVALUATED])
        if (checkpoint / BEST_FILE).is_file():
            self.best_step, self.best_score = state["best_step"], state["best_score"]
            self._best_state = load_file(checkpoint / BEST_FILE)
        self._worse = state["worse"]
        if self._progress is not None:
            self._progress(step, "")
        if not state[IS_EVALUATED]:
            self._model.load_state_dict(load_file(checkpoint / SAFE_WEIGHTS_NAME))
            self._keep_best(step, self._evaluate())
        return checkpoint

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Pass the beginning on to the trackers."""
        self._trackers.begin(args, state, control)

    def on_train_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Pass the end on to the trackers."""
        self._trackers.end(state, control)

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float] | None = None, **_: Any) -> None:
        """Write the loss; a loss that is not finite ends the training."""
        if logs and "loss" in logs:
            if not math.isfinite(logs["loss"]):
                raise DistillError(
                    f"The loss is not finite at step {state.global_step}. Lower the learning rates."
                )
            numbers = {"loss": logs["loss"], "learning_rate": logs["learning_rate"]}
            self._write({"step": state.global_step, **numbers})
            self._trackers.log(state, control, numbers)

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Evaluate at the end of an epoch, and ask for a checkpoint when the last one is old."""
        step = state.global_step
        if self._progress is not None:
            news = f"validation {self._title} {self.best_score:.3f}" if self._best_state else ""
            self._progress(1, news)
        if step % self._schedule.steps_per_epoch == 0 or step == self._schedule.max_steps:
            if self._evaluate_epoch(step):
                self._trackers.log(state, control, {f"eval_{self._headline}": self._score})
            # does not undo the Trainer's own stop at the last step
            control.should_training_stop = control.should_training_stop or self.exhausted
        pause = self._schedule.checkpoint_seconds
        if self.exhausted or step == self._schedule.max_steps:
            pause = min(pause, LAST_SAVE_SECONDS)
        control.should_save = self.stop.asked or time.monotonic() - self._saved >= pause
        control.should_training_stop = control.should_training_stop or self.stop.asked

    def _evaluate_epoch(self, step: int) -> bool:
        """Evaluate and keep the best weights; return False where a request to stop came first."""
        try:
            self._keep_best(step, self._evaluate())
        except KeyboardInterrupt:
            if not self.stop.asked:
                raise
            self._evaluated = False
        return self._evaluated

    def _keep_best(self, step: int, scores: dict[str, float]) -> None:
        """Keep the weights if these scores are the best."""
        self._on_epoch_end(math.ceil(step / self._schedule.steps_per_epoch), scores[self._headline])
        self._score = scores[self._headline]
        self._write({"step": step, **scores})
        if scores[self._headline] > self.best_score:
            self.best_step, self.best_score, self._worse = step, scores[self._headline], 0
            state_dict = self._model.state_dict()
            self._best_state = {name: tensor.detach().cpu().clone() for name, tensor in state_dict.items()}
        else:
            self._worse += 1

    @property
    def exhausted(self) -> bool:
        """Return whether validation has not improved for as many epochs as `patience` allows."""
        return self._worse >= self._schedule.patience

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Add the best weights so far to the files of transformers, and mark the checkpoint as complete."""
        checkpoint = checkpoint_folder(Path(args.output_dir), state.global_step)
        written: dict[str, object] = {"worse": self._worse, IS_EVALUATED: self._evaluated}
        if self._best_state:
            written |= {"best_step": self.best_step, "best_score": self.best_score}
            save_file(self._best_state, checkpoint / BEST_FILE)
        write_json(written, checkpoint / STATE_FILE)
        mark_complete(checkpoint)
        self._saved = time.monotonic()

    def restore(self) -> None:
        """Put the best weights back."""
        self._model.load_state_dict(self._best_state)

    def _write(self, line: dict[str, float]) -> None:
        with self._file.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(line) + "\n")
