"""The public names: a new one is a decision, and one that goes breaks somebody."""

import subprocess
import sys

import pytest

import distill

BASE = [
    "BundleError", "CheckFailedError", "Classifier", "Conversation", "DistillError", "InputError",
    "MissingExtraError", "Monitor", "Prediction", "ResourceError", "Turn",
    "__version__", "bench", "evaluate", "load", "verify",
]  # fmt: skip
TRAIN = ["DistilledClassifier", "Recipe", "Run", "train"]


def test_the_public_names_are_these() -> None:
    assert sorted(distill.__all__) == sorted(BASE + TRAIN) == distill.__dir__()
    assert distill.__all__ == sorted(distill.__all__)


def test_every_name_is_there_and_is_no_module() -> None:
    import distill.cli.app  # imports packages that could hide a name

    for name in distill.__all__:
        assert not isinstance(getattr(distill, name), type(sys)), name
    assert not hasattr(distill, "trian")


@pytest.mark.parametrize("name", ["load", "evaluate", "bench", "Run"])
def test_the_base_install_offers_a_name_without_torch(name: str) -> None:
    code = f"import sys, distill; distill.{name}; print('torch' in sys.modules, 'pydantic' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]


def test_a_missing_extra_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("distill.files.extras.find_spec", lambda module: None)
    with pytest.raises(distill.MissingExtraError, match=r'pip install "distill_text-.*\.whl\[train\]"'):
        distill.train("smoke")
