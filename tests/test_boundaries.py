"""Arrows of import point down: distill, students, teachers, corpora, export; and the base needs no torch."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
ORDER = ["distill", "students", "teachers", "corpora", "export"]
HEAVY = (
    "torch", "transformers", "onnx", "optimum", "pydantic", "datasets", "sklearn", "scipy", "pyarrow",
    "accelerate", "matplotlib", "safetensors", "tomli_w", "filelock",
)  # fmt: skip
TRAINING = ("trainer.py", "watch.py", "batches.py", "checkpoints.py", "objectives.py")


def imports_of(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
    return found


@pytest.mark.parametrize("package", ORDER)
def test_no_package_imports_one_above_it(package: str) -> None:
    above = set(ORDER[: ORDER.index(package)])
    if package == "export":
        above = set(ORDER) - {"export"}
    allowed = {"export.runtime.errors"}
    for path in (ROOT / package).rglob("*.py"):
        for name in imports_of(path) - allowed:
            assert name.split(".")[0] not in above, f"{path} imports {name}"


@pytest.mark.parametrize("module", TRAINING)
def test_the_training_loop_knows_neither_teachers_nor_students(module: str) -> None:
    used = {name.split(".")[0] for name in imports_of(ROOT / "distill" / module)}
    assert not used & {"teachers", "students"}


def test_optimum_is_used_in_one_module_only() -> None:
    users = [
        path
        for package in ORDER
        for path in (ROOT / package).rglob("*.py")
        if any(name.split(".")[0] == "optimum" for name in imports_of(path))
    ]
    assert [path.name for path in users] == ["graph.py"]


@pytest.mark.parametrize(
    "statement",
    [
        "import distill",
        "import export.runtime",
        "import distill.cli",
        "import distill.using",
        "import corpora.metrics",
    ],
)
def test_the_base_imports_nothing_heavy(statement: str) -> None:
    code = f"import sys; {statement}; print([m for m in {HEAVY!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"


def test_no_pickle_and_no_remote_code() -> None:
    for package in ORDER:
        for path in (ROOT / package).rglob("*.py"):
            text = path.read_text(encoding="utf-8")
            assert "trust_remote_code=True" not in text, path
            assert not {"pickle", "joblib", "dill"} & {n.split(".")[0] for n in imports_of(path)}, path
