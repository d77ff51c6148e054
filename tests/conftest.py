"""Settings and fixtures of all tests: property tests are not timed, for the machines that run them are shared."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.command import distill

settings.register_profile("shared", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("shared")


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of one `smoke` run, made once for all tests that look at it."""
    folder = tmp_path_factory.mktemp("runs")
    done = distill("run", "smoke", "--runs", str(folder))
    assert done.returncode == 0, done.stderr
    assert "int8-weights (ships)" in done.stdout
    return folder / "smoke"
