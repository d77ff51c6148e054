"""Quality and speed of bundles, from Python. Base install only."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from distill.bundles.evaluate import Evaluation, evaluate_bundle
from distill.bundles.rows import Columns
from distill.export.runtime.cores import available_threads
from distill.export.runtime.reading.inputs import Row
from distill.runs.progress import Reporter
from distill.timing.bundles import BundleBench, bench_bundles


def evaluate(
    bundle: str | Path,
    file: str | Path,
    *,
    text: str | None = None,
    labels: str = "labels",
    delimiter: str = ",",
    columns: Sequence[str] | None = None,
    mapping: Mapping[str, str] | None = None,
    quiet: bool = True,
) -> Evaluation:
    """Measure quality, calibration and truncation of a bundle on labelled rows, as `distill eval` does.

    Args:
        bundle: its folder.
        file: a csv, tsv, jsonl, json or parquet file.
        text: column of the texts, or the two of a pair as "FIRST,SECOND"; by default the bundle's own.
        labels: column of the labels.
        delimiter: of several labels in one cell.
        columns: names for a file without a header.
        mapping: labels of the file, and the bundle's labels that they mean.
        quiet: whether no progress is shown on stderr.

    Raises:
        InputError: a row or an argument is wrong; the message names row and column and quotes no text.
        BundleError: the bundle is refused.
    """
    header = None if columns is None else tuple(columns)
    wanted = Columns(text, labels, delimiter, header, dict(mapping or {}))
    return evaluate_bundle(Path(bundle), Path(file), wanted, Reporter(quiet=quiet))


def bench(
    *bundles: str | Path,
    texts: Sequence[Row] | None = None,
    threads: Sequence[int] | None = None,
    rounds: int = 5,
    quiet: bool = True,
) -> BundleBench:
    """Time bundles side by side from string to decision, and weigh them, as `distill bench` does.

    Args:
        bundles: their folders.
        texts: your own; by default synthetic ones that the package carries.
        threads: numbers of threads to measure with; by default one, and all that this process may use.
        rounds: number of interleaved rounds over all bundles.
        quiet: whether no progress is shown on stderr.

    Raises:
        BundleError: a bundle is refused.
    """
    counts = sorted({1, available_threads()} if threads is None else set(threads))
    folders = [Path(bundle) for bundle in bundles]
    return bench_bundles(folders, texts, counts, rounds, Reporter(quiet=quiet))
