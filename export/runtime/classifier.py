"""Texts in, decisions out: check what a caller gives, run the network, decide by the manifest."""

import hashlib
import math
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from distill.export.runtime.deciding.call_time import Thresholds, policy_with, whole
from distill.export.runtime.deciding.decider import Decider, Observer
from distill.export.runtime.deciding.hand_over import Lookout
from distill.export.runtime.deciding.task import UNREADABLE, Prediction, Task
from distill.export.runtime.deciding.tasks import task_of
from distill.export.runtime.errors import DistillError, InputError
from distill.export.runtime.explain import MAX_WORDS, Explanation, Occlusion
from distill.export.runtime.graph_session import MAX_THREADS, open_session
from distill.export.runtime.manifest.bundle_files import Origin, read_files
from distill.export.runtime.manifest.manifest import MANIFEST_FILE, Manifest, read_manifest_bytes
from distill.export.runtime.network import CHUNK, Floats, Network
from distill.export.runtime.reading.encoder import Encoder, open_tokenizer
from distill.export.runtime.reading.given import Given, items_of, moved, numbered, turns_of
from distill.export.runtime.reading.inputs import Row, SplitTurn, Turn, Turns, Window
from distill.export.runtime.reading.turns import turns_read
from distill.export.runtime.reading.words_of import ReadWords
from distill.export.runtime.untrusted.strict_json import parse_json

# number of texts that are sorted by length together, where they need not be answered one by one
BLOCK = 16 * CHUNK

# tokens of padding that cost as much as one more run, where there is attention; elsewhere they cost next to none
RUN_TOKENS = 16

ATTENTION = b"MultiHeadAttention"

SHOWN_LABELS = 4  # in a classifier's repr


