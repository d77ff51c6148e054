"""Lines of a Markdown table."""

from collections.abc import Iterable, Sequence


def line(cells: Iterable[str]) -> str:
    """One row."""
    return f"| {' | '.join(cells)} |"


def head_lines(names: Sequence[str]) -> list[str]:
    """The two lines that a table begins with."""
    return [line(names), line(["---"] * len(names))]
