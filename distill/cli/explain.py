"""The verb `explain`: words of a text that a decision used."""

import json
import sys
from io import BufferedIOBase
from itertools import chain
from typing import TYPE_CHECKING, Annotated, cast

import typer

from distill.cli.layout import print_table
from distill.cli.options import AsJson, Bundle
from distill.cli.parsing import file_among
from distill.files.printable import printable

if TYPE_CHECKING:
    from distill.export.runtime.explain import Explanation, WordEffect
    from distill.export.runtime.reading.inputs import Input, Row


def explain(
    context: typer.Context,
    bundle: Bundle,
    texts: Annotated[list[str] | None, typer.Argument(help="Texts to explain; lines of stdin by default.")] = None,
    label: Annotated[
        str | None,
        typer.Option("--label", help="Label to explain; by default the decided one with the highest score."),
    ] = None,
    minimal: Annotated[
        bool,
        typer.Option("--minimal", help="Also find the fewest words without which the label is decided otherwise."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show which words of a text a decision used: the change of the score, and of the decision, without each.

    It says what the model used, and nothing about why somebody feels so. With --json words are places in the text,
    in code points, one object per text. A bundle that reads pairs takes JSON: lists of two texts, or
    objects with both columns.
    """
    from distill.bundles.predict import line_blocks
    from distill.export.runtime import InputError, load
    from distill.export.runtime.reading.inputs import segments_of

    if texts and "--" not in context.obj.arguments and (file := file_among(texts)) is not None:
        raise InputError(f"{file}: This is a file. Give its lines on stdin (< {file}), or put -- before a text.")
    if not texts and sys.stdin is None:
        raise InputError("There is no text. Give texts as arguments, or lines on stdin.")
    classifier = load(bundle)
    lines = iter(texts) if texts else chain.from_iterable(line_blocks(cast(BufferedIOBase, sys.stdin.buffer)))
    for number, line in enumerate(lines, 1):
        row = _row(line, number, classifier.input)
        explanation = classifier.explain(row, label, minimal=minimal)
        if as_json:
            print(json.dumps(explanation.to_dict(), ensure_ascii=True), flush=True)
        else:
            _print(explanation, segments_of(row), minimal=minimal)


def _row(line: str, number: int, reads: "Input") -> "Row":
    from distill.export.runtime import InputError
    from distill.export.runtime.reading.inputs import Pair

    if not isinstance(reads, Pair):
        return line
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        names = " and ".join(map(repr, reads.columns))
        raise InputError(
            f'text {number}: This bundle reads pairs. Give a JSON list of two, such as ["Q", "A"], or an object '
            f"with {names}."
        ) from None
    return reads.row(value, f"text {number}")


def _print(explanation: "Explanation", texts: tuple[str, ...], *, minimal: bool) -> None:
    """Print one text's words with what changes without them, those that change most first."""
    reasons = explanation.prediction.handed_over
    verdict = "decided" if explanation.decided else "not decided"
    if explanation.prediction.abstained:
        verdict = f"left to a person: {', '.join(reasons)}"
    print(f"{printable(explanation.label)} {explanation.score:.2f} ({verdict})")
    if explanation.prediction.truncated:
        print("The end was cut off unread.")
    if not explanation.words:
        print("The text cannot be read: no word was used.")
        return
    words = [printable(texts[word.segment][word.start : word.end]) for word in explanation.words]
    order = sorted(range(len(words)), key=lambda at: -abs(explanation.words[at].change))
    rows = [[words[at], *_cells(explanation.words[at])] for at in order]
    print_table("what the model used", ["without", "score", "with a mask", "decision"], rows)
    if minimal and explanation.deletion is None:
        print("No deletion decides otherwise, not even that of all words.")
    if explanation.deletion is not None:
        named = ", ".join(words[at] for at in explanation.deletion.words)
        least = "the fewest words" if explanation.deletion.smallest else "none of these can stay"
        print(f"decided otherwise without: {named} (score {explanation.deletion.score:.2f}; {least})")


def _cells(word: "WordEffect") -> list[str]:
    masked = "-" if word.masked_change is None else f"{-word.masked_change:+.3f}"
    changes = [*(f"+{label}" for label in word.gained), *(f"-{label}" for label in word.lost)]
    return [f"{-word.change:+.3f}", masked, " ".join(changes) or "same"]