class Classifier:
    """A loaded bundle; `load` makes it. Safe to use from several threads, and never changed after it is loaded.

    A text is what the manifest's `input` says: a string; or a pair of strings, which may also be a mapping of its
    two columns to strings; or the turns of a conversation up to the one that is decided. Pickled, it is the
    bundle's absolute path and the hash of its manifest: another process opens the same bundle, or refuses.
    """

    def __init__(
        self,
        manifest: Manifest,
        network: Network,
        lookout: Lookout,
        *,
        origin: Origin | None = None,
        observer: Observer | None = None,
    ) -> None:
        self.manifest = manifest
        self.origin = origin
        self.labels = manifest.labels
        self.task: Task = task_of(manifest.task, manifest.labels)
        self.input = manifest.reads
        self._policy = manifest.policy
        self._network = network
        self._lookout = lookout
        self._decider = Decider(self.task, lookout, self._policy, isinstance(self.input, Turns))
        self._observer = observer

    def watched_by(self, observer: Observer) -> "Classifier":
        """Return a classifier that decides alike, and tells an observer of every text that it has decided."""
        return Classifier(self.manifest, self._network, self._lookout, origin=self.origin, observer=observer)

    @property
    def classes_(self) -> npt.NDArray[np.str_]:
        """Return the labels as an array ``(C,)``, under the name that scikit-learn gives them."""
        return np.array(self.labels)

    def __call__(
        self, text: Given, *, top_k: int | None = None, thresholds: Thresholds | None = None
    ) -> Prediction:
        """Decide one text; see `predict` for several, and for the arguments."""
        row = self.input.row(text, "text")
        return self._decide([row], top_k, thresholds, self._observer)[0]

    def predict(
        self, texts: Iterable[Given], *, top_k: int | None = None, thresholds: Thresholds | None = None
    ) -> list[Prediction]:
        """Decide each text, in the order given.

        Args:
            texts: a list, an array, a column of a table, or whatever else gives one text after the other.
            top_k: number of scores to keep of each text, the highest first; its labels stay as decided.
            thresholds: decide by these in place of the bundle's: one number, one for each label, or a mapping from
                labels. What was fitted or promised for the bundle's own holds for them no longer.

        Raises:
            InputError: a text or an argument is none; the message has its number, and never quotes it.
        """
        return self._decide(self._checked(texts), top_k, thresholds, self._observer)

    def predict_turns(
        self, turns: Iterable[Turn], *, top_k: int | None = None, thresholds: Thresholds | None = None
    ) -> list[Prediction | None]:
        """Decide each turn of one conversation, read with those before it alone; see `predict` for the arguments.

        Where the bundle decides what comes next, a turn's prediction is the one before it was said; where it
        decides whole conversations, the last turn alone has one.

        Returns:
            One entry per turn, None where the bundle does not decide that role.

        Raises:
            InputError: a turn is none, or its speaker is unknown; the message has its number, and never quotes it.
        """
        rows = turns_read(self.input).windows(list(turns_of(turns)), "turns")
        answers: dict[int, Prediction] = {}
        wanted = iter([(number, row) for number, row in enumerate(rows) if row is not None])
        while block := dict(islice(wanted, BLOCK)):
            try:
                found = self._decide(list(block.values()), top_k, thresholds, self._observer)
            except DistillError as error:
                raise numbered(error, list(block)) from None
            answers.update(zip(block, found, strict=True))
        return [answers.get(number) for number in range(len(rows))]

    def split(self, turn: Turn, where: str) -> SplitTurn:
        """Return a turn with its ids, for `decide_turns`; `where` is the place that begins an error's message."""
        return self._network.split(turn, where)

    def decide_turns(self, turns: Sequence[SplitTurn]) -> Prediction:
        """Decide the last of some turns of a conversation, the oldest first, without splitting any again."""
        *context, target = (split.turn for split in turns)
        logits, encoded = self._network.run_turns(turns)
        row = Window(target, tuple(context))
        return self._decider.decide([row], encoded, logits, self._policy, None, self._observer)[0]

    def stream(
        self,
        texts: Iterable[Given],
        *,
        block: int = 1,
        top_k: int | None = None,
        thresholds: Thresholds | None = None,
    ) -> Iterator[Prediction]:
        """Decide texts as they arrive, in the order given; memory does not grow with their number.

        With `block` texts at a time a large model is faster, and the first answer waits until that many are there.
        """
        return self._answers(iter(items_of(texts)), whole(block, "block"), top_k, thresholds)

    def _answers(
        self, waiting: Iterator[Given], block: int, top_k: int | None, thresholds: Thresholds | None
    ) -> Iterator[Prediction]:
        done = 0
        while taken := list(islice(waiting, block)):
            try:
                yield from self.predict(taken, top_k=top_k, thresholds=thresholds)
            except DistillError as error:
                raise moved(error, done) from None
            done += len(taken)

    def predict_proba(self, texts: Iterable[Given]) -> Floats:
        """Return calibrated scores (N, C) in label order, each in [0, 1]; their sum depends on the task."""
        return np.asarray(self.task.scores(self.logits(texts)), dtype=np.float32)

    def explain(
        self, text: Given, label: str | None = None, *, minimal: bool = False, masked: bool = True
    ) -> Explanation:
        """Return what the model used of one text: the change of a label's score without each of its words.

        It says what the model used, and nothing about why somebody feels so.

        Args:
            text: one text or pair.
            label: to explain; by default the decided one with the highest score, or the highest where none is.
            minimal: also look for the fewest words without which the label is decided the other way.
            masked: also put a mask in the place of each word, which takes twice the time.

        Raises:
            InputError: the text is none, or the bundle has no such label.
        """
        if label is not None and label not in self.labels:  # the name may be a text
            raise InputError(f"label: The bundle has no such label. Name one of {', '.join(self.labels)}.")
        row = self.input.row(text, "text")
        prediction = self._decide([row], None, None, None)[0]
        read = ReadWords.none() if UNREADABLE in prediction.handed_over else self._network.words(row, MAX_WORDS)
        occlusion = Occlusion(read, self.task, self._policy, self._network.run_encoded)
        return occlusion.explanation(prediction, label, minimal=minimal, masked=masked)

    def logits(self, texts: Iterable[Given]) -> Floats:
        """Return the calibrated logits (N, C) of the graph."""
        return self._network.run(self._checked(texts))[0]

    @property
    def batches_are_exact(self) -> bool:
        """True if the graph gives the self-test's texts the same bits together as alone, on this CPU.

        Where it does not, the classifier runs it one text at a time, so that no answer depends on its batch.
        """
        return self._network.batches_are_exact

    def token_ids(self, texts: Iterable[Given]) -> list[list[int]]:
        """Return the ids of each text that the graph reads, truncated and without padding."""
        return [encoded.ids for encoded in self._network.encode(self._checked(texts))]

    def __repr__(self) -> str:
        manifest = self.manifest
        names = ", ".join(map(repr, self.labels[:SHOWN_LABELS]))
        more = ", ..." if len(self.labels) > SHOWN_LABELS else ""
        megabytes = sum(record.bytes for record in manifest.files.values()) / 1e6
        return (
            f"<Classifier {manifest.name!r}: {manifest.task}, {len(self.labels)} labels ({names}{more}), "
            f"{manifest.precision}, {megabytes:.1f} MB>"
        )

    def __copy__(self) -> "Classifier":
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> "Classifier":
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        if self.origin is None:
            raise InputError(
                "The classifier does not come from a folder, so no other process can open it. Use load."
            )
        return _reopen, (str(self.origin.folder), self.origin.manifest_sha256, self.origin.threads)

    def _checked(self, texts: Iterable[Given]) -> list[Row]:
        return [self.input.row(text, f"texts[{index}]") for index, text in enumerate(items_of(texts))]

    def _decide(
        self, rows: list[Row], top_k: int | None, thresholds: Thresholds | None, observer: Observer | None
    ) -> list[Prediction]:
        policy = self._policy if thresholds is None else policy_with(self.task, self._policy, thresholds)
        best = None if top_k is None else whole(top_k, "top_k")
        logits, encoded = self._network.run(rows)
        return self._decider.decide(rows, encoded, logits, policy, best, observer)


