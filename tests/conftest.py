"""Settings and fixtures of all tests: property tests are not timed, for the machines that run them are shared."""

import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.support.command import ROOT, command_of
from tests.support.no_network import SUPPORTED

settings.register_profile("shared", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("shared")


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of one `smoke` run, made once for all tests that look at it, without a network."""
    folder = tmp_path_factory.mktemp("runs")
    command = command_of("run", "smoke", "--runs", str(folder), cut_off=SUPPORTED)
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr
    assert "int8-weights (ships)" in done.stdout
    return folder / "smoke"
