"""Settings and fixtures of all tests: property tests are not timed, for the machines that run them are shared."""

import gc
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from unittest import mock

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


@pytest.fixture(scope="session", autouse=True)
def _no_power_cuts() -> Iterator[None]:
    """Flush nothing to the disk, which is slow: what a test reads back it wrote itself."""
    with mock.patch.object(os, "fsync", return_value=None):
        yield


def pytest_collection_finish() -> None:
    """Spare garbage collections what was imported: most of what they would look through again and again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 20, 100)


def once(factory: pytest.TempPathFactory, worker: str, name: str, make: Callable[[Path], None]) -> Path:
    """Return a folder that is one for all workers: whoever needs it first makes it.

    Tests copy it before they change anything.
    """
    base = factory.getbasetemp()
    folder = (base if worker == "master" else base.parent) / name
    with FileLock(f"{folder}.lock"):
        if not (folder / "made").exists():
            folder.mkdir(exist_ok=True)
            make(folder)
            (folder / "made").touch()
    return folder


@pytest.fixture(scope="session")
def small_teacher(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> str:
    """The setting of a teacher that is small and random, for runs in which what it knows does not matter."""

    def make(folder: Path) -> None:
        from tests.support.small_teacher import write_small_teacher

        write_small_teacher(folder / "small")

    return f"teacher.model={once(tmp_path_factory, worker_id, 'base', make) / 'small'}"


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory, worker_id: str, small_teacher: str) -> Path:
    """The folder of one `smoke` run with the small teacher, made once for all tests, without a network.

    Its recipe.toml is for the tests that go on with it: `smoke` itself has a real teacher.
    """

    def make(folder: Path) -> None:
        done = run_process("run", "smoke", "--runs", str(folder), "--set", small_teacher, cut_off=SUPPORTED)
        assert done.returncode == 0, done.stderr
        assert "int8-weights (ships)" in done.stdout
        (folder / "said").write_text(done.stdout)

    return once(tmp_path_factory, worker_id, "runs", make) / "smoke"
