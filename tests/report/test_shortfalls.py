"""A run says so where its bundle is not better than its twin, or than TF-IDF."""

from dataclasses import replace

import pytest

from distill.artifacts.report import Headline, Report
from distill.evaluation.bootstrap import Bootstrap
from distill.report.shortfalls import shortfalls
from tests.support.tiny_report import tiny_report


def scored(report: Report, **macro_f1: float) -> Report:
    models = [
        replace(model, test=replace(model.test, macro_f1=macro_f1[model.name.replace("-", "_")]))
        for model in report.models
    ]
    return replace(report, models=tuple(models))


@pytest.mark.parametrize(
    ("bundle", "twin", "tfidf", "expected"),
    [
        (0.5, 0.4, 0.4, ()),
        (
            0.5,
            0.5,
            0.4,
            ("0.500, compared with 0.500 without a teacher (+0.000, 95 % interval -0.020 to +0.020)",),
        ),
        (0.5, 0.4, 0.5, ("0.500, not above the 0.500 of TF-IDF",)),
        (0.3, 0.4, 0.5, ("0.300, compared with 0.400 without a teacher", "0.300, not above the 0.500 of TF-IDF")),
    ],
)
def test_what_the_bundle_is_not_better_than(
    bundle: float, twin: float, tfidf: float, expected: tuple[str, ...]
) -> None:
    names = {"teacher": 0.6, "student": bundle, "fp32": bundle, "int8_static": bundle}
    report = scored(tiny_report(), twin=twin, tfidf=tfidf, **names)
    gain = {"int8-static": Bootstrap(bundle - twin, bundle - twin - 0.02, bundle - twin + 0.02, 0.5)}
    found = shortfalls(report.models, "int8-static", "tfidf", gain, Headline())
    assert len(found) == len(expected)
    for sentence, part in zip(found, expected, strict=True):
        assert part in sentence
        assert "corpus.transfer" in sentence


def test_without_a_twin_the_baseline_alone_is_compared() -> None:
    names = {"teacher": 0.6, "student": 0.5, "fp32": 0.5, "int8_static": 0.5}
    report = scored(tiny_report(), twin=0.9, tfidf=0.4, **names)
    assert shortfalls(report.models, "int8-static", "tfidf", None, Headline()) == ()
