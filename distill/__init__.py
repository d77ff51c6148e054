"""Text distillation, end to end: `distill.load(bundle)` opens what the pipeline made, without PyTorch.

What is listed in `__all__` is public. `train`, `Run`, `Recipe` and `DistilledClassifier` need the train extra.
Everything but the runtime is imported when its name is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from distill.export.runtime import (
    BundleError,
    CheckFailedError,
    Classifier,
    Conversation,
    DistillError,
    InputError,
    MissingExtraError,
    Prediction,
    ResourceError,
    Turn,
    verify,
)
from distill.hub.load import load

if TYPE_CHECKING:
    from distill.api.bundles import bench, evaluate
    from distill.api.estimator import DistilledClassifier
    from distill.api.run import Run
    from distill.api.training import train
    from distill.export.runtime.watching.monitor import Monitor
    from distill.recipe.recipe import Recipe

    __version__: str

__all__ = [
    "BundleError",
    "CheckFailedError",
    "Classifier",
    "Conversation",
    "DistillError",
    "DistilledClassifier",
    "InputError",
    "MissingExtraError",
    "Monitor",
    "Prediction",
    "Recipe",
    "ResourceError",
    "Run",
    "Turn",
    "__version__",
    "bench",
    "evaluate",
    "load",
    "train",
    "verify",
]

# the module of each name that is imported when it is first used
_LATER = {
    "DistilledClassifier": "distill.api.estimator",
    "Monitor": "distill.export.runtime.watching.monitor",
    "Recipe": "distill.recipe.recipe",
    "Run": "distill.api.run",
    "bench": "distill.api.bundles",
    "evaluate": "distill.api.bundles",
    "train": "distill.api.training",
}


def __getattr__(name: str) -> object:
    if name == "__version__":
        return _version()
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_LATER[name]), name)


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version  # a fifth of the seconds of `import distill`

    try:
        return version("distill-text")
    except PackageNotFoundError:  # run from a checkout that was never installed
        return "0+unknown"


def __dir__() -> list[str]:
    return sorted(__all__)
