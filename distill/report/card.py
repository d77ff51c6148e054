"""Sections of the model card that only a finished run can fill: size and speed, subgroups, and the audit."""

import re
from pathlib import Path

from distill.artifacts.report import Report, read_report
from distill.files.atomic import write_text
from distill.files.templates import template_environment
from distill.report.summary import summary_rows
from distill.variants.model_card import escape_cell

# around what is written here, so that it is found again; the rest of a card may be anybody's
BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"

# the section that they come before, where the card still has it
NEXT_SECTION = "\n## Use\n"

_BLOCK = r"<!-- (measured|differences): begin -->.*?<!-- \1: end -->"
EARLIER = re.compile(_BLOCK, flags=re.DOTALL)
EARLIER_BEFORE_USE = re.compile(rf"\n\n{_BLOCK}\n(?={NEXT_SECTION})", flags=re.DOTALL)

# of each kind that a card shows, the worst first
SHOWN = 8


def update_card(card: Path, folder: Path) -> None:
    """Write what the run measured of its bundle into the card, in place of what an earlier run wrote.

    Args:
        card: the bundle's README.md, which people may have changed or removed.
        folder: of the run.
    """
    if not card.is_file():
        return
    text = card.read_text(encoding="utf-8")
    changed = with_measured(text, read_report(folder))
    if changed != text:
        write_text(card, changed)


def reset_card(card: Path) -> None:
    """Take out of a bundle's card what a run measured, so that the card weighs what it did when the run did."""
    if card.is_file():
        text = card.read_text(encoding="utf-8")
        plain = EARLIER_BEFORE_USE.sub("\n", text)
        if plain != text:
            write_text(card, plain)


def with_measured(card: str, report: Report) -> str:
    """Return the text of a card with the sections in it: size and speed, and where there are any, differences."""
    is_ours = NEXT_SECTION in card or EARLIER.search(card)
    if not is_ours and report.subgroups is None and report.audit is None:  # people have written another one
        return card
    environment = template_environment("distill.report")
    environment.filters.update(
        cell=lambda text: escape_cell(str(text)),
        megabytes=lambda value, digits=1: f"{value / 1e6:.{digits}f}",
        percent=lambda share: f"{share:.1%}",
        number=lambda value, digits=3: "too few" if value is None else f"{value:.{digits}f}",
        signed=lambda value: f"{value:+.4f}",
    )
    timed = [line for line in summary_rows(report) if line.ships and line.p50_ms is not None]
    model = report.model(report.chosen)
    sections = environment.get_template("card.md").render(report=report, model=model, timed=timed, shown=SHOWN)
    block = f"{BEGIN}\n{sections.strip()}\n{END}"
    if EARLIER.search(card):
        return EARLIER.sub(lambda _: block, card)
    before, heading, after = card.partition(NEXT_SECTION)
    return f"{before.rstrip()}\n\n{block}\n{heading}{after}"
