"""Texts in, decisions out: tokenize, run the graph, compare with the manifest's thresholds."""

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from distill.export.runtime.encoder import Encoder, open_tokenizer
from distill.export.runtime.errors import BundleError, CheckFailedError, DistillError, InputError
from distill.export.runtime.graph_session import OUTPUT, open_session
from distill.export.runtime.inputs import Encoded, Row
from distill.export.runtime.manifest import Manifest, read_files, read_manifest
from distill.export.runtime.task import Prediction, Task
from distill.export.runtime.tasks import task_of

# texts in one run of the graph where the manifest sets no smaller bound
CHUNK = 32

# number of texts of a stream that are sorted by length together
BLOCK = 16 * CHUNK

# tokens of padding that cost as much as one more run, where there is attention; elsewhere they cost next to none
RUN_TOKENS = 16

ATTENTION = b"MultiHeadAttention"

# onnxruntime takes a 32-bit number; no machine has as many cores
MAX_THREADS = 1024

ONE_STRING = "texts: is one string; pass a list of strings, as in predict([text])"

NAMED_TEXT = re.compile(r"^texts\[(\d+)\]")

Floats = npt.NDArray[np.float32]

Ints = npt.NDArray[np.int64]

# one text; or, where the bundle reads pairs, its two texts in order or by the names of its columns
Given = Row | Mapping[str, str]


