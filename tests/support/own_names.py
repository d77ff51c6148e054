"""A folder in which a user's own files are called as our top-level folders are."""

import os
import subprocess
from pathlib import Path

NAMES = ("export", "teachers", "students", "corpora", "tests")
FILES = ("export", "teachers")
WRONG = "raise SystemExit('the wrong module was imported')"
SCRIPT = """\
import distill

classifier = distill.load("bundle")
print([prediction.labels for prediction in classifier.predict(["thank you so much!"])])
"""


def check_beside_own_names(scripts: Path, bundle: Path, folder: Path) -> None:
    """Run the README's Python and shell lines in a folder with such files, and with such packages on the path."""
    (folder / "bundle").symlink_to(bundle)
    (folder / "script.py").write_text(SCRIPT)
    installed_elsewhere = folder / "elsewhere"
    for name in NAMES:
        (installed_elsewhere / name).mkdir(parents=True)
        (installed_elsewhere / name / "__init__.py").write_text(WRONG)
        if name in FILES:  # a folder of the same name would hide the file
            (folder / f"{name}.py").write_text(WRONG)
        else:
            (folder / name).mkdir()
            (folder / name / "__init__.py").write_text(WRONG)
    for command in (
        [scripts / "python", "script.py"],
        [scripts / "python", "-c", SCRIPT],
        [scripts / "distill", "predict", "bundle", "thank you so much!"],
        [scripts / "python", "-m", "distill", "predict", "bundle", "thank you so much!"],
        [scripts / "distill", "verify", "bundle"],
    ):
        done = subprocess.run(
            [str(part) for part in command],
            capture_output=True,
            text=True,
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(installed_elsewhere)},
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout.strip(), command
