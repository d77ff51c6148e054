"""Texts in, decisions out: tokenize, run the graph, compare with the manifest's thresholds."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import compress
from operator import ge
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from export.runtime.encoder import Encoded, Encoder, open_tokenizer
from export.runtime.errors import BundleError, CheckFailedError, DistillError, InputError
from export.runtime.graph_session import OUTPUT, open_session
from export.runtime.manifest import Manifest, read_files, read_manifest

# texts in one run of the graph where the manifest sets no smaller bound
CHUNK = 32
# onnxruntime takes a 32-bit number; no machine has as many cores
MAX_THREADS = 1024
# such a text takes seconds and up to 700 MB to split, nearly all of it to be cut off
MAX_TEXT_CHARACTERS = 2**20

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Prediction:
    """What was decided for one text, and whether its end was cut off unread.

    `confidence` is the probability that the decision is exactly right, as the calibrated scores have it; where it
    is below the bundle's rule the classifier has `abstained`, and there are no labels: a person should decide.
    """

    labels: tuple[str, ...]
    scores: dict[str, float]
    confidence: float
    abstained: bool
    truncated: bool


class Classifier:
    """A loaded bundle; `load` makes it. Safe to use from several threads."""

    def __init__(self, manifest: Manifest, session: Any, encoder: Encoder) -> None:
        self.manifest = manifest
        self.labels = manifest.labels
        self._session = session
        self._encoder = encoder
        # without a mask the graph would read padding as text, so such a graph gets one text at a time
        bound = CHUNK if "attention_mask" in manifest.inputs else 1
        self._chunk = min(bound, manifest.max_batch or bound)
        self._ones = np.ones((1, manifest.max_tokens), dtype=np.int64)  # the mask of one text, cut to its length

    def predict(self, texts: Sequence[str]) -> list[Prediction]:
        """Decide each text, in the order given."""
        logits, truncated = self._run(_checked(texts))
        scores = activate(logits, self.manifest.activation)
        return [self._decide(row, cut) for row, cut in zip(scores.tolist(), truncated, strict=True)]

    def predict_proba(self, texts: Sequence[str]) -> Floats:
        """Calibrated scores (N, C) in label order: sigmoid for multi-label, softmax for single-label."""
        return activate(self.logits(texts), self.manifest.activation)

    def logits(self, texts: Sequence[str]) -> Floats:
        """Calibrated logits (N, C), as the graph gives them."""
        return self._run(_checked(texts))[0]

    def token_ids(self, texts: Sequence[str]) -> list[list[int]]:
        """The ids that the graph gets for each text, truncated and without padding."""
        found = _checked(texts)
        return [encoded.ids for encoded in self._encoder.encode(found, range(len(found)))]

    def _decide(self, scores: list[float], truncated: bool) -> Prediction:
        # plain floats on both sides: a caller can repeat each decision from `scores` and the manifest
        named = dict(zip(self.labels, scores, strict=True))
        thresholds, abstain = self.manifest.thresholds, self.manifest.abstain
        if thresholds is None:
            confidence = max(scores)
            chosen: tuple[str, ...] = (self.labels[scores.index(confidence)],)
        else:
            decided = list(map(ge, scores, thresholds))
            chosen = tuple(compress(self.labels, decided))
            # labels taken as independent given the text
            confidence = math.prod([s if yes else 1.0 - s for s, yes in zip(scores, decided, strict=True)])
        abstained = abstain is not None and confidence < abstain.below
        return Prediction(() if abstained else chosen, named, confidence, abstained, truncated)

    def _run(self, texts: list[str]) -> tuple[Floats, list[bool]]:
        """Logits (N, C), and whether each text was cut."""
        if len(texts) == 1:
            return self._run_one(texts[0])
        logits = np.zeros((len(texts), len(self.labels)), dtype=np.float32)  # (N, C)
        truncated = [False] * len(texts)
        # neighbours in length share a chunk, so little of it is padding
        order = sorted(range(len(texts)), key=lambda index: len(texts[index]))
        for start in range(0, len(order), self._chunk):
            rows = order[start : start + self._chunk]
            encoded = self._encoder.encode([texts[row] for row in rows], rows)
            logits[rows] = self._forward(encoded)
            for row, found in zip(rows, encoded, strict=True):
                truncated[row] = found.truncated
        return _finite(logits), truncated

    def _run_one(self, text: str) -> tuple[Floats, list[bool]]:
        """The same without sorting and putting back, which a small model would notice."""
        encoded = self._encoder.encode_one(text)
        logits = self._forward([encoded])
        # of so few numbers quicker than numpy
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
        feed: dict[str, Ints] = {}
        for name in self.manifest.inputs:
            if name == "attention_mask":
                feed[name] = (np.arange(width)[None, :] < lengths[:, None]).astype(np.int64)  # (B, T)
            elif name == "input_ids":
                feed[name] = _padded([row.ids for row in encoded], width, self._encoder.pad_id)  # (B, T)
            else:
                feed[name] = _padded([row.type_ids for row in encoded], width, 0)  # (B, T)
        return feed

    def _feed_one(self, row: Encoded) -> dict[str, Ints]:
        """The same for one text, which needs no padding, in a third of the time."""
        feed: dict[str, Ints] = {}
        for name in self.manifest.inputs:
            if name == "attention_mask":
                feed[name] = self._ones[:, : len(row.ids)]  # (1, T)
            else:
                feed[name] = np.array([row.ids if name == "input_ids" else row.type_ids], dtype=np.int64)  # (1, T)
        return feed


def load(path: str | Path, *, manifest_sha256: str | None = None, threads: int = 1) -> Classifier:
    """Open a bundle after checking its hashes; `manifest_sha256` pins which bundle it must be.

    Raises:
        InputError: `manifest_sha256` is no hash, or `threads` no number of at least 1.
        BundleError: the bundle is not whole, not what it says, or holds what no bundle needs.
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
        where: the bundle's folder, which opens each complaint.
        threads: of one run.

    Raises:
        InputError: `threads` is no number of at least 1.
        BundleError: a file does not open, holds what no bundle needs, or is not what the manifest says.
    """
    if isinstance(threads, bool) or not isinstance(threads, int) or not 1 <= threads <= MAX_THREADS:
        raise InputError(f"threads: must be a whole number from 1 to {MAX_THREADS}")
    session = open_session(model, manifest, where / manifest.model_file, threads=threads)
    opened = open_tokenizer(tokenizer, where / manifest.tokenizer_file)
    type_ids = "token_type_ids" in manifest.inputs
    encoder = Encoder(opened, manifest.max_tokens, threads=threads, type_ids=type_ids)
    return Classifier(manifest, session, encoder)


def self_test(classifier: Classifier) -> float:
    """Repeat the manifest's self-test, one text at a time; the largest difference between logits."""
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
    """Check hashes and contract and run the self-test; returns what `self_test` does."""
    return self_test(load(path, manifest_sha256=manifest_sha256, threads=threads))


