"""Changes of a bundle's decisions by identity terms: `audit`."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from distill.cli.layout import print_table
from distill.cli.options import AsJson, Bundle, Encoding, Header, Quoting, TextColumn, names_in, row_options

if TYPE_CHECKING:
    from distill.evaluation.bias import Audit

SHOWN = 15  # cells that are printed


@row_options()
def audit(
    bundle: Bundle,
    against: Annotated[
        Path | None,
        typer.Option(
            help="Folder of the run that made the bundle: its teacher, twin, student and variants beside it."
        ),
    ] = None,
    terms: Annotated[
        Path | None,
        typer.Option(help="TOML file with your own templates, terms and words to swap, in place of the packaged."),
    ] = None,
    language: Annotated[
        str, typer.Option(metavar="en|zh", help="Language of the packaged templates and terms.")
    ] = "en",
    rows: Annotated[
        Path | None, typer.Option(help="File of rows in which words are swapped, beside the templates.")
    ] = None,
    text: TextColumn = None,
    columns: Header = None,
    encoding: Encoding = None,
    quoting: Quoting = None,
    most: Annotated[
        int, typer.Option("--most-rows", min=8, help="Maximum number of rows per axis in which words are swapped.")
    ] = 500,
    as_json: AsJson = False,
) -> None:
    """Swap identity terms in texts, and show which scores and decisions change: per axis and label, worst first.

    Beside a run, amplification is the mean absolute gap of a model minus its teacher's, with an interval over the
    templates. A gap is about these texts alone, and no proof of fairness where none is found.
    """
    from distill.bundles.audit import (
        UNREAD,
        require_texts,
        scorer_of,
        too_few_templates,
        with_unread,
    )
    from distill.bundles.audit import audit as audited
    from distill.bundles.identity import (
        MIN_TEMPLATES,
        axes_left_out,
        comparisons,
        packaged_identity,
        read_identity,
        require_swaps,
        swapped_rows,
    )
    from distill.bundles.rows import Columns, read_rows
    from distill.export.runtime import load

    classifier = load(bundle)
    require_texts(classifier.input.kind, str(bundle))
    identity = packaged_identity(language) if terms is None else read_identity(terms)
    compared = comparisons(identity)
    if rows is not None:
        require_swaps(identity, str(rows))
        wanted = Columns(text=text, header=names_in(columns), encoding=encoding, quoting=quoting)
        own = (row for row in read_rows(rows, wanted, classifier.input) if isinstance(row, str))
        swapped = swapped_rows(identity, own, most)
        compared += swapped
        for axis in axes_left_out(identity, swapped):
            print(f"{axis}: Fewer than {MIN_TEMPLATES} rows have words to swap; none is audited.", file=sys.stderr)
    models, reference = {"bundle": scorer_of(classifier)}, None
    if against is not None:
        from distill.files.extras import need
        from distill.pipeline.audited import TEACHER, scorers_of_run

        need("train", "torch")
        models = {**scorers_of_run(against, classifier), **models}
        reference = TEACHER if TEACHER in models else None
    found = audited(models, classifier.labels, compared, reference)
    found = with_unread(found, classifier, compared)
    for axis, (has, needed) in too_few_templates(compared, len(classifier.labels)).items():
        print(
            f"{axis}: {has} templates or rows can tell no difference from chance, among all labels and groups. "
            f"Give {needed} or more.",
            file=sys.stderr,
        )
    for one in found.axes:
        if one.unread >= UNREAD:
            print(
                f"{one.axis}: The bundle reads {one.unread:.0%} of the pairs of texts alike, or cannot read "
                "them, which shows nothing. Use terms in its language (--language, --terms).",
                file=sys.stderr,
            )
    if as_json:
        print(json.dumps(found.to_dict(), indent=2), flush=True)
    else:
        _print(found)


def _print(found: "Audit") -> None:
    ships = found.models[-1]
    print_table(
        "mean difference of scores; decisions that differ; labels whose difference is more than chance",
        ["axis", "texts", *found.models],
        [
            [
                axis.axis,
                str(axis.texts),
                *(f"{axis.gap[name]:.4f}; {axis.flipped[name]:.1%}; {axis.shown[name]}" for name in found.models),
            ]
            for axis in found.axes
        ],
    )
    if found.reference is not None:
        others = [name for name in found.models if name != found.reference]
        print_table(
            f"amplification: the mean difference minus that of {found.reference}, 95 % interval by template",
            ["axis", *others],
            [[axis.axis, *(_interval(axis.amplification[name]) for name in others)] for axis in found.axes],
        )
    worst = sorted(found.cells, key=lambda cell: -abs(cell.gaps[ships]))[:SHOWN]
    print_table(
        f"largest differences of {ships}: score with the first term minus score with the second",
        ["axis", "first", "second", "label", *found.models, "p", "decisions that differ"],
        [
            [
                cell.axis,
                cell.group,
                cell.other,
                cell.label,
                *(f"{cell.gaps[name]:+.3f}" for name in found.models),
                f"{cell.p_values[ships]:.2g}",
                f"{cell.flips[ships]:.1%}",
            ]
            for cell in worst
        ],
    )


def _interval(interval: object) -> str:
    value, low, high = (getattr(interval, name) for name in ("value", "low", "high"))
    return f"{value:+.4f} ({low:+.4f} to {high:+.4f})"