class Classifier:
    """A loaded bundle; `load` makes it. Safe to use from several threads.

    A text is what the manifest's `input` says: a string, or a pair of strings, which may also be a mapping of its
    two columns to strings.
    """

    def __init__(
        self, manifest: Manifest, session: Any, encoder: Encoder, *, most_padding: float = math.inf
    ) -> None:
        self.manifest = manifest
        self.labels = manifest.labels
        self.task: Task = task_of(manifest.task, manifest.labels)
        self.input = manifest.reads
        self._policy = manifest.policy
        self._session = session
        self._encoder = encoder
        self._most_padding = most_padding
        # without a mask the graph would read padding as text, so such a graph gets one text at a time
        bound = CHUNK if "attention_mask" in manifest.inputs else 1
        self._chunk = min(bound, manifest.max_batch or bound)
        self._ones = np.ones((1, manifest.max_tokens), dtype=np.int64)  # the mask of one text, cut to its length

    def predict(self, texts: Sequence[Given]) -> list[Prediction]:
        """Decide each text, in the order given."""
        logits, truncated = self._run(self._checked(texts))
        scores = self.task.scores(logits)
        if len(truncated) == 1:
            return [self.task.prediction(scores[0].tolist(), self._policy, truncated[0])]
        return self.task.predictions(scores.astype(np.float64), self._policy, truncated)

    def stream(self, texts: Iterable[Given]) -> Iterator[Prediction]:
        """Decide texts as they are asked for, in the order given; memory does not grow with their number."""
        if isinstance(texts, str | bytes):
            raise InputError(ONE_STRING)
        waiting, done = iter(texts), 0
        while block := list(islice(waiting, BLOCK)):
            try:
                yield from self.predict(block)
            except DistillError as error:
                raise _moved(error, done) from None
            done += len(block)

    def predict_proba(self, texts: Sequence[Given]) -> Floats:
        """Return calibrated scores (N, C) in label order, each in [0, 1]; their sum depends on the task."""
        return np.asarray(self.task.scores(self.logits(texts)), dtype=np.float32)

    def logits(self, texts: Sequence[Given]) -> Floats:
        """Return the calibrated logits (N, C) of the graph."""
        return self._run(self._checked(texts))[0]

    def token_ids(self, texts: Sequence[Given]) -> list[list[int]]:
        """Return the ids of each text that the graph reads, truncated and without padding."""
        found = self._checked(texts)
        return [encoded.ids for encoded in self._encoder.encode(found, range(len(found)))]

    def _checked(self, texts: Sequence[Given]) -> list[Row]:
        if isinstance(texts, str | bytes):
            raise InputError(ONE_STRING)
        try:
            found = list(texts)
        except TypeError:
            raise InputError(f"texts: must be a list of strings, is {type(texts).__name__}") from None
        return [self.input.row(text, f"texts[{index}]") for index, text in enumerate(found)]

    def _run(self, texts: list[Row]) -> tuple[Floats, list[bool]]:
        """Return logits (N, C), and whether each text was cut."""
        if len(texts) == 1:
            return self._run_one(texts[0])
        logits = np.zeros((len(texts), len(self.labels)), dtype=np.float32)  # (N, C)
        encoded = self._encoder.encode(texts, range(len(texts)))
        for rows in self._chunks([len(row.ids) for row in encoded]):
            logits[rows] = self._forward([encoded[row] for row in rows])
        return _finite(logits), [row.truncated for row in encoded]

    def _chunks(self, lengths: list[int]) -> Iterator[list[int]]:
        """Yield the rows of each run of the graph: neighbours in length, longest first, which saves padding."""
        order = sorted(range(len(lengths)), key=lengths.__getitem__, reverse=True)
        rows: list[int] = []
        padding = 0
        for row in order:
            padding += lengths[rows[0]] - lengths[row] if rows else 0
            if rows and (len(rows) == self._chunk or padding > self._most_padding):
                yield rows
                rows, padding = [], 0
            rows.append(row)
        if rows:
            yield rows

    def _run_one(self, text: Row) -> tuple[Floats, list[bool]]:
        """Return the result of `_run` for one text without sorting, which would slow a small model noticeably."""
        encoded = self._encoder.encode_one(text)
        logits = self._forward([encoded])
        # faster than numpy for so few numbers
        return logits if all(map(math.isfinite, logits[0].tolist())) else _finite(logits), [encoded.truncated]

    def _forward(self, encoded: list[Encoded]) -> Floats:
        try:
            logits = np.asarray(self._session.run([OUTPUT], self._feed(encoded))[0])  # (B, C)
        except Exception as error:  # a lack of memory too
            # `from None`: onnxruntime's own error may carry the id of a piece of the text
            raise DistillError(
                f"{self.manifest.model_file}: the graph failed ({type(error).__name__}); "
                "run `distill verify` on the bundle"
            ) from None
        if logits.shape != (len(encoded), len(self.labels)):
            raise BundleError(
                f"{self.manifest.model_file}: output {OUTPUT!r} has shape {logits.shape}, "
                f"must be ({len(encoded)}, {len(self.labels)}); export the bundle again"
            )
        return logits.astype(np.float32, copy=False)

    def _feed(self, encoded: list[Encoded]) -> dict[str, Ints]:
        if len(encoded) == 1 and encoded[0].ids:
            return self._feed_one(encoded[0])
        lengths = np.array([len(row.ids) for row in encoded], dtype=np.int64)  # (B,)
        width = max(1, int(lengths.max()))  # an empty text without special tokens still needs a column
        inside = np.arange(width) < lengths[:, None]  # (B, T)
        feed: dict[str, Ints] = {}
        for name in self.manifest.inputs:
            if name == "attention_mask":
                feed[name] = inside.astype(np.int64)
            elif name == "input_ids":
                feed[name] = _padded([row.ids for row in encoded], inside, self._encoder.pad_id)
            else:
                feed[name] = _padded([row.type_ids for row in encoded], inside, 0)
        return feed

    def _feed_one(self, row: Encoded) -> dict[str, Ints]:
        """Return the feed of one text, which needs no padding, in a third of the time of `_feed`."""
        feed: dict[str, Ints] = {}
        for name in self.manifest.inputs:
            if name == "attention_mask":
                feed[name] = self._ones[:, : len(row.ids)]  # (1, T)
            else:
                feed[name] = np.array([row.ids if name == "input_ids" else row.type_ids], dtype=np.int64)  # (1, T)
        return feed


