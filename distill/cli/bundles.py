"""Commands on bundles: predict, eval, diff, bench and verify. Base install only."""

import json
import os
import sys
from contextlib import closing
from io import BufferedIOBase
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from distill.cli.options import AsJson, Bundle, Header, LabelColumn, Rows, TextColumn, mapping_in, names_in
from distill.cli.tables import print_bench, print_evaluation, print_table
from distill.export.runtime.task import UNREADABLE, UNSURE
from distill.files.extras import need
from distill.files.printable import printable

if TYPE_CHECKING:
    from distill.export.runtime import Prediction


def predict(
    context: typer.Context,
    bundle: Bundle,
    texts: Annotated[list[str] | None, typer.Argument(help="Texts to decide; lines of stdin by default.")] = None,
    file: Annotated[
        Path | None, typer.Option("--file", help="Table of rows to decide: csv, tsv, jsonl, json or parquet.")
    ] = None,
    text: TextColumn = None,
    columns: Header = None,
    as_json: AsJson = False,
    threads: Annotated[
        int | None,
        typer.Option(
            help="Number of threads; by default as many as CPU affinity and the container's quota allow."
        ),
    ] = None,
) -> None:
    """Decide texts from the arguments, a file or lines of stdin: one line of labels, or one JSON object, per text.

    A bundle that reads pairs takes a file with its two columns, or JSON objects with them as lines of stdin.
    """
    from distill.bundles.predict import predict_blocks, predict_lines, predict_rows
    from distill.bundles.rows import Columns, read_rows
    from distill.export.runtime import InputError, load
    from distill.export.runtime.cores import available_threads
    from distill.runs.progress import Reporter

    if any(text.startswith("-") for text in texts or ()) and "--" not in context.obj.arguments:
        raise InputError("A text begins with a dash, or an option is unknown. Put -- before such texts.")
    if texts and file is not None:
        raise InputError("Texts and --file were both given. Give one of them.")
    if not texts and file is None and sys.stdin is None:
        raise InputError("There is no text. Give texts as arguments, or lines on stdin.")
    classifier = load(bundle, threads=available_threads() if threads is None else threads)
    # a moving bar among answers on a terminal would be in the way
    reporter = Reporter(quiet=sys.stdout is not None and sys.stdout.isatty())
    if file is not None:
        wanted = Columns(text=text, header=names_in(columns))
        blocks = predict_rows(classifier, read_rows(file, wanted, classifier.input), reporter)
    elif texts:
        blocks = predict_blocks(classifier, [texts])
    else:
        blocks = predict_lines(classifier, _stdin(), reporter)
    with closing(blocks):  # otherwise the bar outlives an error
        for predictions in blocks:
            lines = [_as_json(prediction) if as_json else _as_line(prediction) for prediction in predictions]
            print(*lines, sep="\n", flush=True)


