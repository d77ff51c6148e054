"""The report's page: a function of the report alone, safe for any name, with every section that has content."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from markupsafe import Markup
from matplotlib.figure import Figure

from distill.artifacts.quality import FloorRecord
from distill.artifacts.report import Report, TrainingCurve, read_report, write_report_file
from distill.evaluation.workload import Workload
from distill.export.runtime.manifest.promises import FittedFloor
from distill.report.charts.decisions import reliability_by_label
from distill.report.charts.figure import MAX_CHART_TEXT, chart_text
from distill.report.charts.quality import draw_training_curves, f1_by_label
from distill.report.page import SECTIONS, render_page
from tests.support.tiny_report import report_data, tiny_report

LABELS = (r"$\frac{$", "from $5 to $10", "<b>&%{x}", "_private", "long " * 60, "a|b")


def cells(page: str) -> list[list[str]]:
    """The cells of each row of tables in a page, without markup."""
    rows = re.findall(r"<tr[^>]*>(.*?)</tr>", page, flags=re.DOTALL)
    return [
        [Markup(cell).striptags() for cell in re.findall(r"<t[dh][^>]*>(.*?)</t[dh]>", row, flags=re.DOTALL)]
        for row in rows
    ]


def words(page: str) -> str:
    """A page's text on one line."""
    return Markup(re.sub(r"<svg.*?</svg>", "", page, flags=re.DOTALL)).striptags()


def test_labels_are_drawn_as_they_are_whatever_their_characters() -> None:
    report = tiny_report(LABELS)
    page = f1_by_label(report) + reliability_by_label(report.labels, report.models)
    # matplotlib writes each text that it draws as shapes into a comment beside them
    for name in (r"$\frac{$", "from $5 to $10", "&lt;b&gt;&amp;%{x}", "_private", "a|b"):
        assert f"<!-- {name} (" in page, name
    assert len(chart_text(LABELS[4])) == MAX_CHART_TEXT
    assert chart_text("joy") == "joy"


@pytest.mark.parametrize("section", SECTIONS)
def test_every_name_and_value_is_escaped_in_every_section(section: str) -> None:
    hostile = "<script>alert('&')</script>"
    text = json.dumps(report_data([hostile, "calm"]))
    for name in ("tiny", "AMD EPYC", "first", "2 layers", "harm", "rows with a flip", "macro-F1 drop"):
        text = text.replace(name, hostile)
    text = text.replace("int8-static", "<i>int8</i>")
    data = json.loads(text)
    data["environment"]["packages"] = {hostile: hostile}
    data["environment"]["gpu"] = hostile
    data["seconds"] = {hostile: 1.0}
    report = tiny_report(**data)
    page = render_page(report, [section])
    assert "<script" not in page
    assert "<i>" not in page
    assert Markup.escape(hostile) in page  # the title, at least


def test_the_page_is_one_file_with_all_sections_and_the_style_of_a_phone() -> None:
    page = render_page(tiny_report())
    titles = re.findall("<h2 id=[^>]*>(.*?)</h2>", page)
    assert titles == [
        "Warnings",
        "Models",
        "Fine-tuning of few weights",
        "What ships, by label",
        "Most frequent errors",
        "Budget",
        "Quality against latency",
        "F1 by label",
        "Training",
        "Contribution of distillation",
        "Out of fold",
        "Across seeds",
        "Calibration on test",
        "Brier skill by label",
        "Reliability by label",
        "Calibration error by label",
        "Floors",
        "Abstention",
        "Layer search",
        "Quantization",
        "Choice of precision",
        "Gate",
        "Bytes by component",
        "Vocabulary",
        "Words that decisions used",
        "Identity terms",
        "Subgroups",
        "Environment",
    ]
    assert page.count("<svg") == 6
    assert "<script" not in page
    assert 'src="http' not in page
    assert "max-width:62rem" in page
    assert "svg{max-width:100%;height:auto}" in page


def test_a_section_without_content_is_left_out() -> None:
    report = tiny_report(
        budget=None, seeds=None, folds=None, layer_search=None, precision=None, teacher_before_tuning=None
    )
    report = replace(report, models=tuple(replace(model, floors=()) for model in report.models))
    page = render_page(report)
    for title in ("Budget", "Out of fold", "Across seeds", "Floors", "Layer search", "Choice of precision"):
        assert f">{title}</h2>" not in page
    assert "before fine-tuning" not in page


