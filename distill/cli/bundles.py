"""Commands on bundles: predict, eval, diff, bench, verify. Base install only."""

import json
import sys
from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer

from distill.cli.answers import (
    answer_line,
    json_line,
    predict_conversations,
    predict_file,
    stdin_bytes,
)
from distill.cli.layout import print_table
from distill.cli.options import (
    AsJson,
    Bundle,
    Bundles,
    Encoding,
    Header,
    LabelColumn,
    Quiet,
    Quoting,
    Rows,
    TextColumn,
    mapping_in,
    names_in,
    row_options,
)
from distill.cli.parsing import file_among
from distill.cli.picture import check_picture
from distill.cli.tables import print_bench, print_evaluation
from distill.cli.watch import watched


@row_options()
def predict(
    context: typer.Context,
    bundle: Bundle,
    texts: Annotated[
        list[str] | None, typer.Argument(help="Texts to decide, or one file; lines of stdin by default.")
    ] = None,
    file: Annotated[
        Path | None, typer.Option("--file", help="File of rows to decide: csv, tsv, jsonl, json, parquet or txt.")
    ] = None,
    text: TextColumn = None,
    identity: Annotated[
        str | None, typer.Option("--id", help="Column of the file whose value is printed with each answer.")
    ] = None,
    columns: Header = None,
    encoding: Encoding = None,
    quoting: Quoting = None,
    as_json: AsJson = False,
    threads: Annotated[
        int | None,
        typer.Option(
            help="Number of threads; by default as many as CPU affinity and the container's quota allow."
        ),
    ] = None,
    monitor: Annotated[
        Path | None,
        typer.Option(help="File to add counts of what is decided to, for `distill drift`; no text is kept."),
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Decide texts from the arguments, a file or lines of stdin: one line of labels, or one JSON object, per text.

    Answers on a file begin with the row's number, as a spreadsheet shows it, and the value of --id. A single
    argument that is the path of a file is read as that file; after -- it is a text.

    A bundle that reads pairs takes a file with its two columns, or JSON objects with them as lines of stdin. One
    that reads conversations takes a .jsonl file, or lines of stdin, with a list of turns each.
    """
    from distill.bundles.predict import predict_blocks, predict_lines
    from distill.bundles.rows import Columns
    from distill.export.runtime import InputError, load
    from distill.export.runtime.cores import available_threads
    from distill.export.runtime.reading.turns import TURNS
    from distill.runs.progress import Reporter

    plain = "--" in context.obj.arguments
    if texts and file is not None:
        raise InputError("Texts and --file were both given. Give one of them.")
    if texts and not plain:
        file = file_among(texts)
    if file is None and {text, identity, columns, encoding, quoting} != {None}:
        raise InputError("--text, --id, --columns, --encoding and --quoting are about a file. Name one.")
    if not texts and file is None and sys.stdin is None:
        raise InputError("There is no text. Give texts as arguments, or lines on stdin.")
    classifier = load(bundle, threads=available_threads() if threads is None else threads)
    # a moving bar among answers on a terminal would be in the way
    reporter = Reporter(quiet=quiet or (sys.stdout is not None and sys.stdout.isatty()))
    wanted = Columns(text=text, header=names_in(columns), encoding=encoding, quoting=quoting)
    if classifier.input.kind == TURNS:
        wanted.require_none()
        with watched(classifier, monitor) as deciding:
            predict_conversations(deciding, texts, file, identity, reporter, as_json=as_json)
        return
    with watched(classifier, monitor) as deciding:
        if file is not None:
            predict_file(deciding, file, wanted, identity, reporter, as_json=as_json)
            return
        blocks = predict_blocks(deciding, [texts]) if texts else predict_lines(deciding, stdin_bytes(), reporter)
        with closing(blocks):  # otherwise the bar outlives an error
            for predictions in blocks:
                lines = [json_line(found.to_dict()) if as_json else answer_line(found) for found in predictions]
                print(*lines, sep="\n", flush=True)


@row_options()
def evaluate(
    bundle: Bundle,
    file: Rows,
    text: TextColumn = None,
    labels: LabelColumn = "labels",
    delimiter: Annotated[str, typer.Option(help="Delimiter of several labels in one cell.")] = ",",
    columns: Header = None,
    encoding: Encoding = None,
    quoting: Quoting = None,
    names: Annotated[
        list[str] | None,
        typer.Option(
            "--map",
            metavar="NAME=LABEL",
            help="Map a label of the file to a label of the bundle; may be repeated.",
        ),
    ] = None,
    group: Annotated[
        str | None,
        typer.Option(help="Column of a conversation or person: in the test of floors, rows of one count as one."),
    ] = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Measure quality, calibration and truncation of a bundle on labelled rows of your own."""
    from distill.bundles.evaluate import evaluate_bundle
    from distill.bundles.floors import require_unbroken
    from distill.bundles.rows import Columns
    from distill.runs.progress import Reporter

    wanted = Columns(text, labels, delimiter, names_in(columns), mapping_in(names), encoding, quoting, group)
    evaluation = evaluate_bundle(bundle, file, wanted, Reporter(quiet=quiet))
    if as_json:
        print(json.dumps(evaluation.to_dict(), indent=2), flush=True)
    else:
        print_evaluation(evaluation)
    require_unbroken(evaluation.floors)


@row_options()
def diff(
    old: Bundle,
    new: Bundle,
    file: Rows,
    text: TextColumn = None,
    columns: Header = None,
    encoding: Encoding = None,
    quoting: Quoting = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Count decisions, and reasons to hand texts over, that differ between two bundles on the texts of a file."""
    from distill.bundles.evaluate import compare_bundles
    from distill.bundles.rows import Columns
    from distill.runs.progress import Reporter

    wanted = Columns(text=text, header=names_in(columns), encoding=encoding, quoting=quoting)
    comparison = compare_bundles(old, new, file, wanted, Reporter(quiet=quiet))
    if as_json:
        print(json.dumps(comparison.to_dict(), indent=2))
        return
    print(f"{comparison.rows_changed} of {comparison.rows} rows are decided differently")
    reasons = {f"(handed over: {reason})": changes for reason, changes in comparison.handed_over.items()}
    counts = {"(left to a person)": comparison.abstained, **reasons, **comparison.by_label}
    rows = [[name, str(changes.gained), str(changes.lost)] for name, changes in counts.items()]
    print_table("by label", ["label", "gained", "lost"], rows)


@row_options()
def bench(
    bundles: Bundles,
    texts: Annotated[
        Path | None, typer.Option("--texts", help="File of texts; synthetic texts by default.")
    ] = None,
    text: TextColumn = None,
    columns: Header = None,
    encoding: Encoding = None,
    quoting: Quoting = None,
    rounds: Annotated[int, typer.Option(min=1, help="Number of interleaved rounds over all bundles.")] = 5,
    picture: Annotated[
        Path | None,
        typer.Option("--picture", help="Path of an .svg or .png file to draw quality against latency into."),
    ] = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Measure size, and latency from string to decision for single texts and batches, on one thread and on all."""
    from distill.bundles.rows import Columns, common_input, read_rows
    from distill.export.runtime.cores import available_threads
    from distill.export.runtime.manifest.manifest import read_manifest
    from distill.runs.progress import Reporter
    from distill.timing.bundles import bench_bundles

    if picture is not None:
        check_picture(picture, bundles)
    wanted = Columns(text=text, header=names_in(columns), encoding=encoding, quoting=quoting)
    reads = common_input(list(map(str, bundles)), [read_manifest(path).reads for path in bundles], wanted)
    user_texts = None if texts is None else list(read_rows(texts, wanted, reads))
    measured = bench_bundles(bundles, user_texts, sorted({1, available_threads()}), rounds, Reporter(quiet=quiet))
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
    as_json: AsJson = False,
) -> None:
    """Check a bundle's hashes and contract, and repeat its self-test on this machine, alone and in batches."""
    from distill.export.runtime import load, self_test

    classifier = load(bundle, manifest_sha256=manifest_sha256)
    difference, exact = self_test(classifier), classifier.batches_are_exact
    if as_json:
        found = {"bundle": str(bundle), "largest_logit_difference": difference, "batches_are_exact": exact}
        print(json.dumps(found))
        return
    print(f"{bundle}: complete, with the same answers as when made (largest logit difference {difference:.2g})")
    print(
        "In batches its scores have the same bits as alone on this CPU."
        if exact
        else "In batches the last bits of its scores would move on this CPU, so it reads one text at a time."
    )
