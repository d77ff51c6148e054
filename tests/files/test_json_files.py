"""Equal data becomes equal bytes, and what JSON does not have is refused."""

import math
from pathlib import Path

import pytest

from distill.files.json_files import read_json, write_json


def test_equal_data_becomes_equal_bytes(tmp_path: Path) -> None:
    write_json({"b": [1, 2.5, None], "a": "\u00e9"}, tmp_path / "one.json")
    write_json({"a": "\u00e9", "b": [1, 2.5, None]}, tmp_path / "two.json")
    assert (tmp_path / "one.json").read_bytes() == (tmp_path / "two.json").read_bytes()
    assert read_json(tmp_path / "one.json") == {"a": "\u00e9", "b": [1, 2.5, None]}


@pytest.mark.parametrize("number", [math.nan, math.inf])
def test_a_number_that_is_not_finite_is_refused_and_nothing_is_written(number: float, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json({"loss": number}, tmp_path / "a.json")
    assert list(tmp_path.iterdir()) == []
