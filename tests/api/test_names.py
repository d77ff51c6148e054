"""The public names: a new one is a decision, and one that goes breaks somebody."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import distill
from tests.support.tiny_bundle import make_tiny_bundle

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


def test_a_bundle_is_given_as_a_folder_as_loaded_or_by_its_run(tmp_path: Path) -> None:
    bundle = make_tiny_bundle(tmp_path / "run" / "bundle")
    rows = tmp_path / "rows.csv"
    rows.write_text("text,labels\ni am happy,joy\nyou feel sad,sadness\n", encoding="utf-8")
    expected = distill.evaluate(bundle, rows)
    for given in (str(bundle), bundle.parent, distill.Run(bundle.parent), distill.load(bundle)):
        assert distill.evaluate(given, rows) == expected
    timed = distill.bench(distill.Run(bundle.parent), texts=["i am happy"], rounds=1, threads=[1])
    assert len(timed.bundles) == 1
    with pytest.raises(distill.BundleError, match=r"has no manifest.json. Give the bundle in it, .*bundle\."):
        distill.load(bundle.parent)


def test_what_is_no_bundle_or_file_is_refused_by_the_names_of_arguments(tmp_path: Path) -> None:
    bundle = make_tiny_bundle(tmp_path)
    rows = tmp_path / "rows.csv"
    rows.write_text("message,mood\ni am happy,joy\n", encoding="utf-8")
    wrong: Any = {"texts": []}
    for call in (lambda: distill.evaluate(wrong, rows), lambda: distill.bench(wrong)):
        with pytest.raises(distill.InputError, match="bundle: A dict is none. Pass a folder"):
            call()
    for call in (lambda: distill.load(wrong), lambda: distill.verify(wrong)):
        with pytest.raises(distill.InputError, match="path: A dict is not a path"):
            call()
    with pytest.raises(distill.InputError, match="file: This must be the path of a file, but is dict"):
        distill.evaluate(bundle, wrong)
    with pytest.raises(distill.InputError, match="no column 'text', which text asks for"):
        distill.evaluate(bundle, rows)
    with pytest.raises(distill.InputError, match="mapping: joy is mapped to fun"):
        distill.evaluate(bundle, rows, text="message", labels="mood", mapping={"joy": "fun"})
