"""Commands over a bundle: predict, eval, diff, bench and verify. Base install only."""

import json
import os
import sys
from contextlib import closing
from io import BufferedIOBase
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from distill.cli.options import AsJson, Bundle, Header, LabelColumn, Rows, TextColumn, names_in, need
from distill.cli.tables import print_bench, print_evaluation, print_table

if TYPE_CHECKING:
    from distill.export.runtime import Prediction


def predict(
    context: typer.Context,
    bundle: Bundle,
    texts: Annotated[list[str] | None, typer.Argument(help="Texts; without any, lines of stdin.")] = None,
    as_json: AsJson = False,
    threads: Annotated[
        int | None, typer.Option(help="Threads; as many as CPU affinity and the container's quota give otherwise.")
    ] = None,
) -> None:
    """Decide texts, given as arguments or as lines of stdin: one line of labels (or one JSON object) for each."""
    from distill.bundles.predict import predict_blocks, predict_lines
    from distill.export.runtime import InputError, load
    from distill.export.runtime.cores import available_threads
    from distill.runs.progress import Reporter

    if any(text.startswith("-") for text in texts or ()) and "--" not in context.obj.arguments:
        raise InputError("a text begins with a dash, or an option is not known; put -- before such texts")
    if not texts and sys.stdin is None:
        raise InputError("there is no text: give some as arguments, or lines on stdin")
    classifier = load(bundle, threads=available_threads() if threads is None else threads)
    # among answers on a terminal a moving bar would only be in the way
    reporter = Reporter(quiet=sys.stdout is not None and sys.stdout.isatty())
    blocks = predict_blocks(classifier, [texts]) if texts else predict_lines(classifier, _stdin(), reporter)
    with closing(blocks):  # or a bar would outlive an error
        for found in blocks:
            shown = [json.dumps(vars(one), ensure_ascii=False) if as_json else _in_words(one) for one in found]
            print(*shown, sep="\n", flush=True)


def evaluate(
    bundle: Bundle,
    file: Rows,
    text: TextColumn = "text",
    labels: LabelColumn = "labels",
    delimiter: Annotated[str, typer.Option(help="Splits a string of several labels.")] = ",",
    columns: Header = None,
    as_json: AsJson = False,
) -> None:
    """Quality, calibration and truncation of a bundle on labelled rows of your own."""
    from distill.bundles.evaluate import evaluate_bundle
    from distill.bundles.rows import Columns
    from distill.runs.progress import Reporter

    found = evaluate_bundle(bundle, file, Columns(text, labels, delimiter, names_in(columns)), Reporter())
    if as_json:
        print(json.dumps(found, indent=2))
        return
    print_evaluation(found)


def diff(
    old: Bundle,
    new: Bundle,
    file: Rows,
    text: TextColumn = "text",
    columns: Header = None,
    as_json: AsJson = False,
) -> None:
    """Which decisions change between two bundles on the texts of a file, by label."""
    from distill.bundles.evaluate import compare_bundles
    from distill.bundles.rows import Columns
    from distill.runs.progress import Reporter

    found = compare_bundles(old, new, file, Columns(text=text, header=names_in(columns)), Reporter())
    if as_json:
        print(json.dumps(found, indent=2))
        return
    print(f"{found['rows_changed']} of {found['rows']} rows are decided differently")
    counts = {"(handed over to a person)": found["abstained"], **found["by_label"]}
    rows = [[name, str(n["gained"]), str(n["lost"])] for name, n in counts.items()]
    print_table("by label", ["label", "gained", "lost"], rows)


def bench(
    bundles: Annotated[list[Path], typer.Argument(help="Bundles to time side by side.")],
    texts: Annotated[Path | None, typer.Option("--texts", help="File of texts; synthetic ones otherwise.")] = None,
    text: TextColumn = "text",
    columns: Header = None,
    rounds: Annotated[int, typer.Option(min=1, help="Turns of all bundles.")] = 5,
    picture: Annotated[
        Path | None, typer.Option("--picture", help="Draw quality against latency into this .svg or .png.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Latency end to end, string in to decision out, single texts and batches, one and all threads; bytes."""
    from distill.bench.bundles import bench_bundles
    from distill.bundles.rows import Columns, texts_of
    from distill.export.runtime.cores import available_threads
    from distill.runs.progress import Reporter

    if picture is not None:
        check_picture(picture, bundles)
    own = None if texts is None else texts_of(texts, Columns(text=text, header=names_in(columns)))
    measured = bench_bundles(bundles, own, sorted({1, available_threads()}), rounds, Reporter())
    if as_json:
        print(json.dumps(measured.to_dict(), indent=2), flush=True)
    else:
        print_bench(measured)
    if picture is not None:  # last, so that a full disk takes the picture alone
        from distill.bench.plot import draw_quality

        draw_quality(measured, picture)


def verify(
    bundle: Bundle,
    manifest_sha256: Annotated[str | None, typer.Option(help="The manifest must have exactly this hash.")] = None,
) -> None:
    """Check a bundle's hashes and contract, and repeat its self-test on this machine."""
    from distill.export.runtime import verify as verify_bundle

    worst = verify_bundle(bundle, manifest_sha256=manifest_sha256)
    print(f"{bundle}: whole, and answers as when it was made (largest logit difference {worst:.2g})")


def _stdin() -> BufferedIOBase:
    return cast(BufferedIOBase, sys.stdin.buffer)


def _in_words(found: "Prediction") -> str:
    """The decision of one text in one line; one that was not made says how sure it would have been."""
    if found.abstained:
        return f"abstained (confidence {found.confidence:.2f})"
    return ", ".join(f"{name} {found.scores[name]:.2f}" for name in found.labels) or "-"


def check_picture(picture: Path, bundles: list[Path]) -> None:
    """Before minutes of measuring: what would keep the picture from being drawn."""
    from distill.bench.bundles import macro_f1_of
    from distill.export.runtime import InputError
    from distill.export.runtime.manifest import read_manifest

    if picture.suffix.lower() not in (".svg", ".png"):
        raise InputError(f"--picture {picture}: must end in .svg or .png")
    if not picture.parent.is_dir():
        raise InputError(f"--picture {picture}: there is no such folder; make it, or choose another")
    if picture.is_dir():
        raise InputError(f"--picture {picture}: is a folder; name a file")
    if not os.access(picture if picture.exists() else picture.parent, os.W_OK):
        raise InputError(f"--picture {picture}: cannot be written; check its rights, or choose another folder")
    need("train", "matplotlib")
    if all(macro_f1_of(read_manifest(bundle)) is None for bundle in bundles):
        raise InputError(
            "--picture: no bundle's manifest has metrics.test.macro_f1, so there is no quality to draw; "
            "leave --picture out, or bench bundles that `distill run` made"
        )
