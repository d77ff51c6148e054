"""Settings and fixtures of all tests: property tests are not timed, for the machines that run them are shared."""

import os
import signal
from pathlib import Path

# as `make test` has them, and as a command sets them for its process: before torch and transformers are imported
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")

# a shell's background jobs ignore it, and so would every process that a test starts
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

import pytest
from filelock import FileLock
from hypothesis import HealthCheck, settings

from tests.support.command import run_process
from tests.support.no_network import SUPPORTED

settings.register_profile("shared", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("shared")


@pytest.fixture(scope="session")
def small_teacher(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The setting of a teacher that is small and random, for runs in which what it knows does not matter."""
    from tests.support.small_teacher import write_small_teacher

    return f"teacher.model={write_small_teacher(tmp_path_factory.mktemp('base') / 'small')}"


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """The folder of one `smoke` run, made once for all tests that look at it, without a network.

    It is one for all workers: whoever needs it first makes it. Tests copy it before they change anything.
    """
    base = tmp_path_factory.getbasetemp()
    folder = (base if worker_id == "master" else base.parent) / "runs"
    with FileLock(f"{folder}.lock"):
        if not (folder / "said").exists():
            done = run_process("run", "smoke", "--runs", str(folder), cut_off=SUPPORTED)
            assert done.returncode == 0, done.stderr
            assert "int8-weights (ships)" in done.stdout
            (folder / "said").write_text(done.stdout)
    return folder / "smoke"
