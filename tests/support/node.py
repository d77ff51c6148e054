"""The browser's modules in node: no browser, no model."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.support.command import ROOT

BROWSER = ROOT / "docs/browser"
NODE = shutil.which("node")

needs_node = pytest.mark.skipif(
    NODE is None, reason="needs node, which runs the page's JavaScript without a browser"
)


def run_node(folder: Path, script: str, *arguments: str) -> Any:
    """Return what a module prints as JSON; it may import the browser's modules from "@/"."""
    path = folder / "call.mjs"
    path.write_text(script.replace('"@/', f'"{BROWSER.as_uri()}/'), encoding="utf-8")
    command = [str(NODE), str(path), *arguments]
    done = subprocess.run(command, capture_output=True, check=False, text=True, encoding="utf-8")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
