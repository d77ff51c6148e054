"""No verb touches the network or reports to anybody: the kernel cuts connections off, and homes stay empty.

The `smoke` run of all tests is made without a network too (conftest.py).
"""

import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.support.command import ROOT
from tests.support.no_network import KILLED, SUPPORTED

pytestmark = pytest.mark.skipif(not SUPPORTED, reason="needs the filters of a Linux kernel")

CHILD = "import subprocess, sys; print(subprocess.run([sys.executable, '-c', sys.argv[1]]).returncode)"
CONNECT = "import socket; socket.create_connection(('127.0.0.1', 9))"
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def cut_off(tmp_path: Path) -> Run:
    """Runs code in a process without a network, whose home and caches are folders of its own."""
    hidden = ("HF_", "ORT_", "XDG_", "CI", "GITHUB", "MPL")  # also what would keep onnxruntime from reporting
    environment = {key: value for key, value in os.environ.items() if not key.startswith(hidden)}
    environment |= {key: str(tmp_path / "home") for key in ("HOME", "TMPDIR", "XDG_CACHE_HOME")}
    environment["PYTHONPATH"] = str(ROOT)
    (tmp_path / "home").mkdir()

    def run(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [
            sys.executable,
            "-c",
            f"from tests.support.no_network import forbid; forbid(); {code}",
            *arguments,
        ]
        return subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=environment, check=False)

    return run


@pytest.mark.parametrize(
    "connect",
    [
        CONNECT,
        "import socket; socket.create_connection(('::1', 9))",
        "import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', 9))",
    ],
)
def test_whoever_connects_is_killed(connect: str, cut_off: Run) -> None:
    """Or the tests below would prove nothing."""
    done = cut_off(connect)
    assert done.returncode == KILLED, done.stderr


def test_so_is_a_child_of_a_process_without_a_network(cut_off: Run) -> None:
    assert cut_off(CHILD, CONNECT).stdout.strip() == str(KILLED)


def test_verbs_and_a_service_connect_nowhere_and_leave_nothing(cut_off: Run, runs: Path, tmp_path: Path) -> None:
    """onnxruntime sends its reports some seconds after it starts, where `export` does not keep it from it."""
    bundle, rows = str(runs / "bundle"), str(ROOT / "corpora/sample/test.tsv")
    stays = "import distill, sys, time; distill.load(sys.argv[1]).predict(['hello']); time.sleep(12)"
    verb = "from distill.cli.app import main; main()"
    with ThreadPoolExecutor() as beside:  # what waits beside what works
        service = beside.submit(cut_off, stays, bundle)
        for arguments in (
            ("predict", bundle, "thank you so much"),
            ("eval", bundle, rows),
            ("diff", bundle, bundle, rows),
            ("bench", bundle, "--rounds", "1"),
            ("verify", bundle),
        ):
            done = cut_off(verb, *arguments)
            assert done.returncode == 0, (arguments, done.returncode, done.stderr)
        assert service.result().returncode == 0, service.result()
    assert list((tmp_path / "home").rglob("*")) == []
