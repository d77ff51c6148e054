"""`report.html`: one file with its charts inside, no script, and nothing loaded from anywhere."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from jinja2 import Environment
from markupsafe import Markup

from distill.artifacts.model_report import ModelReport
from distill.artifacts.report import Report
from distill.evaluation.bootstrap import Bootstrap
from distill.evaluation.budget import BOUNDS
from distill.evaluation.reliability import error_of
from distill.export.measure.components import COMPONENTS
from distill.files.templates import template_environment
from distill.report.calibration import MAX_SKILL_LOSS
from distill.report.charts.bytes import bytes_by_component, component_title
from distill.report.charts.decisions import reliability_by_label, risk_against_coverage
from distill.report.charts.quality import f1_by_label, quality_against_latency, training_curves
from distill.report.contents import Contents
from distill.report.glossary import explained
from distill.report.model_reports import BASELINE
from distill.report.summary import summary_rows
from distill.variants.precision import AS_FAST, instructions

# files in templates/sections: those above the table of contents, and those below it in the order of the page
OPENING = ("verdict",)
SECTIONS = (
    *OPENING,
    "warnings",
    "models",
    "tuning",
    "labels",
    "kind_metrics",
    "budget",
    "quality_charts",
    "attribution",
    "context",
    "folds",
    "seeds",
    "calibration",
    "floors",
    "abstention",
    "layer_search",
    "quantization",
    "precision",
    "gate",
    "bytes",
    "words",
    "used_words",
    "audit",
    "subgroups",
    "environment",
)

COVERAGES = (1.0, 0.9, 0.8, 0.5)

WORD_LISTS = {"corpus": "test split", "slang": "slang", "emoji": "emoji", "crisis": "crisis and counselling"}


def render_page(report: Report, sections: Sequence[str] = SECTIONS) -> str:
    """Return the page of a report.

    Args:
        report: all that the page shows.
        sections: some of SECTIONS, in the order in which they are shown.
    """
    reference, contents, environment = report.attribution.reference, Contents(), _environment()
    compared, opening = (reference, "twin", "student", report.chosen), (reference, "twin", BASELINE, report.chosen)
    summary = summary_rows(report)
    context = {
        "report": report,
        "summary": summary,
        "compared": [model for model in report.models if model.name in compared],
        # of a model in several runtimes the last, which is the fastest
        "opening_rows": {row.name: row for row in summary if row.name in opening}.values(),
        "components": _components(report.models),
        "heading": contents.heading,
    }
    bodies = {name: Markup(environment.get_template(f"sections/{name}.html").render(context)) for name in sections}
    return environment.get_template("page.html").render(
        context,
        opening=[body for name, body in bodies.items() if name in OPENING],
        bodies=[body for name, body in bodies.items() if name not in OPENING],
        contents=contents.headings,
    )


@cache
def _environment() -> Environment:
    """Return the templates of the page; each is compiled once per process."""
    environment = template_environment("distill.report")
    environment.filters.update(
        number=_number,
        percent=_percent,
        capitalize_first=lambda text: text[:1].upper() + text[1:],
        excess=_excess,
        scientific=lambda value: "–" if value is None else f"{value:.1e}",
        signed=lambda value: f"{value:+.3f}",
        fold_name=lambda number: f"fold {number}",
        interval=_interval,
        explained=explained,
        megabytes=lambda value, digits=1: f"{value / 1e6:.{digits}f}",
        thousands=lambda value: f"{value:,}",
        general=lambda value: f"{value:g}",
        component_title=component_title,
    )
    environment.globals.update(
        as_fast=AS_FAST,
        bounds=BOUNDS,
        bytes_by_component=_bytes_by_component,
        calibration_error=error_of,
        coverages=COVERAGES,
        f1_by_label=f1_by_label,
        instructions=instructions,
        max_skill_loss=MAX_SKILL_LOSS,
        precision_rows=_precision_rows,
        quality_against_latency=quality_against_latency,
        reliability_by_label=reliability_by_label,
        risk_against_coverage=risk_against_coverage,
        risk_at=_risk_at,
        training_curves=training_curves,
        word_lists=WORD_LISTS,
    )
    return environment


def _number(value: float | None, digits: int = 3) -> str:
    """Return a number with a fixed number of digits, or a dash."""
    return "–" if value is None else f"{value:.{digits}f}"


def _percent(share: float | None, digits: int = 1) -> str:
    """Return a share in percent, or a dash."""
    return "–" if share is None else f"{share:.{digits}%}"


def _excess(share: float | None) -> str:
    """Return a signed share in percent, or a dash."""
    return "–" if share is None else f"{share:+.1%}"


def _interval(difference: Bootstrap | None) -> str:
    """Return a difference with its interval, or a dash."""
    if difference is None:
        return "–"
    return f"{difference.difference:+.4f} ({difference.low:+.4f} to {difference.high:+.4f})"


def _risk_at(curve: Sequence[tuple[float, float]], coverage: float) -> float:
    """Return the risk at the point of a risk-coverage curve that is nearest to a coverage."""
    return min(curve, key=lambda point: abs(point[0] - coverage))[1]


def _components(models: Sequence[ModelReport]) -> list[str]:
    """Return the components that any model's bytes are for."""
    return [name for name in COMPONENTS if any(name in (model.components or {}) for model in models)]


def _bytes_by_component(models: Sequence[ModelReport], components: Sequence[str]) -> str:
    return bytes_by_component({model.name: model.components or {} for model in models}, components)


@dataclass(frozen=True)
class PrecisionRow:
    """A precision that might have shipped: its measurement, None where it was not timed, and the result."""

    name: str
    p50_ms: float | None
    p95_ms: float | None
    size_mb: float | None
    result: str


def _precision_rows(report: Report) -> list[PrecisionRow]:
    """Return the precisions that were timed, and then those whose gate failed before."""
    measured = report.precision
    if measured is None:
        return []
    allowed, refused = report.recipe["export"]["precision"], measured.refused

    def result(name: str) -> str:
        return _precision_result(name, report.chosen, allowed, refused)

    timed = [
        PrecisionRow(form.name, form.p50_ms, form.p95_ms, form.size_mb, result(form.name))
        for form in measured.forms
    ]
    names = {row.name for row in timed}
    return timed + [PrecisionRow(name, None, None, None, result(name)) for name in refused if name not in names]


def _precision_result(name: str, chosen: str, allowed: Sequence[str], refused: Mapping[str, Any]) -> str:
    if name in refused:
        return f"gate failed: {refused[name]}"
    if name not in allowed:
        return "slower than fp32"
    # with several seeds, the gate of the best one may have refused the first precision that is allowed
    return "chosen" if name == chosen else "may ship too"