def load(path: str | Path, *, manifest_sha256: str | None = None, threads: int = 1) -> Classifier:
    """Open a bundle after checking its hashes; `manifest_sha256` pins the bundle.

    Raises:
        InputError: `manifest_sha256` is not a hash, or `threads` is not a number of at least 1.
        BundleError: the bundle is incomplete, differs from its manifest, or holds what no bundle needs.
    """
    folder = Path(path)
    manifest = read_manifest(folder, sha256=manifest_sha256)
    model, tokenizer = read_files(folder, manifest)
    return open_bundle(manifest, model, tokenizer, where=folder, threads=threads)


def open_bundle(
    manifest: Manifest, model: bytes, tokenizer: bytes, *, where: Path, threads: int = 1
) -> Classifier:
    """Open the bytes of a model and of a tokenizer under a manifest at hand, without looking at hashes.

    Args:
        manifest: the decision contract.
        model: the ONNX file.
        tokenizer: the tokenizer.json.
        where: the bundle's folder, which begins each message.
        threads: number of threads of one run.

    Raises:
        InputError: `threads` is not a number of at least 1.
        BundleError: a file does not open, holds what no bundle needs, or contradicts the manifest.
    """
    if isinstance(threads, bool) or not isinstance(threads, int) or not 1 <= threads <= MAX_THREADS:
        raise InputError(f"threads: must be a whole number from 1 to {MAX_THREADS}")
    session = open_session(model, manifest, where / manifest.model_file, threads=threads)
    opened = open_tokenizer(tokenizer, where / manifest.tokenizer_file)
    type_ids = "token_type_ids" in manifest.inputs
    encoder = Encoder(opened, manifest.max_tokens, threads=threads, type_ids=type_ids, rows=manifest.reads)
    return Classifier(manifest, session, encoder, most_padding=RUN_TOKENS if ATTENTION in model else math.inf)


def self_test(classifier: Classifier) -> float:
    """Repeat the manifest's self-test, one text at a time; return the largest difference between logits."""
    expected = classifier.manifest.self_test
    worst = 0.0
    for index, (text, ids, logits) in enumerate(
        zip(expected.texts, expected.input_ids, expected.logits, strict=True)
    ):
        if tuple(classifier.token_ids([text])[0]) != ids:
            raise CheckFailedError(
                f"self_test: input_ids[{index}] differ from the manifest's; "
                "the tokenizers package reads this bundle's tokenizer in another way"
            )
        found = classifier.logits([text])[0]  # (C,)
        worst = max(worst, float(np.abs(found - np.array(logits)).max()))
    if worst > expected.tolerance:
        raise CheckFailedError(
            f"self_test: logits differ by {worst:.3g}, tolerance is {expected.tolerance:.3g}; "
            "this CPU or onnxruntime computes this bundle differently: export it here, or use an fp32 one"
        )
    return worst


def verify(path: str | Path, *, manifest_sha256: str | None = None, threads: int = 1) -> float:
    """Check hashes and contract and run the self-test; return the result of `self_test`."""
    return self_test(load(path, manifest_sha256=manifest_sha256, threads=threads))


def _finite(logits: Floats) -> Floats:
    """Return the logits (N, C) unchanged.

    Raises:
        DistillError: one of them is not finite.
    """
    if not np.isfinite(logits).all():
        bad = int(np.flatnonzero(~np.isfinite(logits).all(axis=1))[0])
        raise DistillError(
            f"texts[{bad}]: the model gave a logit that is not finite; run `distill verify` on the bundle"
        )
    return logits


def _padded(rows: list[list[int]], inside: npt.NDArray[np.bool_], fill: int) -> Ints:
    """Return rows of different lengths as one array ``(B, T)``, at the places where `inside` is true."""
    table = np.full(inside.shape, fill, dtype=np.int64)
    table[inside] = np.fromiter(chain.from_iterable(rows), dtype=np.int64)
    return table


def _moved(error: DistillError, rows: int) -> DistillError:
    """Return the same error, with the number of its text raised by `rows`."""
    return type(error)(NAMED_TEXT.sub(lambda found: f"texts[{int(found[1]) + rows}]", str(error), count=1))