def test_the_page_needs_the_stored_report_and_nothing_else(tmp_path: Path) -> None:
    report = tiny_report()
    write_report_file(report, tmp_path)
    assert read_report(tmp_path) == report
    assert render_page(read_report(tmp_path)) == render_page(report)


def test_another_headline_is_shown_beside_macro_f1() -> None:
    data = report_data()
    data["headline"] = {"key": "kappa", "title": "weighted kappa"}
    data["layer_search"] = [{"layers": [0, 2], "divergence": 0.5, "kappa": 0.8125}]
    for model in data["models"]:
        model["validation"]["kappa"], model["test"]["kappa"] = 0.4375, 0.9375
        model["test"]["selective"] |= {"selective_headline": 0.96875, "selective_macro_f1": 0.15625}
        if "quantization" in model:
            model["quantization"]["test"] |= {"headline_in_fp32": 0.90625, "macro_f1_in_fp32": 0.15625}
    data["teacher_before_tuning"]["kappa"] = 0.6875
    report = tiny_report(**data)
    assert report.models[0].test.metric("kappa") == 0.9375
    assert report.models[0].test.metric("macro_f1") == 0.5
    page = render_page(report)
    rows = cells(render_page(report, ["models"]))
    assert rows[0][2:4] == ["weighted kappa", "macro-F1"]
    assert rows[1][2:4] == ["0.938", "0.500"]
    assert ["0 2", "0.5000", "0.812"] in cells(page)
    rows = cells(render_page(report, ["quantization", "abstention"]))
    titles = [f"{split} weighted kappa" for split in ("validation", "test")]
    assert rows[0][2:5] == [*titles, f"{titles[1]} of the same weights in fp32"]
    assert rows[1][2:5] == ["0.4375", "0.9375", "0.9062"]
    heads = next(row for row in rows if row[0] == "model")
    assert heads[-1] == "weighted kappa"
    assert rows[rows.index(heads) + 1][-1] == "0.969"
    assert not any("macro-F1" in cell or cell == "0.156" for row in rows for cell in row)
    assert "before fine-tuning: 0.688 weighted kappa." in words(page)
    assert "weighted kappa gain over the twin" in words(page)
    assert "Scores are weighted kappa." in words(page)


def test_a_report_from_before_other_headlines_shows_macro_f1() -> None:
    rows = cells(render_page(tiny_report(), ["quantization", "abstention"]))
    assert rows[0][2:5] == [
        "validation macro-F1",
        "test macro-F1",
        "test macro-F1 of the same weights in fp32",
    ]
    assert rows[1][4] == "0.5000"
    heads = next(row for row in rows if row[0] == "model")
    assert (heads[-1], rows[rows.index(heads) + 1][-1]) == ("macro-F1", "0.625")


def test_a_report_from_before_its_curves_is_read() -> None:
    data = report_data()
    del data["training"]
    assert ">Training</h2>" in render_page(tiny_report(**data))


def test_every_training_session_has_its_curve() -> None:
    names = {
        "teacher": "teacher",
        "teacher-2": "teacher",
        "twin": "twin",
        "student": "student",
        "student as int8-static": "variant",
    }
    curves = [TrainingCurve(name, kind, ((1, 0.5),), ((2, 0.4),)) for name, kind in names.items()]
    ax = Figure().subplots()
    draw_training_curves(ax, curves, "macro-F1")
    legend = [text.get_text() for text in ax.get_legend().get_texts()]
    assert legend[:5] == [f"{name}: loss" for name in names]
    assert legend[5:] == [f"{name}: validation macro-F1" for name in names]
    looks = {(line.get_color(), line.get_linestyle()) for line in ax.get_lines()}
    assert len(looks) == len(names)


