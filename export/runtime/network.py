"""Rows in, calibrated logits out: tokenize, run the graph on neighbours in length together, check its output."""

import math
from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt

from distill.export.runtime.errors import BundleError, DistillError
from distill.export.runtime.graph_session import OUTPUT
from distill.export.runtime.manifest.manifest import Manifest
from distill.export.runtime.reading.encoder import Encoder
from distill.export.runtime.reading.inputs import Encoded, Row, SplitTurn, Turn
from distill.export.runtime.reading.words_of import ReadWords

# texts in one run of the graph where the manifest sets no smaller bound
CHUNK = 32

Floats = npt.NDArray[np.float32]

Ints = npt.NDArray[np.int64]


class Network:
    """A bundle's tokenizer and graph. Safe to use from several threads.

    With `most_padding` a run of the graph ends before it has more tokens of padding than that. A graph whose last
    bits move with the batch on this CPU gets one text at a time, so that a score is the same in every batch.
    """

    def __init__(
        self, manifest: Manifest, session: Any, encoder: Encoder, *, most_padding: float = math.inf
    ) -> None:
        self._manifest, self._session, self._encoder = manifest, session, encoder
        self._most_padding = most_padding
        # without a mask the graph would read padding as text, so such a graph gets one text at a time
        bound = CHUNK if "attention_mask" in manifest.inputs else 1
        self._most = min(bound, manifest.max_batch or bound)
        self._ones = np.ones((1, manifest.max_tokens), dtype=np.int64)  # the mask of one text, cut to its length

    @cached_property
    def batches_are_exact(self) -> bool:
        """True if the self-test's texts have the same bits together as alone, on this CPU.

        It is measured where a first batch is asked for: who decides single texts does not wait for it.
        """
        encoded = self.encode(list(self._manifest.self_test.texts))
        if len(encoded) < 2:
            return True
        alone = np.concatenate([self._forward([row]) for row in encoded])  # (N, C)
        groups = [*(slice(at, at + 2) for at in range(len(encoded) - 1)), slice(None)]
        return all(np.array_equal(self._forward(encoded[group]), alone[group]) for group in groups)

    @cached_property
    def _chunk(self) -> int:
        """The number of texts in one run of the graph."""
        return self._most if self._most == 1 or self.batches_are_exact else 1

    def encode(self, rows: list[Row]) -> list[Encoded]:
        """Return what the graph reads of each row."""
        return self._encoder.encode(rows, range(len(rows)))

    def run(self, texts: list[Row]) -> tuple[Floats, list[Encoded]]:
        """Return logits (N, C), and the tokens of each text."""
        if len(texts) == 1:
            return self._run_one(self._encoder.encode_one(texts[0]))
        encoded = self.encode(texts)
        return self.run_encoded(encoded), encoded

    def split(self, turn: Turn, where: str) -> SplitTurn:
        """Return a turn with its ids; errors begin with `where`."""
        return self._encoder.split(turn, where)

    def run_turns(self, turns: Sequence[SplitTurn]) -> tuple[Floats, list[Encoded]]:
        """Return the result of `run` for split turns, the oldest first and the decided one last."""
        return self._run_one(self._encoder.joined(turns))

    def run_encoded(self, encoded: list[Encoded]) -> Floats:
        """Return logits (N, C) of rows that are tokens already."""
        logits = np.zeros((len(encoded), len(self._manifest.labels)), dtype=np.float32)  # (N, C)
        for rows in self._chunks([len(row.ids) for row in encoded]):
            logits[rows] = self._forward([encoded[row] for row in rows])
        return _finite(logits)

    def words(self, row: Row, most: int) -> ReadWords:
        """Return the tokens of one row with the words that they are of, at most `most`."""
        return self._encoder.words(row, most)

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

    def _run_one(self, encoded: Encoded) -> tuple[Floats, list[Encoded]]:
        """Return the result of `run` for one row without sorting, which would slow a small model noticeably."""
        logits = self._forward([encoded])
        # faster than numpy for so few numbers
        return logits if all(map(math.isfinite, logits[0].tolist())) else _finite(logits), [encoded]

    def _forward(self, encoded: list[Encoded]) -> Floats:
        try:
            logits = np.asarray(self._session.run([OUTPUT], self._feed(encoded))[0])  # (B, C)
        except Exception as error:  # a lack of memory too
            # `from None`: onnxruntime's own error may carry the id of a piece of the text
            raise DistillError(
                f"{self._manifest.model_file}: The graph failed ({type(error).__name__}). Run `distill verify` "
                "on the bundle."
            ) from None
        if logits.shape != (len(encoded), len(self._manifest.labels)):
            raise BundleError(
                f"{self._manifest.model_file}: Output {OUTPUT!r} has shape {logits.shape}, but must have "
                f"({len(encoded)}, {len(self._manifest.labels)}). Export the bundle again."
            )
        return logits.astype(np.float32, copy=False)

    def _feed(self, encoded: list[Encoded]) -> dict[str, Ints]:
        if len(encoded) == 1 and encoded[0].ids:
            return self._feed_one(encoded[0])
        lengths = np.array([len(row.ids) for row in encoded], dtype=np.int64)  # (B,)
        width = max(1, int(lengths.max()))  # an empty text without special tokens still needs a column
        inside = np.arange(width) < lengths[:, None]  # (B, T)
        feed: dict[str, Ints] = {}
        for name in self._manifest.inputs:
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
        for name in self._manifest.inputs:
            if name == "attention_mask":
                feed[name] = self._ones[:, : len(row.ids)]  # (1, T)
            else:
                feed[name] = np.array([row.ids if name == "input_ids" else row.type_ids], dtype=np.int64)  # (1, T)
        return feed


def _finite(logits: Floats) -> Floats:
    """Return the logits (N, C) unchanged.

    Raises:
        DistillError: one of them is not finite.
    """
    if not np.isfinite(logits).all():
        bad = int(np.flatnonzero(~np.isfinite(logits).all(axis=1))[0])
        raise DistillError(
            f"texts[{bad}]: The model gave a logit that is not finite. Run `distill verify` on the bundle."
        )
    return logits


def _padded(rows: list[list[int]], inside: npt.NDArray[np.bool_], fill: int) -> Ints:
    """Return rows of different lengths as one array ``(B, T)``, at the places where `inside` is true."""
    table = np.full(inside.shape, fill, dtype=np.int64)
    table[inside] = np.fromiter(chain.from_iterable(rows), dtype=np.int64)
    return table
