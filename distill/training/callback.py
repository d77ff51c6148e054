"""What stands beside a training: it logs, judges once an epoch, keeps the best weights, and writes checkpoints."""

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
from distill.training.checkpoints import checkpoint_folder, cut_metrics, latest_checkpoint, mark_whole, step_of

METRICS_FILE = "metrics.jsonl"

# in a checkpoint, beside what transformers keeps there
BEST_FILE = "best.safetensors"

WATCH_FILE = "watch.json"

# a training that took less is sooner repeated than saved at its end
LAST_SAVE_SECONDS = 10.0


@dataclass(frozen=True)
class Settings:
    """How long and in which steps to train."""

    max_steps: int
    steps_per_epoch: int
    batch_size: int
    warmup: float
    patience: int
    seed: int
    checkpoint_seconds: float = 300.0
    bf16: bool = False  # multiplies in it, where the device is faster so


class Watch(TrainerCallback):  # type: ignore[misc]
    """Logs, judges once an epoch, keeps the best weights, stops when nothing gets better or when it is asked to.

    Args:
        model: what is trained, in place.
        evaluate: called once an epoch; its `headline` decides which weights are kept. When a stop is asked for it
            may raise KeyboardInterrupt: the epoch is then judged by whoever goes on.
        settings: steps, patience and how often to save.
        folder: gets `metrics.jsonl`, one line a logging step, and the checkpoints.
        progress: told how many steps were done since the last call, and a line of news.
        headline: the key in what `evaluate` returns, and its title for a reader; greater is better.
        stop: whether somebody wants to stop; the training then saves and ends.
    """

    def __init__(
        self,
        model: nn.Module,
        evaluate: Callable[[], dict[str, float]],
        settings: Settings,
        folder: Path,
        progress: Callable[[int, str], None] | None = None,
        stop: StopRequest | None = None,
        headline: tuple[str, str] = ("macro_f1", "macro-F1"),
    ) -> None:
        self.checkpoints = folder / UNFINISHED
        self.stop = stop or StopRequest()
        self._model, self._evaluate, self._settings = model, evaluate, settings
        self._file, self._progress = folder / METRICS_FILE, progress
        self._headline, self._title = headline
        self._best_state: dict[str, Tensor] = {}
        self._worse, self._judged = 0, True
        self._saved = time.monotonic()
        self.best_step, self.best_score = 0, -math.inf

    def begin(self) -> Path | None:
        """Go on from the newest whole checkpoint, if there is one; gives where it is."""
        checkpoint = latest_checkpoint(self.checkpoints)
        if checkpoint is None:
            self._file.unlink(missing_ok=True)
            return None
        step, watched = step_of(checkpoint), read_json(checkpoint / WATCH_FILE)
        cut_metrics(self._file, step, judged=watched["judged"])
        if (checkpoint / BEST_FILE).is_file():
            self.best_step, self.best_score = watched["best_step"], watched["best_score"]
            self._best_state = load_file(checkpoint / BEST_FILE)
        self._worse = watched["worse"]
        if self._progress is not None:
            self._progress(step, "")
        if not watched["judged"]:
            self._model.load_state_dict(load_file(checkpoint / SAFE_WEIGHTS_NAME))
            self._take(step, self._evaluate())
        return checkpoint

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float] | None = None, **_: Any) -> None:
        """Write the loss down; one that is not finite ends the training."""
        if logs and "loss" in logs:
            if not math.isfinite(logs["loss"]):
                raise DistillError(f"the loss is not finite at step {state.global_step}; lower the learning rates")
            self._write({"step": state.global_step, "loss": logs["loss"], "learning_rate": logs["learning_rate"]})

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Judge at the end of an epoch, and ask for a checkpoint when the last one is old."""
        step = state.global_step
        if self._progress is not None:
            news = f"validation {self._title} {self.best_score:.3f}" if self._best_state else ""
            self._progress(1, news)
        if step % self._settings.steps_per_epoch == 0 or step == self._settings.max_steps:
            self._judge(step)
            # or the Trainer's own stop at the last step would be undone
            control.should_training_stop = control.should_training_stop or self.exhausted
        pause = self._settings.checkpoint_seconds
        if self.exhausted or step == self._settings.max_steps:
            pause = min(pause, LAST_SAVE_SECONDS)
        control.should_save = self.stop.asked or time.monotonic() - self._saved >= pause
        control.should_training_stop = control.should_training_stop or self.stop.asked

    def _judge(self, step: int) -> None:
        try:
            self._take(step, self._evaluate())
        except KeyboardInterrupt:
            if not self.stop.asked:
                raise
            self._judged = False

    def _take(self, step: int, scores: dict[str, float]) -> None:
        """Keep the weights if these scores are the best."""
        self._write({"step": step, **scores})
        if scores[self._headline] > self.best_score:
            self.best_step, self.best_score, self._worse = step, scores[self._headline], 0
            state_dict = self._model.state_dict()
            self._best_state = {name: tensor.detach().cpu().clone() for name, tensor in state_dict.items()}
        else:
            self._worse += 1

    @property
    def exhausted(self) -> bool:
        """Whether validation has not got better for as long as was allowed."""
        return self._worse >= self._settings.patience

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Add the best weights so far to what transformers has written, and call the checkpoint whole."""
        checkpoint = checkpoint_folder(Path(args.output_dir), state.global_step)
        watched: dict[str, Any] = {"worse": self._worse, "judged": self._judged}
        if self._best_state:
            watched |= {"best_step": self.best_step, "best_score": self.best_score}
            save_file(self._best_state, checkpoint / BEST_FILE)
        write_json(watched, checkpoint / WATCH_FILE)
        mark_whole(checkpoint)
        self._saved = time.monotonic()

    def restore(self) -> None:
        """Put the best weights back."""
        self._model.load_state_dict(self._best_state)

    def _write(self, line: dict[str, float]) -> None:
        with self._file.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(line) + "\n")
