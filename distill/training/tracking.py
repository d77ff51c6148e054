"""Trackers of a training: transformers' own integrations, which are given names and numbers and nothing else.

TensorBoard, MLflow and Weights & Biases write into the run's folder and open no connection, unless the user's
environment says otherwise (MLFLOW_TRACKING_URI, WANDB_MODE).
"""

import copy
import os
from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from distill.export.runtime.errors import MissingExtraError

# of the arguments of a training that a tracker stores, those that are places on this machine
PLACES = ("output_dir", "logging_dir")


def require_trackers(names: Sequence[str]) -> None:
    """Refuse trackers that are not installed, before anything is trained.

    Raises:
        MissingExtraError: names the key and the command.
    """
    for name in names:
        if find_spec(name) is None:
            raise MissingExtraError(
                f"track.{name}: The package {name} is not installed. Install it with `pip install {name}`, "
                "or set the key to false."
            )


class Trackers:
    """Integrations of one training, which see its arguments and logged numbers and never its model or rows.

    Args:
        integrations: callbacks of transformers.
        name: of the training in them.
        finish: called behind the end of the training, where an integration leaves its run open for the next one.
    """

    def __init__(
        self, integrations: Sequence[Any] = (), name: str = "", finish: Sequence[Callable[[], object]] = ()
    ) -> None:
        self._integrations, self._name, self._finish = integrations, name, finish
        self._args: Any = None

    def begin(self, args: Any, state: Any, control: Any) -> None:
        """Pass the beginning of the training on."""
        self._args = copy.copy(args)
        self._args.run_name = self._name
        for place in PLACES:
            setattr(self._args, place, self._name)
        for each in self._integrations:
            each.on_train_begin(self._args, state, control)

    def log(self, state: Any, control: Any, numbers: Mapping[str, float]) -> None:
        """Pass on what was measured at a step."""
        for each in self._integrations:
            each.on_log(self._args, state, control, logs=dict(numbers))

    def end(self, state: Any, control: Any) -> None:
        """Pass the end of the training on."""
        for each in self._integrations:
            each.on_train_end(self._args, state, control)
        for finish in self._finish:
            finish()


def open_trackers(names: Sequence[str], folder: Path, training: str) -> Trackers:
    """Return the trackers of one training.

    Args:
        names: of TRACKERS.
        folder: where they write.
        training: its name in them, such as `student`.
    """
    integrations = [TRACKERS[name](folder / name, training) for name in names]
    return Trackers(integrations, training, [_finish_wandb] if "wandb" in names else [])


def _tensorboard(folder: Path, training: str) -> Any:
    from torch.utils.tensorboard import SummaryWriter
    from transformers.integrations import TensorBoardCallback

    return TensorBoardCallback(SummaryWriter(str(folder / training)))


def _mlflow(folder: Path, _training: str) -> Any:
    from transformers.integrations import MLflowCallback

    folder.mkdir(parents=True, exist_ok=True)
    os.environ.setdefault("MLFLOW_TRACKING_URI", f"sqlite:///{folder.resolve()}/mlflow.db")
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    return MLflowCallback()


def _wandb(folder: Path, _training: str) -> Any:
    from transformers.integrations import WandbCallback

    folder.mkdir(parents=True, exist_ok=True)
    usual = {
        "MODE": "offline",
        "DIR": str(folder.resolve()),
        "SILENT": "true",
        "CONSOLE": "off",
        "DISABLE_GIT": "true",
        "DISABLE_CODE": "true",
        "ERROR_REPORTING": "false",
    }
    for key, value in usual.items():
        os.environ.setdefault(f"WANDB_{key}", value)
    return WandbCallback()


def _finish_wandb() -> None:
    import wandb

    wandb.finish()


# named as the packages that they need
TRACKERS: Mapping[str, Callable[[Path, str], Any]] = {
    "tensorboard": _tensorboard,
    "mlflow": _mlflow,
    "wandb": _wandb,
}
