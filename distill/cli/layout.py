"""Tables on stdout that fit the terminal without breaking a word or a number."""

import textwrap
from collections.abc import Mapping

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from distill.files.printable import printable

# a pipe has no width of its own, and a truncated number would be a wrong one
WIDTH_OF_A_PIPE = 140

BORDER = 3  # columns of a line between two cells, and of the blanks beside it


def print_table(title: str, head: list[str], rows: list[list[str]]) -> None:
    """Print a table: the first column aligned to the left, all others to the right.

    Where the terminal is too narrow the lines around it go, then headings wrap between words, and then each row
    becomes a paragraph. No word and no number is ever broken.
    """
    console = _console()
    cells = [[printable(cell) for cell in row] for row in (head, *rows)]
    columns = list(zip(*cells, strict=True))
    whole = [max(map(cell_len, column)) for column in columns]
    narrow = [max(map(cell_len, (*column[0].split(), *column[1:]))) for column in columns]
    if sum(whole) + BORDER * len(whole) + 1 <= console.width:
        table = Table(title=Text(printable(title)), title_justify="left")
    elif sum(narrow) + len(narrow) <= console.width:
        table = Table(
            title=Text(printable(title)), title_justify="left", box=None, padding=(0, 1, 0, 0), pad_edge=False
        )
    else:
        _print_paragraphs(title, cells, console.width)
        return
    for index, (name, width) in enumerate(zip(cells[0], narrow if table.box is None else whole, strict=True)):
        table.add_column(Text(name), justify="left" if index == 0 else "right", width=width, overflow="fold")
    for row in cells[1:]:
        table.add_row(*map(Text, row))
    console.print(table)


def _print_paragraphs(title: str, cells: list[list[str]], width: int) -> None:
    """Print each row as its first cell, and below it the others by the names of their columns."""
    head, *rows = cells
    print(printable(title))
    for first, *others in rows:
        values = ", ".join(f"{name} {value}" for name, value in zip(head[1:], others, strict=True))
        lines = textwrap.wrap(values, max(1, width - 2), break_long_words=False, break_on_hyphens=False)
        print(first, *(f"  {line}" for line in lines), sep="\n")


class _Stdout(Console):
    """A console on stdout that lets the command line end when its reader has left."""

    def on_broken_pipe(self) -> None:
        """Raise what rich would turn into a status of its own."""
        raise BrokenPipeError


def print_entries(entries: Mapping[str, str]) -> None:
    """Print names with their descriptions beside them, wrapped between words."""
    indent = " " * (max(map(cell_len, entries)) + 2)
    for name, description in entries.items():
        first = printable(name) + indent[cell_len(name) :]
        print(
            textwrap.fill(printable(description), _console().width, initial_indent=first, subsequent_indent=indent)
        )


def _console() -> Console:
    console = _Stdout()
    return console if console.is_terminal else _Stdout(width=WIDTH_OF_A_PIPE)
