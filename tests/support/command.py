"""The command line as a user runs it: in a process of its own."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def command_of(*arguments: str, cut_off: bool = False) -> list[str]:
    """`cut_off`: without a network, see no_network.py."""
    before = "from tests.support.no_network import forbid; forbid(); " if cut_off else ""
    code = f"import sys; sys.path.insert(0, {str(ROOT)!r}); {before}from distill.cli.app import main; main()"
    return [sys.executable, "-c", code, *arguments]


def distill(
    *arguments: str, stdin: str | None = None, cwd: Path | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command_of(*arguments), capture_output=True, text=True, input=stdin, cwd=cwd or ROOT, check=False
    )
