"""The wheel alone in a fresh environment, outside the checkout: it predicts, and there is no torch."""

import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from tests.support.command import ROOT
from tests.support.own_names import check_beside_own_names

pytestmark = pytest.mark.slow

PACKAGES = ("distill", "teachers", "students", "corpora", "export")
PACKAGING = ("pyproject.toml", "setup.py", "README.md", "LICENSE")


def run(*command: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    return subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, cwd=cwd, env=environment, check=False
    )


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The scripts of an environment with nothing but the base install and the wheel, built out of the sdist."""
    place = tmp_path_factory.mktemp("wheel")
    for name in PACKAGES:
        shutil.copytree(ROOT / name, place / "source" / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in PACKAGING:
        shutil.copy(ROOT / name, place / "source" / name)
    code = "from setuptools.build_meta import build_sdist; build_sdist('..')"
    packed = run(sys.executable, "-c", code, cwd=place / "source")
    assert packed.returncode == 0, packed.stderr
    built = run(
        sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", place,
        next(place.glob("distill_text-*.tar.gz")), cwd=place,
    )  # fmt: skip
    assert built.returncode == 0, built.stderr
    venv.create(place / "venv")
    scripts = place / "venv" / "bin"
    constraints = ROOT / "constraints.txt"
    pip = (sys.executable, "-m", "pip", "--python", scripts / "python")
    probe = run(*pip, "download", "-q", "--no-deps", "-c", constraints, "-d", place, "rich", cwd=place)
    if probe.returncode:
        pytest.skip("no package index can be reached")
    wheel = next(place.glob("distill_text-*.whl"))
    done = run(*pip, "install", "-q", "-c", constraints, wheel, cwd=place)
    assert done.returncode == 0, done.stderr
    return scripts


@pytest.mark.timeout(900)
def test_the_wheel_alone_decides_and_holds_no_torch(installed: Path, runs: Path, tmp_path: Path) -> None:
    shutil.copytree(runs / "bundle", tmp_path / "bundle")
    answer = run(installed / "distill", "predict", "bundle", "thank you so much!", "--json", cwd=tmp_path)
    assert answer.returncode == 0, answer.stderr
    assert '"scores"' in answer.stdout
    (tmp_path / "own.csv").write_text("text,labels\nthank you so much,gratitude\nnobody called,loneliness\n")
    for arguments in (
        ("verify", "bundle"),
        ("bench", "bundle", "--rounds", "1"),
        ("eval", "bundle", "own.csv"),
        ("diff", "bundle", "bundle", "own.csv"),
    ):
        done = run(installed / "distill", *arguments, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
    code = (
        "import distill, importlib.util as u; print([m for m in ('torch', 'onnx', 'datasets') if u.find_spec(m)])"
    )
    assert run(installed / "python", "-c", code, cwd=tmp_path).stdout.strip() == "[]"


DATA = ("report/word_lists", "report/templates", "recipe/packaged", "variants/templates", "variants/crisis_words")


def test_the_wheel_carries_recipes_templates_and_lists_of_words(installed: Path, tmp_path: Path) -> None:
    def files_in(root: Path) -> list[str]:
        files = (path for folder in DATA for path in (root / folder).rglob("*") if path.is_file())
        return sorted(path.relative_to(root).as_posix() for path in files if path.name != "README.md")

    code = "import distill; print(*distill.__path__)"
    carried = files_in(Path(run(installed / "python", "-c", code, cwd=tmp_path).stdout.strip()))
    assert carried == files_in(ROOT / "distill")
    assert all(any(path.startswith(folder) for path in carried) for folder in DATA)


def test_the_wheel_owns_one_name(installed: Path) -> None:
    packages = next((installed.parent / "lib").glob("python*/site-packages"))
    record = next(packages.glob("distill_text-*.dist-info")) / "RECORD"
    tops = {line.split(",")[0].split("/")[0] for line in record.read_text().splitlines()}
    assert {top for top in tops if not top.endswith(".dist-info") and top != ".."} == {"distill"}


def test_the_wheel_says_that_it_is_typed(installed: Path) -> None:
    package = next((installed.parent / "lib").glob("python*/site-packages")) / "distill"
    marked = {path.parent.name for path in package.rglob("py.typed")}
    assert marked == set(PACKAGES)


def test_the_wheel_ignores_a_users_files_of_the_same_names(installed: Path, runs: Path, tmp_path: Path) -> None:
    check_beside_own_names(installed, runs / "bundle", tmp_path, ("predict",))


def test_a_verb_whose_extra_is_missing_names_the_command(installed: Path, tmp_path: Path) -> None:
    done = run(installed / "distill", "run", "smoke", cwd=tmp_path)
    assert done.returncode == 2
    assert 'pip install "distill_text-0.1.0-py3-none-any.whl[train]"' in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_the_base_install_weighs_no_more_than_it_may(installed: Path) -> None:
    """Without pip, which the environment brought: 240 MB on Linux, most of it numpy, onnxruntime and its needs."""
    packages = next((installed.parent / "lib").glob("python*/site-packages"))
    files = [path for path in packages.rglob("*") if path.is_file() and path.parts[len(packages.parts)] != "pip"]
    megabytes = sum(path.stat().st_size for path in files) / 1e6
    assert 100 < megabytes <= 240
    print(f"{megabytes:.0f} MB of site-packages")
