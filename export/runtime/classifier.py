"""Texts in, decisions out: tokenize, run the graph, compare with the manifest's thresholds."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime
from tokenizers import Tokenizer

from export.runtime.errors import BundleError, CheckFailedError, DistillError, InputError
from export.runtime.graph_file import check_graph_file
from export.runtime.manifest import Manifest, check_files, read_manifest

# texts in one run of the graph where the manifest sets no smaller bound
CHUNK = 32
OUTPUT = "logits"

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Prediction:
    """What was decided for one text, and whether its end was cut off unread."""

    labels: tuple[str, ...]
    scores: dict[str, float]
    abstained: bool
    truncated: bool


class Classifier:
    """A loaded bundle; `load` makes it. Safe to use from several threads."""

    def __init__(self, manifest: Manifest, session: Any, tokenizer: Any, *, threads: int = 1) -> None:
        self.manifest = manifest
        self.labels = manifest.labels
        self._session = session
        self._tokenizer = tokenizer
        self._threads = threads
        self._pad_id = _pad_id(tokenizer)
        tokenizer.no_padding()
        special = tokenizer.num_special_tokens_to_add(False)
        if manifest.max_tokens <= special:
            raise BundleError(
                f"manifest: 'max_tokens' is {manifest.max_tokens}, must be above the tokenizer's "
                f"{special} special tokens"
            )
        direction = (tokenizer.truncation or {}).get("direction", "right")
        tokenizer.enable_truncation(max_length=manifest.max_tokens, direction=direction)
        # without a mask the graph would read padding as text, so such a graph gets one text at a time
        bound = CHUNK if "attention_mask" in manifest.inputs else 1
        self._chunk = min(bound, manifest.max_batch or bound)

    def predict(self, texts: Sequence[str]) -> list[Prediction]:
        """Decide each text, in the order given."""
        logits, truncated = self._run(_checked(texts))
        scores = activate(logits, self.manifest.activation)
        return [self._decide(row, bool(cut)) for row, cut in zip(scores.tolist(), truncated.tolist(), strict=True)]

    def predict_proba(self, texts: Sequence[str]) -> Floats:
        """Calibrated scores (N, C) in label order: sigmoid for multi-label, softmax for single-label."""
        return activate(self.logits(texts), self.manifest.activation)

    def logits(self, texts: Sequence[str]) -> Floats:
        """Calibrated logits (N, C), as the graph gives them."""
        return self._run(_checked(texts))[0]

    def token_ids(self, texts: Sequence[str]) -> list[list[int]]:
        """The ids that the graph gets for each text, truncated and without padding."""
        return [list(encoding.ids) for encoding in self._encode(_checked(texts))]

    def _decide(self, scores: list[float], truncated: bool) -> Prediction:
        # plain floats on both sides: a caller can repeat each decision from `scores` and the manifest
        named = dict(zip(self.labels, scores, strict=True))
        manifest = self.manifest
        if manifest.abstain is not None and max(scores) < manifest.abstain:
            return Prediction((), named, abstained=True, truncated=truncated)
        if manifest.thresholds is None:
            chosen: tuple[str, ...] = (self.labels[scores.index(max(scores))],)
        else:
            rows = zip(self.labels, scores, manifest.thresholds, strict=True)
            chosen = tuple(label for label, score, threshold in rows if score >= threshold)
        return Prediction(chosen, named, abstained=False, truncated=truncated)

    def _run(self, texts: list[str]) -> tuple[Floats, npt.NDArray[np.bool_]]:
        logits = np.zeros((len(texts), len(self.labels)), dtype=np.float32)  # (N, C)
        truncated = np.zeros(len(texts), dtype=np.bool_)  # (N,)
        # neighbours in length share a chunk, so little of it is padding
        order = sorted(range(len(texts)), key=lambda index: len(texts[index]))
        for start in range(0, len(order), self._chunk):
            rows = order[start : start + self._chunk]
            encodings = self._encode([texts[row] for row in rows], rows)
            logits[rows] = self._forward(encodings)
            truncated[rows] = [bool(encoding.overflowing) for encoding in encodings]
        if not np.isfinite(logits).all():
            bad = int(np.flatnonzero(~np.isfinite(logits).all(axis=1))[0])
            raise DistillError(
                f"texts[{bad}]: the model gave a logit that is not finite; run `distill verify` on the bundle"
            )
        return logits, truncated

    def _encode(self, texts: list[str], rows: Sequence[int] | None = None) -> list[Any]:
        try:
            if self._threads == 1 or len(texts) == 1:
                # encode_batch would start a thread for every core of the host
                return [self._tokenizer.encode(text) for text in texts]
            return list(self._tokenizer.encode_batch(texts))
        except Exception:
            # `from None`: the tokenizer's own error may carry the text
            at = _first_unencodable(texts)
            index = rows[at] if rows is not None else at
            raise InputError(
                f"texts[{index}]: cannot be tokenized; it must be valid Unicode without lone surrogates"
            ) from None

    def _forward(self, encodings: list[Any]) -> Floats:
        feed = self._feed(encodings)
        try:
            logits = np.asarray(self._session.run([OUTPUT], feed)[0])  # (B, C)
        except Exception as error:
            raise DistillError(
                f"{self.manifest.model_file}: the graph failed ({type(error).__name__}); "
                "run `distill verify` on the bundle"
            ) from error
        if logits.shape != (len(encodings), len(self.labels)):
            raise BundleError(
                f"{self.manifest.model_file}: output {OUTPUT!r} has shape {logits.shape}, "
                f"must be ({len(encodings)}, {len(self.labels)}); export the bundle again"
            )
        return logits.astype(np.float32, copy=False)

    def _feed(self, encodings: list[Any]) -> dict[str, Ints]:
        ids = [encoding.ids for encoding in encodings]
        lengths = np.array([len(row) for row in ids], dtype=np.int64)  # (B,)
        width = max(1, int(lengths.max()))  # an empty text without special tokens still needs a column
        feed: dict[str, Ints] = {}
        for name in self.manifest.inputs:
            if name == "attention_mask":
                feed[name] = (np.arange(width)[None, :] < lengths[:, None]).astype(np.int64)  # (B, T)
            elif name == "input_ids":
                feed[name] = _padded(ids, width, self._pad_id)  # (B, T)
            else:
                feed[name] = _padded([encoding.type_ids for encoding in encodings], width, 0)  # (B, T)
        return feed


def load(path: str | Path, *, manifest_sha256: str | None = None, threads: int = 1) -> Classifier:
    """Open a bundle after checking its hashes; `manifest_sha256` pins which bundle it must be."""
    folder = Path(path)
    manifest = read_manifest(folder, sha256=manifest_sha256)
    check_files(folder, manifest)
    return open_bundle(folder, manifest, threads=threads)


def open_bundle(folder: Path, manifest: Manifest, *, threads: int = 1) -> Classifier:
    """Open the model and the tokenizer of a manifest at hand, without looking at hashes."""
    if isinstance(threads, bool) or not isinstance(threads, int) or threads < 1:
        raise InputError("threads: must be a whole number of at least 1")
    check_graph_file(folder / manifest.model_file)
    session = _session(folder / manifest.model_file, threads)
    _check_graph(session, manifest, folder / manifest.model_file)
    try:
        tokenizer = Tokenizer.from_file(str(folder / manifest.tokenizer_file))
    except Exception as error:
        raise BundleError(
            f"{folder / manifest.tokenizer_file}: is not a tokenizer that this version of tokenizers reads; "
            "copy it again, or upgrade tokenizers"
        ) from error
    return Classifier(manifest, session, tokenizer, threads=threads)


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
    small = np.exp(-np.abs(logits))  # at most 1
    return np.asarray(np.where(logits >= 0, 1.0, small) / (1.0 + small), dtype=np.float32)


def _session(path: Path, threads: int) -> Any:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # spinning workers burn the cores of whatever else runs beside this
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 4  # errors arrive as exceptions; nothing is printed
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise BundleError(
            f"{path}: onnxruntime {onnxruntime.__version__} cannot open it ({type(error).__name__}); "
            "copy it again, or upgrade onnxruntime"
        ) from error


def _check_graph(session: Any, manifest: Manifest, path: Path) -> None:
    found = {value.name: value.type for value in session.get_inputs()}
    if set(found) != set(manifest.inputs):
        raise BundleError(
            f"{path}: the graph's inputs are {', '.join(found)}, the manifest's {', '.join(manifest.inputs)}"
        )
    for name, kind in found.items():
        if kind != "tensor(int64)":
            raise BundleError(f"{path}: input {name!r} is {kind}, must be tensor(int64); export it again")
    if OUTPUT not in [value.name for value in session.get_outputs()]:
        raise BundleError(f"{path}: the graph has no output {OUTPUT!r}; export it again")


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
    return found


def _first_unencodable(texts: list[str]) -> int:
    for index, text in enumerate(texts):
        if any("\ud800" <= character <= "\udfff" for character in text):
            return index
    return 0


def _pad_id(tokenizer: Any) -> int:
    """The id that fills a row; masked out, so any valid one will do where the tokenizer names none."""
    if tokenizer.padding is not None:
        return int(tokenizer.padding["pad_id"])
    found = (tokenizer.token_to_id(token) for token in ("[PAD]", "<pad>"))
    return next((int(value) for value in found if value is not None), 0)


def _padded(rows: list[list[int]], width: int, fill: int) -> Ints:
    table = np.full((len(rows), width), fill, dtype=np.int64)  # (B, T)
    for index, row in enumerate(rows):
        table[index, : len(row)] = row
    return table
