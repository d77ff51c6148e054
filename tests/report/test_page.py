"""The report's page: any label's name, every training's curve, and which seed it shows."""

import json
import math
from pathlib import Path
from typing import Any

import pytest
from matplotlib.figure import Figure

from distill.recipe.load import load_recipe
from distill.report import page as report_page
from distill.report.markup import MAX_DRAWN, drawn, picture
from distill.report.sections import attribution as report_attribution
from distill.report.sections import decisions as report_decisions
from distill.runs.context import Job
from distill.runs.progress import Reporter
from distill.variants.model_card import _cell

LABELS = [r"$\frac{$", "from $5 to $10", "<b>&%{x}", "_private", "long " * 60, "a|b"]


def model(name: str) -> dict[str, Any]:
    rows = [{"label": label, "f1": 0.5, "support": 3, "reliability": [[0.2, 0.1, 5]]} for label in LABELS]
    return {"name": name, "kind": name, "test": {"per_label": rows}}


def test_labels_are_drawn_as_they_are_whatever_their_characters() -> None:
    models = [model(name) for name in ("teacher", "student")]
    report = {"labels": LABELS, "attribution": {"reference": "teacher"}, "models": models}
    page = picture(lambda ax: report_page._per_label(ax, report), 9, 4)
    page += report_decisions._reliability(LABELS, models)
    # matplotlib writes each text that it draws as shapes into a comment beside them
    for name in (r"$\frac{$", "from $5 to $10", "&lt;b&gt;&amp;%{x}", "_private", "a|b"):
        assert f"<!-- {name} -->" in page, name
    assert len(drawn(LABELS[4])) == MAX_DRAWN
    assert drawn("joy") == "joy"


def test_a_label_is_one_cell_of_a_markdown_table() -> None:
    assert _cell("a|b <i> *c*") == r"a\|b \<i\> \*c\*"
    assert _cell("joy_or_grief (strong)") == "joy_or_grief (strong)"


def test_every_training_has_its_curve(tmp_path: Path) -> None:
    settings = ["teacher.seeds=[1,2]", "export.precision=['int8-static-qat','int8-dynamic-qat','int8-static']"]
    job = Job(load_recipe("smoke", settings), tmp_path, Reporter(quiet=True))
    for folder in (job.member(0), job.member(1), job.twin, job.student, job.qat("int8-static")):
        folder.mkdir(parents=True)
        lines = [{"step": 1, "loss": 0.5}, {"step": 2, "macro_f1": 0.4}]
        (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    job.ensemble.mkdir()
    ax = Figure().subplots()
    report_page._curves(ax, job)
    named = [text.get_text() for text in ax.get_legend().get_texts()]
    trained = ("teacher", "teacher-2", "twin", "student", "student as int8-static")
    assert named[:5] == [f"{name}: loss" for name in trained]
    assert named[5:] == [f"{name}: validation macro-F1" for name in trained]
    looks = {(line.get_color(), line.get_linestyle()) for line in ax.get_lines()}
    assert len(looks) == len(trained)


@pytest.mark.parametrize("gain", [None, {"student": {"difference": 0.1, "low": 0.0, "high": 0.2}}])
def test_the_seed_that_is_shown_is_marked_and_means_stand_under_their_split(gain: Any) -> None:
    one = {"validation": 0.5, "test": 0.4}
    spread = {
        "rows": [{"seed": seed, "variant": "fp32", "student": one, "ships": one} for seed in (1, 2)],
        "mean": {"student": 0.41, "ships": 0.42},
        "standard_deviation": {"student": None, "ships": math.pi / 100},
        "gain": gain,
    }
    page = report_attribution._seeds(spread, 2)
    assert "1 (fp32)" in page
    assert "2 (fp32, ships)" in page
    assert "<td>mean</td><td></td><td>0.4100</td><td></td><td>0.4200</td>" in page
    assert "<td>standard deviation</td><td></td><td>–</td><td></td><td>0.0314</td>" in page
    assert "Macro-F1." in page
    assert ("student over twin +0.1000" in page) == (gain is not None)
