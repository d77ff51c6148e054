"""Arrows of import point down the floors of docs/ARCHITECTURE.md, and the base install needs no torch."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
# top to bottom; packages of one floor do not import each other
FLOORS = (
    ("cli",),
    ("api",),
    ("pipeline",),
    ("report",),
    ("planning", "search", "timing", "serving"),
    ("training", "variants"),
    ("labelling",),
    ("artifacts", "bundles", "hub"),
    ("evaluation", "objectives", "runs"),
    ("recipe", "files"),
    ("students",),
    ("teachers",),
    ("corpora",),
    ("export",),
)
FLOOR = {package: floor for floor, packages in enumerate(FLOORS) for package in packages}
OUTSIDE = ("corpora", "export", "students", "teachers")
HEAVY = (
    "torch", "transformers", "onnx", "optimum", "pydantic", "datasets", "sklearn", "scipy", "pyarrow",
    "accelerate", "matplotlib", "safetensors", "tomli_w", "filelock", "jinja2",
)  # fmt: skip
# folders of tests that belong to no package
TESTS_OF_SEVERAL = {"benchmarks", "browser", "campaigns", "examples", "golden", "packaging"}
TRAINING = ("loop", "callback", "batches", "checkpoints")


def modules() -> dict[str, Path]:
    """Every module of the product by its dotted name."""
    found = {}
    for top in ("distill", *OUTSIDE):
        for path in (ROOT / top).rglob("*.py"):
            parts = path.relative_to(ROOT).with_suffix("").parts
            name = ".".join(parts if top == "distill" else ("distill", *parts))
            found[name.removesuffix(".__init__")] = path
    return found


MODULES = modules()


def imports_of(path: Path) -> set[str]:
    """All modules that a file imports, at its top or inside of a function."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            whole = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name if name in MODULES else node.module for name in whole}
    return found


def whole_names(path: Path) -> set[str]:
    """All names that a file imports, each with the module that it is from."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def package_of(module: str) -> str:
    return module.split(".")[1] if "." in module else ""


@pytest.mark.parametrize("package", sorted(FLOOR))
def test_no_package_imports_one_above_or_beside_it(package: str) -> None:
    for module, path in MODULES.items():
        if package_of(module) != package:
            continue
        for name in imports_of(path):
            other = package_of(name) if name.split(".")[0] == "distill" else package
            if other not in (package, ""):
                assert FLOOR[other] > FLOOR[package], f"{module} imports {name}"


def test_every_folder_has_a_floor() -> None:
    assert {package_of(name) for name in MODULES} - {"", "__main__"} == set(FLOOR)


def test_every_package_has_a_folder_of_tests() -> None:
    tests = ROOT / "tests"
    folders = {path.relative_to(tests).parts[0] for path in tests.glob("*/**/test_*.py")}
    assert folders == set(FLOOR) | TESTS_OF_SEVERAL


def test_no_circles() -> None:
    arrows = {m: {n for n in imports_of(p) if n in MODULES and n != m} for m, p in MODULES.items()}
    while True:
        leaves = {m for m, targets in arrows.items() if not targets}
        if not leaves:
            break
        arrows = {m: targets - leaves for m, targets in arrows.items() if m not in leaves}
    assert not arrows, f"these import each other: {sorted(arrows)}"


def test_nothing_is_imported_by_a_bare_top_level_name() -> None:
    for module, path in MODULES.items():
        assert not {name.split(".")[0] for name in imports_of(path)} & {*OUTSIDE, "tests"}, module


def test_only_the_command_line_imports_what_distill_offers() -> None:
    """`from distill import train` leads up from any package, whichever it is in."""
    users = {package_of(module) for module, path in MODULES.items() if "distill" in imports_of(path)}
    assert users <= {"cli"}


def test_every_import_can_be_read() -> None:
    """An arrow that is a string at run time, or relative, would be none to this file."""
    for module, path in MODULES.items():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            assert not (isinstance(node, ast.ImportFrom) and node.level), module
            assert not (isinstance(node, ast.Name) and node.id == "__import__"), module
        by_string = {"importlib", "importlib.import_module", "runpy", "pkgutil"} & whole_names(path)
        assert not by_string or module == "distill", f"{module} uses {by_string}"


def test_the_runtime_imports_nothing_outside_itself() -> None:
    for module, path in MODULES.items():
        if module.startswith("distill.export.runtime"):
            ours = {name for name in imports_of(path) if name.split(".")[0] == "distill"}
            assert all(name.startswith("distill.export.runtime") for name in ours), module


def test_the_service_imports_the_runtime_alone() -> None:
    for module, path in MODULES.items():
        if module.startswith("distill.serving"):
            ours = {name for name in imports_of(path) if name.split(".")[0] == "distill"}
            assert all(name.startswith(("distill.export.runtime", "distill.serving")) for name in ours), module


@pytest.mark.parametrize("module", TRAINING)
def test_the_training_loop_knows_neither_teachers_nor_students(module: str) -> None:
    used = {package_of(name) for name in imports_of(MODULES[f"distill.training.{module}"]) if "distill." in name}
    assert not used & {"teachers", "students"}


def test_optimum_is_used_in_one_module_only() -> None:
    users = [m for m, path in MODULES.items() if any(n.split(".")[0] == "optimum" for n in imports_of(path))]
    assert users == ["distill.export.graph.from_torch"]


@pytest.mark.parametrize(
    "statement",
    [
        "import distill",
        "import distill; distill.evaluate, distill.bench",
        "import distill.export.runtime",
        "import distill.cli.app",
        "import distill.bundles.predict, distill.bundles.evaluate",
        "import distill.evaluation.metrics",
        "import distill.timing.bundles",
    ],
)
def test_the_base_imports_nothing_heavy(statement: str) -> None:
    code = f"import sys; {statement}; print([m for m in {HEAVY!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"


def test_no_pickle_and_no_remote_code() -> None:
    for module, path in MODULES.items():
        text = path.read_text(encoding="utf-8")
        assert "trust_remote_code=True" not in text, module
        assert not {"pickle", "joblib", "dill"} & {n.split(".")[0] for n in imports_of(path)}, module
