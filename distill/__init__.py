"""Text distillation, end to end: `distill.load(bundle)` opens what the pipeline made, without PyTorch."""

from importlib.metadata import PackageNotFoundError, version

from distill.export.runtime import Classifier, Prediction, load

try:
    __version__ = version("distill-text")
except PackageNotFoundError:  # run from a checkout that was never installed
    __version__ = "0+unknown"

__all__ = ["Classifier", "Prediction", "__version__", "load"]
