"""Sections of the model card that only a finished run can fill: subgroups of the test rows, and the audit."""

import re
from pathlib import Path

from distill.artifacts.report import Report, read_report
from distill.files.atomic import write_text
from distill.files.templates import template_environment
from distill.variants.model_card import escape_cell

# around what is written here, so that it is found again; the rest of a card may be anybody's
BEGIN, END = "<!-- differences: begin -->", "<!-- differences: end -->"

# the section that they come before, where the card still has it
NEXT_SECTION = "\n## Use\n"

# of each kind that a card shows, the worst first
SHOWN = 8


def update_card(card: Path, folder: Path) -> None:
    """Write the run's subgroups and audit into a bundle's card, in place of those of an earlier run.

    Args:
        card: the bundle's README.md, which people may have changed or removed.
        folder: of the run.
    """
    if not card.is_file():
        return
    text = card.read_text(encoding="utf-8")
    changed = with_differences(text, read_report(folder))
    if changed != text:
        write_text(card, changed)


def with_differences(card: str, report: Report) -> str:
    """Return the text of a card with the sections in it, as it is if the run has none of them."""
    if report.subgroups is None and report.audit is None:
        return card
    environment = template_environment("distill.report")
    environment.filters.update(
        cell=lambda text: escape_cell(str(text)),
        number=lambda value, digits=3: "too few" if value is None else f"{value:.{digits}f}",
        signed=lambda value: f"{value:+.4f}",
    )
    sections = environment.get_template("card.md").render(report=report, shown=SHOWN).strip()
    block = f"{BEGIN}\n{sections}\n{END}"
    earlier = re.compile(f"{re.escape(BEGIN)}.*?{re.escape(END)}", flags=re.DOTALL)
    if earlier.search(card):
        return earlier.sub(lambda _: block, card)
    before, heading, after = card.partition(NEXT_SECTION)
    return f"{before.rstrip()}\n\n{block}\n{heading}{after}"