def activate(logits: Floats, activation: str) -> Floats:
    """Scores (N, C) in [0, 1] from logits (N, C), without overflow."""
    if activation == "softmax":
        shifted = np.exp(logits - logits.max(axis=1, keepdims=True, initial=-np.inf))
        return np.asarray(shifted / shifted.sum(axis=1, keepdims=True), dtype=np.float32)
    # the fewest calls that neither overflow nor lose the small ones
    return np.asarray(np.exp(-np.logaddexp(np.float32(0), -logits)), dtype=np.float32)


def _finite(logits: Floats) -> Floats:
    """Logits (N, C) as they are.

    Raises:
        DistillError: one of them is not finite.
    """
    if not np.isfinite(logits).all():
        bad = int(np.flatnonzero(~np.isfinite(logits).all(axis=1))[0])
        raise DistillError(
            f"texts[{bad}]: the model gave a logit that is not finite; run `distill verify` on the bundle"
        )
    return logits


def _checked(texts: Sequence[str]) -> list[str]:
    if isinstance(texts, str | bytes):
        raise InputError("texts: is one string; pass a list of strings, as in predict([text])")
    try:
        found = list(texts)
    except TypeError:
        raise InputError(f"texts: must be a list of strings, is {type(texts).__name__}") from None
    for index, text in enumerate(found):
        if not isinstance(text, str):
            raise InputError(f"texts[{index}]: must be a string, is {type(text).__name__}")
        if len(text) > MAX_TEXT_CHARACTERS:
            raise InputError(
                f"texts[{index}]: has {len(text)} characters, must have at most {MAX_TEXT_CHARACTERS}; "
                "cut or split it"
            )
    return found


def _padded(rows: list[list[int]], width: int, fill: int) -> Ints:
    table = np.full((len(rows), width), fill, dtype=np.int64)  # (B, T)
    for index, row in enumerate(rows):
        table[index, : len(row)] = row
    return table