@pytest.mark.parametrize("compared", [True, False])
def test_the_seed_that_is_shown_is_marked_and_means_are_under_their_split(compared: bool) -> None:
    seeds = report_data()["seeds"]
    if not compared:
        seeds["gain"] = None
        seeds["rows"] = [{key: value for key, value in row.items() if key != "twin"} for row in seeds["rows"]]
        del seeds["mean"]["twin"]
    page = render_page(tiny_report(seeds=seeds), ["seeds"])
    rows = cells(page)
    assert rows[1][0] == "1 (int8-static)"
    assert rows[2][0] == "2 (int8-static, ships)"
    assert rows[3][:5] == ["mean", "", "0.4100", "", "0.4200"]
    assert rows[4][:5] == ["standard deviation", "", "–", "", "0.0314"]
    assert len(rows[1]) == len(rows[3]) == (7 if compared else 5)
    assert ("student over twin +0.1000 (-0.0500 to +0.2000);" in words(page)) == compared


def test_a_budget_is_beside_the_plan_and_the_measurement() -> None:
    report = tiny_report()
    page = render_page(report, ["budget"])
    assert ["p95, ms", "2.00", "1.25", "1.50", "-25.0%", "+20.0%"] in cells(page)
    assert ["the bundle's size, MB", "–", "3.00", "3.25", "–", "+8.3%"] in cells(page)
    assert "2 layers (ships)" in page
    assert "Measured but over the budget: 1." in words(page)
    assert "Not measured because the time limit was reached: 3." in words(page)
    assert report.budget is not None
    unplanned = render_page(replace(report, budget=replace(report.budget, plan=None, predicted=None)), ["budget"])
    assert ["p95, ms", "2.00", "–", "1.50", "-25.0%", "+20.0%"] in cells(unplanned)
    assert "predicted retention" not in unplanned


def test_checks_and_floors_have_a_verdict() -> None:
    page = render_page(tiny_report(), ["calibration", "floors", "gate"])
    assert page.count('passed / <span class="bad">failed</span>') == 2
    assert ["joy", "recall", "0.9", "teacher", "not certified", "0.950", "0.800", "kept"] in cells(page)
    assert ["fp32", "macro-F1 drop", "–", "0.005", "–", "failed", ""] in cells(page)
    counted = "10 of 100 rows differ, at most 9 allowed at this size; above 0.1638 is excluded"
    assert ["fp32", "rows with a flip", "0.10000", "0.05", "0.09000", "failed", counted] in cells(page)


def test_a_certified_floor_says_on_what_it_stands_and_what_a_person_reads() -> None:
    certificate = FittedFloor("recall", "joy", 0.9, 0.25, rows=60, missed=1, confidence=0.9, bound=0.912)
    ships = Workload(None, None, texts=200, handed_over=60, cases=20, missed=1)
    plain, certified = replace(ships, floor=0.8, missed=20), replace(ships, floor=0.8, confidence=0.9)
    floor = FloorRecord("joy", "recall", 0.9, 0.95, 0.95, True, certificate, (ships, plain, certified))
    report = tiny_report()
    models = [replace(model, floors=(floor,)) for model in report.models]
    page = render_page(replace(report, models=tuple(models)), ["floors"])
    shown = "certified at 0.9: at least 0.912, 1 of 60 trials missed"
    assert ["joy", "recall", "0.9", report.chosen, shown, "0.950", "0.950", "kept"] in cells(page)
    interval = "0.1% to 24.9%"
    assert ["ships", shown, "60 of 200", "1 of 20", interval, "3.2"] in cells(page)
    assert ["for a floor of 0.8", "not certified", "60 of 200", "20 of 20", "83.2% to 100.0%", "–"] in cells(page)
    assert ["for a floor of 0.8", "certified at 0.9", "60 of 200", "1 of 20", interval, "3.2"] in cells(page)
    assert page.count("joy: texts that a person reads") == 1


def test_further_metrics_and_labels_without_rows_are_said() -> None:
    data = report_data()
    page = render_page(tiny_report(**data), ["kind_metrics", "models"])
    assert ["teacher", "0.562", "0.438", "0.312", "0.406", "0.281"] in cells(page)
    assert "Labels without test rows" not in page
    assert "tfidf: terms are characters, chosen on validation" in words(page)
    data["models"][0]["test"]["per_label"][1]["support"] = 0
    page = render_page(tiny_report(**data), ["kind_metrics"])
    assert "Labels without test rows: fear. Each counts as 0 in macro-F1" in words(page)


