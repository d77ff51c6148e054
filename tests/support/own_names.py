"""A folder in which a user's own files are called as our top-level folders are."""

import os
import re
import shlex
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.support.command import ROOT

NAMES = ("export", "teachers", "students", "corpora", "tests")
FILES = ("export", "teachers")
WRONG = "raise SystemExit('the wrong module was imported')"
TEXTS = ("i can't do this anymore", "thank you, that helped")


def readme_script() -> str:
    """Return the README's Python lines."""
    (script,) = re.findall(r"```python\n(.*?)```", _readme(), flags=re.DOTALL)
    return str(script)


def readme_commands(verbs: Sequence[str]) -> Iterator[list[str]]:
    """Yield the README's shell lines with one of these verbs, each as `distill` and its arguments."""
    lines = re.findall(r"^    \.venv/bin/(distill .*?)(?:  +#.*)?$", _readme(), flags=re.MULTILINE)
    for line in [*lines, *re.findall(r"`(distill [^`]*)`", _readme())]:
        command = shlex.split(line)
        if command[1] in verbs and len(command) > 2:
            yield command


def _readme() -> str:
    return (ROOT / "README.md").read_text(encoding="utf-8")


def check_beside_own_names(scripts: Path, bundle: Path, folder: Path, verbs: Sequence[str]) -> None:
    """Run the README's Python and shell lines in a folder with such files, and with such packages on the path.

    Args:
        scripts: folder of the environment's `python` and `distill`.
        bundle: a bundle.
        folder: an empty one.
        verbs: of the README's shell lines that are run: a base install has fewer, and `run` takes minutes.
    """
    (folder / "bundle").symlink_to(bundle)
    (folder / "script.py").write_text(readme_script())
    (folder / "rows.csv").write_text(
        "text,label\n" + "".join(f'"{TEXTS[row % 2]} {row}",{("low", "glad")[row % 2]}\n' for row in range(200))
    )
    installed_elsewhere = folder / "elsewhere"
    for name in NAMES:
        (installed_elsewhere / name).mkdir(parents=True)
        (installed_elsewhere / name / "__init__.py").write_text(WRONG)
        if name in FILES:  # a folder of the same name would hide the file
            (folder / f"{name}.py").write_text(WRONG)
        else:
            (folder / name).mkdir()
            (folder / name / "__init__.py").write_text(WRONG)
    from_readme = list(readme_commands(verbs))
    assert {command[1] for command in from_readme} == set(verbs)
    for command in (
        ["python", "script.py"],
        ["python", "-c", readme_script()],
        # `distill` alone would not look for modules in the working directory
        *(["python", "-m", *command] for command in from_readme),
        ["distill", "verify", "bundle"],
    ):
        if "--out" in command:  # `init` overwrites nothing
            (folder / command[command.index("--out") + 1]).unlink(missing_ok=True)
        done = subprocess.run(
            [str(scripts / command[0]), *command[1:]],
            capture_output=True,
            text=True,
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(installed_elsewhere)},
            check=False,
        )
        assert done.returncode == 0, (command, done.stderr)
        assert done.stdout.strip(), command
