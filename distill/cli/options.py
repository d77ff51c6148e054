"""Arguments and options that several commands share, and checks that they make before they start."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from distill.bundles.places import bundle_in
from distill.export.runtime import InputError
from distill.export.runtime.errors import renamed_arguments

# argument, as what reads a user's rows names it in messages -> option
ROW_OPTIONS = {
    **{name: f"--{name}" for name in ("text", "labels", "group", "encoding", "quoting", "columns")},
    "mapping": "--map NAME=LABEL",
    "identity": "--id",
}

RecipeName = Annotated[
    str, typer.Argument(help="Name of a packaged recipe (quickstart, goemotions, ...), or a TOML file.")
]

Overrides = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="KEY=VALUE", help="Override a recipe key, for example --set student.layers=[0,3,5]."
    ),
]

Runs = Annotated[Path, typer.Option("--runs", help="Folder of all runs; each recipe name has a folder in it.")]

Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print no progress on stderr.")]

Verbose = Annotated[
    bool, typer.Option("--verbose", "-v", help="Print versions, threads, seconds and peak memory on stderr.")
]


def _bundles_in(folders: list[Path]) -> list[Path]:
    return [bundle_in(folder) for folder in folders]


Bundle = Annotated[
    Path, typer.Argument(callback=bundle_in, help="Folder of a bundle, or of the run that made it.")
]

Bundles = Annotated[
    list[Path], typer.Argument(callback=_bundles_in, help="Folders of bundles, or of the runs that made them.")
]

Rows = Annotated[Path, typer.Argument(help="A csv, tsv, jsonl, json, parquet or txt file.")]

TextColumn = Annotated[
    str | None,
    typer.Option(
        "--text",
        help="Column of the texts, or the two of a pair as FIRST,SECOND; by default text, or the bundle's own.",
        show_default=False,
    ),
]

LabelColumn = Annotated[
    str,
    typer.Option("--labels", help="Name of the column with the labels: names, ids, or several with a delimiter."),
]

Header = Annotated[
    str | None, typer.Option("--columns", help="Column names for a file without a header, comma-separated.")
]

Encoding = Annotated[
    str | None, typer.Option("--encoding", help="Encoding of a text file; UTF-8 by default.", show_default=False)
]

Quoting = Annotated[
    bool | None,
    typer.Option(
        "--quoting/--no-quoting",
        help="Whether quotation marks around a field are the file's; by default those of a .csv are.",
        show_default=False,
    ),
]

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@dataclass(frozen=True)
class Invocation:
    """A command as it was typed; every command finds it as `context.obj`."""

    program: str
    arguments: tuple[str, ...]


def check_output(path: Path) -> None:
    """Check, before any work, that a file can be written without replacing another one.

    Raises:
        InputError: its folder does not exist, or the file does.
    """
    if not path.parent.is_dir():
        raise InputError(
            f"{path}: The folder {path.parent} does not exist. Create it, or choose another with --out."
        )
    if path.exists():
        raise InputError(f"{path}: The file already exists. Choose another name with --out, or remove it.")


def names_in(columns: str | None) -> tuple[str, ...] | None:
    """Return comma-separated column names as a tuple; None for None."""
    return None if columns is None else tuple(name.strip() for name in columns.split(","))


def mapping_in(pairs: list[str] | None) -> dict[str, str]:
    """Return the labels of a file and the bundle's labels that they mean.

    Raises:
        InputError: a pair does not have the form NAME=LABEL, or a name is given twice.
    """
    mapping: dict[str, str] = {}
    for pair in pairs or ():
        name, _, label = (part.strip() for part in pair.rpartition("="))
        if not name or not label:
            raise InputError(f"--map {pair}: Write the file's label, = and the bundle's label: --map NAME=LABEL.")
        if name in mapping:
            raise InputError(f"--map {pair}: The name {name} is mapped twice. Map it once.")
        mapping[name] = label
    return mapping


@contextmanager
def row_options() -> Iterator[None]:
    """Name options instead of arguments in an InputError raised inside; also works as a decorator."""
    with renamed_arguments(ROW_OPTIONS, _with_value):
        yield


def _with_value(option: str, value: str) -> str:
    if option == "--quoting":
        return option if value == "true" else "--no-quoting"
    return f"{option} {value}"
