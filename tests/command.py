"""The command line as a user runs it: in a process of its own."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def command_of(*arguments: str) -> list[str]:
    code = f"import sys; sys.path.insert(0, {str(ROOT)!r}); from distill.cli import main; main()"
    return [sys.executable, "-c", code, *arguments]


def distill(
    *arguments: str, stdin: str | None = None, cwd: Path | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command_of(*arguments), capture_output=True, text=True, input=stdin, cwd=cwd or ROOT, check=False
    )