def test_bytes_and_shares_are_shown_by_component() -> None:
    report = tiny_report()
    models = [
        replace(model, components={"token_table": 6000}) if model.name == "fp32" else model
        for model in report.models
    ]
    page = render_page(replace(report, models=tuple(models)), ["bytes"])
    assert ["token table", "6,000", "1,500", "75.0%"] in cells(page)
    assert ["all", "6,000", "2,000", "100.0%"] in cells(page)
    assert "<!-- feed-forward -->" in page


def test_matmuls_that_stay_in_fp32_are_named() -> None:
    page = render_page(tiny_report(), ["quantization"])
    assert "int8-static: 1 of 2 matmuls in fp32 after 2 runs of the gate" in words(page)
    assert ["first", "0.50000", "1,024", "fp32"] in cells(page)
    assert ["second", "0.50000", "1,024", "int8"] in cells(page)


def test_what_became_of_every_precision_is_said() -> None:
    def results(report: Report) -> list[str]:
        return [row[-1] for row in cells(render_page(report, ["precision"]))[1:]]

    report = tiny_report()
    refused = "gate failed: rows with a flip 0.5 above 0.05"
    assert results(report) == ["chosen", "may ship too", refused]
    # with several seeds another than the first that is allowed may ship
    assert results(replace(report, chosen="fp32")) == ["may ship too", "chosen", refused]
    slower = {"recipe": {"name": "tiny", "export": {"precision": ["fp32"]}}, "chosen": "fp32"}
    assert results(tiny_report(**slower)) == ["slower than fp32", "chosen", refused]
    assert "first seed" in render_page(report, ["precision"])
    assert "first seed" not in render_page(replace(report, seeds=None), ["precision"])


def test_crisis_words_that_are_read_worse_are_listed() -> None:
    page = render_page(tiny_report(), ["words"])
    assert "harm (3 tokens, 1)." in words(page)
    assert "not from any text" in words(page)


def test_the_page_opens_with_the_verdict_what_ships_and_the_contents() -> None:
    page = render_page(tiny_report())
    opening = page[: page.index(">Warnings</h2>")]
    assert "Verdict: the bundle is first in nothing." in words(opening)
    assert "Do not ship it" not in opening
    assert cells(opening)[3][:3] == ["int8-static (ships)", "0.500", "0.375 to 0.625"]
    assert [row[0] for row in cells(opening)][1:] == ["teacher", "twin", "int8-static (ships)", "tfidf"]
    assert "8 rows, out of fold; intervals are a bootstrap over groups. Made on 2026-11-30 (UTC)." in words(
        opening
    )
    for anchor in re.findall('<h2 id="(.*?)">', page):
        assert f'<li><a href="#{anchor}">' in opening
    failed = tiny_report(verdict={**report_data()["verdict"], "failures": ["the bundle is below TF-IDF"]})
    assert "Do not ship it: the bundle is below TF-IDF." in words(render_page(failed))


def test_what_ships_is_told_by_label_with_its_errors() -> None:
    rows = cells(render_page(tiny_report(), ["labels"]))
    assert rows[1] == ["joy", "3", "0.500", "0.250", "0.333", "0.125 to 0.500", "0.500"]
    assert rows[-2:] == [["joy", "fear", "3"], ["(nothing)", "joy", "1"]]
    before = tiny_report(tested=None)
    assert cells(render_page(before, ["labels"]))[1][-2] == "–"
    assert "<svg" in render_page(before, ["quality_charts"])


def test_words_are_explained_wherever_they_head_a_column_or_name_a_model() -> None:
    page = render_page(tiny_report(), ["models"])
    assert re.search('<th scope="col"><abbr title="[^"]+">retention</abbr></th>', page)
    assert re.search('<td><abbr title="[^"]+">int8-static</abbr> \\(ships\\)</td>', page)


def test_a_tuned_teacher_is_beside_what_merging_changed_and_an_unmerged_one_says_so() -> None:
    page = render_page(tiny_report(), ["tuning"])
    assert ["teacher", "lora", "16", "0.0005", "1,500", "2.50%", "2.5e-06", "0 of 24"] in cells(page)
    assert ["teacher-2", "adapter", "48", "0.0005", "1,500", "2.50%", "–", "–"] in cells(page)
    assert "its student starts from the base without them" in words(page)
    assert "Fine-tuning of few weights" not in render_page(replace(tiny_report(), tuning=None), ["tuning"])
