"""Files that only a release uses: they say what pyproject.toml and the Makefile say."""

import re
import tomllib

import pytest
import yaml

from tests.support.command import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def test_the_conda_recipe_asks_for_what_the_wheel_asks_for() -> None:
    recipe = yaml.safe_load((ROOT / "deploy/conda/recipe.yaml").read_text(encoding="utf-8"))
    assert recipe["context"]["version"] == PROJECT["version"]
    assert recipe["package"]["name"] == PROJECT["name"]
    assert recipe["build"]["python"]["entry_points"] == [f"distill = {PROJECT['scripts']['distill']}"]
    # the bound for a newer Python is the index's own: conda has no older build of numpy for it
    asked_of_all = (part for part in PROJECT["dependencies"] if "python_version >=" not in part)
    wanted = {part.partition(";")[0].strip() for part in asked_of_all}
    asked = {part.replace(" ", "") for part in recipe["requirements"]["run"]}
    assert asked == wanted | {f"python{PROJECT['requires-python']}"}


@pytest.mark.parametrize("place", [".ci/run", ".github/workflows/release.yml"])
def test_ci_calls_targets_that_are_there(place: str) -> None:
    lines = (ROOT / place).read_text(encoding="utf-8").splitlines()
    text = "\n".join(line for line in lines if not line.startswith("#"))
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    called = set(re.findall(r"\bmake ([a-z-]+)", text))
    assert called
    assert called <= targets


def test_the_workflow_publishes_nothing_that_was_not_checked() -> None:
    jobs = yaml.safe_load((ROOT / ".github/workflows/release.yml").read_text(encoding="utf-8"))["jobs"]
    runs = [step.get("run", "") for step in jobs["build"]["steps"]]
    assert jobs["publish"]["needs"] == "build"
    assert runs.index(".ci/run") < runs.index("make packages")
    assert "run" not in {key for step in jobs["publish"]["steps"] for key in step}
