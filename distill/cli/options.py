"""Arguments and options that several commands share, and what they need before they start."""

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from distill.export.runtime import InputError, MissingExtraError

RecipeName = Annotated[
    str, typer.Argument(help="A packaged recipe's name (quickstart, goemotions, ...) or a TOML file.")
]

Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Override a recipe key: --set student.layers=[0,3,5]"),
]

Runs = Annotated[Path, typer.Option("--runs", help="Folder that holds the runs, one folder for each recipe name.")]

Quiet = Annotated[bool, typer.Option("--quiet", help="No progress on stderr.")]

Bundle = Annotated[Path, typer.Argument(help="A bundle's folder: the one with manifest.json.")]

Rows = Annotated[Path, typer.Argument(help="csv, tsv, jsonl, json, parquet or txt file.")]

TextColumn = Annotated[str, typer.Option("--text", help="Column of the texts.")]

LabelColumn = Annotated[str, typer.Option("--labels", help="Column of the labels: names, ids, or delimited.")]

Header = Annotated[
    str | None, typer.Option("--columns", help="Column names of a file without a header, comma-separated.")
]

AsJson = Annotated[bool, typer.Option("--json", help="Machine-readable output.")]


@dataclass(frozen=True)
class Invocation:
    """A command as it was typed; `context.obj` of every command."""

    program: str
    arguments: tuple[str, ...]


def need(extra: str, module: str) -> None:
    """Refuse a command whose extra is not installed.

    Raises:
        MissingExtraError: the module cannot be found.
    """
    if find_spec(module) is None:
        raise MissingExtraError(f'this command needs the {extra} extra: pip install "distill-text[{extra}]"')


def need_export() -> None:
    """Refuse a command that exports where the export extra is not installed."""
    need("export", "onnx")
    need("export", "optimum")


def refuse_place(path: Path) -> None:
    """Before anything is measured: no file is written over, and the folder must be there."""
    if not path.parent.is_dir():
        raise InputError(f"{path}: there is no folder {path.parent}; make it, or choose another with --out")
    if path.exists():
        raise InputError(f"{path}: exists already; choose another name with --out, or remove it")


def names_in(columns: str | None) -> tuple[str, ...] | None:
    """Split comma-separated column names; None stays None."""
    return None if columns is None else tuple(name.strip() for name in columns.split(","))