def load(path: str | Path, *, manifest_sha256: str | None = None, threads: int = 1) -> Classifier:
    """Open a bundle after checking its hashes; `manifest_sha256` pins the bundle.

    Raises:
        InputError: `manifest_sha256` is not a hash, or `threads` is not a number of at least 1.
        BundleError: the bundle is incomplete, differs from its manifest, or holds what no bundle needs.
    """
    if not isinstance(path, str | PathLike):
        raise InputError(f"path: A {type(path).__name__} is not a path. Pass that of a bundle's folder.")
    folder = Path(path).expanduser()
    content = read_manifest_bytes(folder, sha256=manifest_sha256)
    manifest = Manifest.from_dict(parse_json(content, folder / MANIFEST_FILE), str(folder / MANIFEST_FILE))
    model, tokenizer = read_files(folder, manifest)
    origin = Origin(folder.absolute(), hashlib.sha256(content).hexdigest(), threads)
    return open_bundle(manifest, model, tokenizer, where=folder, threads=threads, origin=origin)


def open_bundle(
    manifest: Manifest,
    model: bytes,
    tokenizer: bytes,
    *,
    where: Path,
    threads: int = 1,
    origin: Origin | None = None,
) -> Classifier:
    """Open the bytes of a model and of a tokenizer under a manifest at hand, without looking at hashes.

    Args:
        manifest: the decision contract.
        model: the ONNX file.
        tokenizer: the tokenizer.json.
        where: the bundle's folder, which begins each message.
        threads: number of threads of one run.
        origin: the folder and the manifest's hash, where the bytes came from one.

    Raises:
        InputError: `threads` is not a number of at least 1.
        BundleError: a file does not open, holds what no bundle needs, or contradicts the manifest.
    """
    threads = whole(threads, "threads", MAX_THREADS)
    session = open_session(model, manifest, where / manifest.model_file, threads=threads)
    opened = open_tokenizer(tokenizer, where / manifest.tokenizer_file)
    type_ids = "token_type_ids" in manifest.inputs
    encoder = Encoder(opened, manifest.max_tokens, threads=threads, type_ids=type_ids, rows=manifest.reads)
    padding = RUN_TOKENS if ATTENTION in model else math.inf
    network = Network(manifest, session, encoder, most_padding=padding)
    objects = manifest.objects
    lookout = Lookout(objects.unreadable, objects.hand_over, opened, manifest.reads, objects.out_of_domain)
    return Classifier(manifest, network, lookout, origin=origin)


def _reopen(path: str, manifest_sha256: str, threads: int) -> Classifier:
    """Load a bundle again, in the process that unpickles its classifier."""
    return load(path, manifest_sha256=manifest_sha256, threads=threads)
