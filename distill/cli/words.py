"""The pieces into which a tokenizer splits words: `words`."""

import json
from pathlib import Path
from typing import Annotated

import typer

from distill.bundles.places import bundle_in
from distill.cli.layout import print_table
from distill.cli.options import AsJson

Folder = Annotated[
    Path,
    typer.Argument(callback=bundle_in, help="Folder of a bundle, of its run, or of a model with tokenizer.json."),
]


def words(
    folder: Folder,
    file: Annotated[
        Path | None,
        typer.Option("--words", help="File of one word per line; the packaged crisis words by default."),
    ] = None,
    against: Annotated[
        Path | None, typer.Option(help="Folder of another tokenizer, such as the teacher's, to count beside.")
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Print every word, not only those that are split.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show how a tokenizer reads a list of words: whole, in pieces, or not at all.

    `student.keep_words = "crisis"` in a recipe keeps the crisis words as the teacher reads them.
    """
    from distill.bundles.words import read_words, word_list

    found = word_list(folder, read_words(file), against)
    if as_json:
        print(json.dumps(found.to_dict(), indent=2, ensure_ascii=True), flush=True)
        return
    beside = against is not None
    shown = [
        word for word in found.words if every or word.unknown or (word.further if beside else len(word.pieces) > 1)
    ]
    rows = [
        [
            word.word,
            " ".join(word.pieces),
            "unknown" if word.unknown else str(len(word.pieces)),
            *([str(word.other)] if beside else []),
        ]
        for word in shown
    ]
    if rows:
        print_table("words", ["word", "pieces", "number", *(["of the other"] if beside else [])], rows)
    total = len(found.words)
    further = f", {found.further} split further than by the other tokenizer" if beside else ""
    print(f"{total} words: {found.whole} whole, {found.unknown} with an unknown piece{further}")
