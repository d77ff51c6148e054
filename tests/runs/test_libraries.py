"""Settings of libraries: threads that wait sleep, what a user has set stays, and nothing is left behind."""

import os
import subprocess
import sys

import pytest

from distill.runs.libraries import PASSIVE, prepared_libraries


def test_threads_sleep_while_they_wait_and_the_environment_is_put_back(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in PASSIVE:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("OMP_WAIT_POLICY", "active")
    before = dict(os.environ)
    with prepared_libraries():
        assert os.environ["OMP_WAIT_POLICY"] == "active"
        assert os.environ["GOMP_SPINCOUNT"] == "0"
        assert os.environ["KMP_BLOCKTIME"] == "0"
    assert dict(os.environ) == before


def test_torch_is_loaded_with_them() -> None:
    """OpenMP reads its variables once, when it is loaded: torch must be imported inside."""
    code = (
        "from distill.runs.libraries import prepared_libraries\n"
        "import sys\n"
        "assert 'torch' not in sys.modules\n"
        "with prepared_libraries():\n"
        "    import torch\n"
    )
    environment = {name: value for name, value in os.environ.items() if name not in PASSIVE}
    environment["OMP_DISPLAY_ENV"] = "VERBOSE"
    shown = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    ).stderr
    assert "OMP_WAIT_POLICY = 'PASSIVE'" in shown.replace("'passive'", "'PASSIVE'")
