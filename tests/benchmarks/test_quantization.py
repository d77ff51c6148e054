"""The table of int8 forms, on the smoke run as one student and as one of several seeds."""

import shutil
import sys
from pathlib import Path

import pytest

from tests.benchmarks import quantization
from tests.benchmarks.markdown import head_lines


def table(run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> list[list[str]]:
    """The cells of each row."""
    for name, number in (("FLIP_TEXTS", 20), ("TIMED_TEXTS", 2), ("ROUNDS", 1), ("SENSITIVITY_TEXTS", 4)):
        monkeypatch.setattr(quantization, name, number)
    monkeypatch.setattr(sys, "argv", ["quantization", str(run)])
    quantization.main()
    _, _, *lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == head_lines(quantization.HEAD)
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in lines[2:]]


def test_every_form_is_measured_and_a_seeds_student_is_found(
    runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found = table(runs, monkeypatch, capsys)
    names = [row[0] for row in found]
    assert names[:2] == ["fp32", "int8-weights"]
    # one layer has six products
    left = [
        f"int8-{form}, {count} of 6 products in fp32"
        for form in ("dynamic", "static")
        for count in (0, 1, 2, 3, 4)
    ]
    assert names[2:-2] == left
    assert [name.split(",")[0] for name in names[-2:]] == ["ONNX Runtime's dynamic"] * 2
    assert found[0][2:5] == ["0.000", "0.00%", "0.000%"]
    assert all(float(row[1]) < float(found[0][1]) for row in found[1:])
    # of several seeds
    seeded = shutil.copytree(runs, tmp_path / "smoke")
    (seeded / "seeds/7").mkdir(parents=True)
    for name in ("student", "export"):
        (seeded / name).rename(seeded / "seeds/7" / name)
    recipe = (seeded / "recipe.toml").read_text()
    (seeded / "recipe.toml").write_text(
        recipe.replace("seeds = []", "seeds = [7]", 1).replace("max_tokens = 12", "max_tokens = 8")
    )
    cut: list[int] = []
    encode = quantization.encode

    def watched(tokenizer: object, texts: object, most: int) -> object:
        cut.append(most)
        return encode(tokenizer, texts, most)

    monkeypatch.setattr(quantization, "encode", watched)
    assert [row[0] for row in table(seeded, monkeypatch, capsys)] == names
    assert set(cut) == {8}
