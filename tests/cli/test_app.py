"""The command line in this process: arguments are handed over, and nothing of the process is changed for good."""

import logging
import os
import warnings

import pytest

from distill.cli.app import main
from distill.runs.libraries import prepared_libraries


def test_a_command_takes_its_arguments_from_the_caller(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["python", "run", "not this"])
    with pytest.raises(SystemExit) as ended:
        main(["predict", "bundle", "-1 is how I feel"])
    assert ended.value.code == 2
    assert "Put -- before such texts" in capsys.readouterr().err
    with pytest.raises(SystemExit) as ended:
        main(["predict", "/there/is/no/bundle", "--", "-1 is how I feel"])
    assert ended.value.code == 2
    assert "Put -- before such texts" not in capsys.readouterr().err


def test_settings_of_libraries_end_with_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    monkeypatch.delenv("TRANSFORMERS_VERBOSITY", raising=False)
    environment, level, filters = dict(os.environ), logging.getLogger().level, list(warnings.filters)
    with pytest.raises(ValueError, match="whatever"), prepared_libraries():
        assert os.environ["OMP_NUM_THREADS"] == "3"
        assert os.environ["TRANSFORMERS_VERBOSITY"] == "error"
        assert logging.getLogger().level == logging.ERROR
        with warnings.catch_warnings(record=True) as shown:
            warnings.warn("a library's notice", stacklevel=1)
        assert not shown
        raise ValueError("whatever")
    assert dict(os.environ) == environment
    assert logging.getLogger().level == level
    assert warnings.filters == filters
