"""The torch-free runtime: open a bundle, check it, predict with it."""

from distill.export.runtime.classifier import Classifier, load
from distill.export.runtime.conversation import Conversation
from distill.export.runtime.deciding.task import Prediction
from distill.export.runtime.errors import (
    BundleError,
    CheckFailedError,
    DistillError,
    InputError,
    MissingExtraError,
    ResourceError,
)
from distill.export.runtime.reading.rows import Turn
from distill.export.runtime.self_test import self_test, verify

__all__ = [
    "BundleError",
    "CheckFailedError",
    "Classifier",
    "Conversation",
    "DistillError",
    "InputError",
    "MissingExtraError",
    "Prediction",
    "ResourceError",
    "Turn",
    "load",
    "self_test",
    "verify",
]