def evaluate(
    bundle: Bundle,
    file: Rows,
    text: TextColumn = None,
    labels: LabelColumn = "labels",
    delimiter: Annotated[str, typer.Option(help="Delimiter of several labels in one cell.")] = ",",
    columns: Header = None,
    names: Annotated[
        list[str] | None,
        typer.Option(
            "--map",
            metavar="NAME=LABEL",
            help="Map a label of the file to a label of the bundle; may be repeated.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Measure quality, calibration and truncation of a bundle on labelled rows of your own."""
    from distill.bundles.evaluate import evaluate_bundle
    from distill.bundles.floors import require_unbroken
    from distill.bundles.rows import Columns
    from distill.runs.progress import Reporter

    wanted = Columns(text, labels, delimiter, names_in(columns), mapping_in(names))
    evaluation = evaluate_bundle(bundle, file, wanted, Reporter())
    if as_json:
        print(json.dumps(evaluation.to_dict(), indent=2), flush=True)
    else:
        print_evaluation(evaluation)
    require_unbroken(evaluation.floors)


def diff(
    old: Bundle,
    new: Bundle,
    file: Rows,
    text: TextColumn = None,
    columns: Header = None,
    as_json: AsJson = False,
) -> None:
    """Count the decisions that differ between two bundles on the texts of a file, per label."""
    from distill.bundles.evaluate import compare_bundles
    from distill.bundles.rows import Columns
    from distill.runs.progress import Reporter

    comparison = compare_bundles(old, new, file, Columns(text=text, header=names_in(columns)), Reporter())
    if as_json:
        print(json.dumps(comparison.to_dict(), indent=2))
        return
    print(f"{comparison.rows_changed} of {comparison.rows} rows are decided differently")
    counts = {"(left to a person)": comparison.abstained, **comparison.by_label}
    rows = [[name, str(changes.gained), str(changes.lost)] for name, changes in counts.items()]
    print_table("by label", ["label", "gained", "lost"], rows)


def bench(
    bundles: Annotated[list[Path], typer.Argument(help="Folders of bundles to time side by side.")],
    texts: Annotated[
        Path | None, typer.Option("--texts", help="File of texts; synthetic texts by default.")
    ] = None,
    text: TextColumn = None,
    columns: Header = None,
    rounds: Annotated[int, typer.Option(min=1, help="Number of interleaved rounds over all bundles.")] = 5,
    picture: Annotated[
        Path | None,
        typer.Option("--picture", help="Path of an .svg or .png file to draw quality against latency into."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Measure size, and latency from string to decision for single texts and batches, on one thread and on all."""
    from distill.bundles.rows import Columns, common_input, read_rows
    from distill.export.runtime.cores import available_threads
    from distill.export.runtime.manifest import read_manifest
    from distill.runs.progress import Reporter
    from distill.timing.bundles import bench_bundles

    if picture is not None:
        check_picture(picture, bundles)
    wanted = Columns(text=text, header=names_in(columns))
    reads = common_input(list(map(str, bundles)), [read_manifest(path).reads for path in bundles], wanted)
    user_texts = None if texts is None else list(read_rows(texts, wanted, reads))
    measured = bench_bundles(bundles, user_texts, sorted({1, available_threads()}), rounds, Reporter())
    if as_json:
        print(json.dumps(measured.to_dict(), indent=2), flush=True)
    else:
        print_bench(measured)
    if picture is not None:  # last, so that a full disk costs the picture alone
        from distill.timing.plot import draw_quality

        draw_quality(measured, picture)


def verify(
    bundle: Bundle,
    manifest_sha256: Annotated[str | None, typer.Option(help="SHA-256 that the manifest must have.")] = None,
) -> None:
    """Check a bundle's hashes and contract, and repeat its self-test on this machine."""
    from distill.export.runtime import verify as verify_bundle

    difference = verify_bundle(bundle, manifest_sha256=manifest_sha256)
    print(f"{bundle}: complete, with the same answers as when made (largest logit difference {difference:.2g})")


def _stdin() -> BufferedIOBase:
    return cast(BufferedIOBase, sys.stdin.buffer)


def _as_json(prediction: "Prediction") -> str:
    # an escape of the stream's own would not be JSON
    escaped = not (getattr(sys.stdout, "encoding", None) or "ascii").lower().startswith("utf")
    return json.dumps(vars(prediction), ensure_ascii=escaped)


def _as_line(prediction: "Prediction") -> str:
    """Return one text's decision in one line, or why there is none, and reasons to read the text."""
    reasons = list(prediction.handed_over)
    if UNREADABLE in reasons:
        decided = "not decided"
    elif prediction.abstained:
        decided = f"abstained (confidence {prediction.confidence:.2f})"
        reasons.remove(UNSURE)
    else:
        named = [f"{printable(name)} {prediction.scores[name]:.2f}" for name in prediction.labels]
        decided = ", ".join(named) or "-"
    return f"{decided} [{', '.join(reasons)}]" if reasons else decided


def check_picture(picture: Path, bundles: list[Path]) -> None:
    """Check, before minutes of measuring, that the picture can be drawn.

    Raises:
        InputError: its path cannot be written, or no bundle has a quality to draw.
        MissingExtraError: matplotlib is not installed.
    """
    from distill.export.runtime import InputError
    from distill.export.runtime.manifest import read_manifest
    from distill.timing.bundles import macro_f1_of

    if picture.suffix.lower() not in (".svg", ".png"):
        raise InputError(f"--picture {picture}: The name must end in .svg or .png.")
    if not picture.parent.is_dir():
        raise InputError(f"--picture {picture}: The folder does not exist. Create it, or choose another.")
    if picture.is_dir():
        raise InputError(f"--picture {picture}: This is a folder. Name a file in it.")
    if not os.access(picture if picture.exists() else picture.parent, os.W_OK):
        raise InputError(
            f"--picture {picture}: The file cannot be written. Check its permissions, or choose another folder."
        )
    need("train", "matplotlib")
    if all(macro_f1_of(read_manifest(bundle)) is None for bundle in bundles):
        raise InputError(
            "--picture: No bundle's manifest has metrics.test.macro_f1, so there is no quality to draw. "
            "Omit --picture, or bench bundles that `distill run` made."
        )
