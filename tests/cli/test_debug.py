"""`--debug` tells where an error came from and quotes nobody."""

import ast
import json

import pyarrow as pa
import pytest

from distill.cli.debug import format_debug
from distill.export.runtime.errors import InputError
from tests.support.command import run_cli

SECRET = "grzmvqolt came again"


def _refuse(error: Exception) -> None:
    raise error


def _chained(cause: object) -> BaseException:
    try:
        try:
            cause()  # type: ignore[operator]
        except Exception as error:
            raise InputError("rows.csv, row 3: is broken; correct it") from error
    except InputError as error:
        return error
    raise AssertionError("nothing was raised")


@pytest.mark.parametrize(
    "cause",
    [
        lambda: float(SECRET),
        lambda: int(SECRET),
        lambda: {}[SECRET],
        lambda: ast.literal_eval(SECRET),
        lambda: json.loads(SECRET),
        lambda: pa.array([SECRET], pa.int64()),
        lambda: pa.array([1, SECRET]),
        lambda: pa.array([SECRET]).cast(pa.float32()),
        (SECRET + "\udcff").encode,
        lambda: [].index(SECRET),
        lambda: __import__("numpy").array([SECRET], dtype=float),
        lambda: _refuse(NotImplementedError(SECRET)),
    ],
)
def test_no_cell_of_a_foreign_exception_is_shown(cause: object) -> None:
    shown = format_debug(_chained(cause))
    assert "rows.csv, row 3: is broken" in shown
    assert "which led to" in shown
    # the lines of code that are shown name the variable
    assert SECRET not in shown
    assert "grzmvqolt" not in shown


def test_paths_and_names_of_code_stay() -> None:
    shown = format_debug(_chained(lambda: open("/no/such/file")))  # noqa: SIM115
    assert "/no/such/file" in shown
    assert "test_debug.py" in shown


def test_a_cut_chain_stays_cut_and_a_circle_ends() -> None:
    def cut() -> None:
        try:
            float(SECRET)
        except ValueError:
            raise InputError("no number") from None

    with pytest.raises(InputError) as caught:
        cut()
    assert "which led to" not in format_debug(caught.value)
    caught.value.__cause__ = caught.value
    assert format_debug(caught.value).count("no number") >= 1


def test_behind_two_dashes_it_is_a_text() -> None:
    assert "Traceback" in run_cli("predict", "nowhere", "--debug").stderr
    text = run_cli("predict", "nowhere", "--", "--debug")
    assert "Traceback" not in text.stderr
    assert text.returncode == 2
