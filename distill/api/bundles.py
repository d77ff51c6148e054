"""Quality and speed of bundles, from Python. Base install only."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from distill.api.run import Run
from distill.bundles.evaluate import Evaluation, evaluate_bundle
from distill.bundles.places import bundle_in
from distill.bundles.rows import Columns
from distill.export.runtime import Classifier, InputError
from distill.export.runtime.cores import available_threads
from distill.export.runtime.errors import renamed_arguments
from distill.export.runtime.reading.inputs import Row
from distill.runs.progress import Reporter
from distill.timing.bundles import BundleBench, bench_bundles

# a folder of a bundle or of the run that made it, that run, or the bundle as it was loaded
AnyBundle = str | Path | Run | Classifier

# arguments that messages about a user's rows name; here they are called the same
ARGUMENTS = {
    name: name for name in ("text", "labels", "mapping", "group", "encoding", "quoting", "columns", "delimiter")
}


def evaluate(
    bundle: AnyBundle,
    file: str | Path,
    *,
    text: str | None = None,
    labels: str = "labels",
    delimiter: str = ",",
    columns: Sequence[str] | None = None,
    mapping: Mapping[str, str] | None = None,
    encoding: str | None = None,
    quoting: bool | None = None,
    group: str | None = None,
    quiet: bool = True,
) -> Evaluation:
    """Measure quality, calibration and truncation of a bundle on labelled rows, as `distill eval` does.

    Args:
        bundle: its folder, that of the run that made it, the run, or the bundle as it was loaded.
        file: a csv, tsv, jsonl, json or parquet file.
        text: column of the texts, or the two of a pair as "FIRST,SECOND"; by default the bundle's own.
        labels: column of the labels.
        delimiter: of several labels in one cell.
        columns: names for a file without a header.
        mapping: labels of the file, and the bundle's labels that they mean.
        encoding: of a text file; UTF-8 by default.
        quoting: whether quotation marks around a field are the file's; by default those of a .csv are.
        group: column of a conversation or person: in the test of floors, rows of one count as one.
        quiet: whether no progress is shown on stderr.

    Raises:
        InputError: a row or an argument is wrong; the message names row and column and quotes no text.
        BundleError: the bundle is refused.
    """
    header = None if columns is None else tuple(columns)
    wanted = Columns(text, labels, delimiter, header, dict(mapping or {}), encoding, quoting, group)
    if not isinstance(file, str | os.PathLike):
        raise InputError(
            f"file: This must be the path of a file, but is {type(file).__name__}. Save the rows in one."
        )
    folder = folder_of(bundle)
    with renamed_arguments(ARGUMENTS, _assigned):
        return evaluate_bundle(folder, Path(file), wanted, Reporter(quiet=quiet))


def bench(
    *bundles: AnyBundle,
    texts: Sequence[Row] | None = None,
    threads: Sequence[int] | None = None,
    rounds: int = 5,
    quiet: bool = True,
) -> BundleBench:
    """Time bundles side by side from string to decision, and weigh them, as `distill bench` does.

    Args:
        bundles: their folders, or what else `evaluate` takes.
        texts: your own; by default synthetic ones that the package carries.
        threads: numbers of threads to measure with; by default one, and all that this process may use.
        rounds: number of interleaved rounds over all bundles.
        quiet: whether no progress is shown on stderr.

    Raises:
        BundleError: a bundle is refused.
    """
    counts = sorted({1, available_threads()} if threads is None else set(threads))
    folders = [folder_of(bundle) for bundle in bundles]
    return bench_bundles(folders, texts, counts, rounds, Reporter(quiet=quiet))


def _assigned(name: str, value: str) -> str:
    return f"{name}={value.capitalize() if value in ('true', 'false') else value}"


def folder_of(bundle: AnyBundle) -> Path:
    """Return the folder of a bundle.

    Raises:
        InputError: the run has no bundle, the classifier was not loaded from a folder, or it is something else.
    """
    if isinstance(bundle, Run):
        return bundle.bundle
    if isinstance(bundle, Classifier) and bundle.origin is not None:
        return bundle.origin.folder
    if not isinstance(bundle, str | os.PathLike):
        raise InputError(
            f"bundle: A {type(bundle).__name__} is none. Pass a folder, a Run or what `load` returned."
        )
    return bundle_in(Path(bundle))
