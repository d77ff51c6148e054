"""Soft labels by actors of Ray: shard numbers go to them, and files of the run's folder are all that they leave.

An actor opens the corpus and the teacher in the run's folder by itself, so neither texts nor token ids nor logits
are in Ray's store, messages or logs; of an error that is not this project's it tells the type alone. Each shard is
computed as the local engine computes it on a CPU, from the same rows in the same order, so its file has the same
bytes. An actor that dies is replaced, and its shard is labelled again.
"""

import logging
import os
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from distill.corpora.storage.parquet import load_corpus, load_texts
from distill.export.runtime.errors import DistillError
from distill.export.runtime.reading.inputs import Input
from distill.files.extras import need
from distill.labelling.soft_labels import open_labeller
from distill.runs.progress import Reporter
from distill.teachers.encoding import encode
from distill.teachers.store import LabelIdentity, ids_of_shard, label_shard, missing_shards
from distill.teachers.tokenizers import load_tokenizer, pad_id_of

LOOPBACK = "127.0.0.1"

# actors that may die over one shard before it is taken for the cause
MOST_DEATHS = 10


@dataclass(frozen=True)
class RaySettings:
    """Number of actors, and where Ray runs: `local`, or the address of a cluster."""

    actors: int
    address: str


@dataclass(frozen=True)
class LabelWork:
    """Places where an actor finds what it labels, and where it writes.

    Attributes:
        folder: the folder of the shards.
        teacher: the teacher's folder.
        corpus: the corpus's folder.
        texts: the file of texts that are in no split of the corpus; None for those of a split.
        reads: what one row is.
        identity: of the logits; it names the split.
    """

    folder: Path
    teacher: Path
    corpus: Path
    texts: Path | None
    reads: Input
    identity: LabelIdentity


class _Actor:
    """One process with the teacher and the rows of a split."""

    def __init__(self, work: LabelWork, threads: int) -> None:
        self._refused: str | None = None
        try:
            self._open(work, threads)
        except Exception as error:  # Ray would send it whole, and take the actor for a dead one
            self._refused = _told(error)

    def _open(self, work: LabelWork, threads: int) -> None:
        import torch

        torch.set_num_threads(threads)
        corpus, tokenizer = load_corpus(work.corpus), load_tokenizer(work.teacher)
        split = work.identity.split
        texts = dict(corpus.splits())[split].texts if work.texts is None else load_texts(work.texts, work.reads)
        self._work = work
        self._rows = encode(tokenizer, texts, work.identity.max_tokens, work.corpus.parent, reads=work.reads)
        quiet, pad_id, identity = Reporter(quiet=True), pad_id_of(tokenizer), work.identity
        self._labeller = open_labeller(
            work.teacher, corpus.task, self._rows, identity, pad_id=pad_id, reporter=quiet
        )

    def label(self, shard: int) -> str | None:
        """Write one shard, or return the sentence that says why it cannot be done."""
        if self._refused is None:
            try:
                label_shard(self._work.folder, shard, self._rows, self._labeller.label, self._work.identity)
            except Exception as error:
                return _told(error)
        return self._refused


def _told(error: Exception) -> str:
    """Return the project's own sentence, or the type of any other error, whose message may quote a row."""
    if isinstance(error, DistillError):
        return str(error)
    return f"An actor of Ray failed ({type(error).__name__}). Use label.engine = 'local', which says why."


def label_on_ray(work: LabelWork, rows: int, settings: RaySettings, reporter: Reporter) -> None:
    """Label one split with actors of Ray; shards that exist are kept.

    Args:
        work: what is labelled, by files that every actor can open.
        rows: number of rows of the split.
        settings: actors and address.
        reporter: shows a bar.

    Raises:
        MissingExtraError: Ray is not installed.
        DistillError: the rows cannot be labelled, or actors died again and again over one shard.
    """
    need("scale", "ray")
    import torch

    work.folder.mkdir(parents=True, exist_ok=True)
    waiting = missing_shards(work.folder, rows, work.identity)
    with reporter.bar(f"label {work.identity.split}", rows) as advance:
        advance(rows - sum(len(ids_of_shard(shard, rows)) for shard in waiting))
        if not waiting:
            return
        with _ray(settings) as ray:
            # more than there are processors would wait for one that never ends
            cores = int(ray.cluster_resources().get("CPU", 1))
            count = max(1, min(settings.actors, len(waiting), cores))
            threads = max(1, torch.get_num_threads() // count)
            actor = ray.remote(num_cpus=1, max_restarts=0)(_Actor)
            start = partial(actor.remote, work, threads)
            _hand_out(ray, waiting, [start() for _ in range(count)], start, rows, advance)


def _hand_out(
    ray: Any,
    waiting: list[int],
    actors: list[Any],
    start: Callable[[], Any],
    rows: int,
    advance: Callable[[int], None],
) -> None:
    """Hand every actor one shard at a time until none is left, and replace actors that die."""
    waiting, deaths = waiting[::-1], Counter[int]()
    busy: dict[Any, tuple[int, Any]] = {}
    for actor in actors:
        shard = waiting.pop()
        busy[actor.label.remote(shard)] = shard, actor
    while busy:
        (done,), _ = ray.wait(list(busy), num_returns=1)
        shard, actor = busy.pop(done)
        try:
            refused = ray.get(done)
        except ray.exceptions.RayActorError:
            deaths[shard] += 1
            if deaths[shard] >= MOST_DEATHS:
                raise DistillError(
                    f"{MOST_DEATHS} actors of Ray died over shard {shard}. Lower label.actors if memory ran out, "
                    "or use label.engine = 'local', which says why."
                ) from None
            waiting.append(shard)
            actor = start()
        except ray.exceptions.RayError as error:
            raise DistillError(_told(error)) from None
        else:
            if refused is not None:
                raise DistillError(refused)
            advance(len(ids_of_shard(shard, rows)))
        if waiting:
            shard = waiting.pop()
            busy[actor.label.remote(shard)] = shard, actor


@contextmanager
def _ray(settings: RaySettings) -> Iterator[Any]:
    """Start or join a Ray that reports to nobody; a local one listens on the loopback interface alone."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    if settings.address == "local":
        # else Ray would put the machine's own address in place of the loopback one, and listen on all
        os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"
    import ray

    own: dict[str, Any] = {}
    if settings.address == "local":
        own = {"num_cpus": settings.actors, "include_dashboard": False, "_node_ip_address": LOOPBACK}
        own["object_store_memory"] = 100 * 2**20  # nothing but numbers passes through it
    handler = signal.getsignal(signal.SIGTERM)
    quiet = {"log_to_driver": False, "logging_level": logging.ERROR, "configure_logging": False}
    try:
        ray.init(address=settings.address, **quiet, **own)
    except Exception as error:  # Ray raises plain ones, for instance after 30 s on a machine that is too busy
        raise DistillError(
            f"Ray did not start at label.address = {settings.address!r} ({type(error).__name__}). Check the "
            "address, run the same command again, or use label.engine = 'local'."
        ) from error
    with suppress(ValueError):  # outside the main thread neither can
        signal.signal(signal.SIGTERM, handler)  # Ray puts its own there
    if own and not ray.get_runtime_context().gcs_address.startswith(f"{LOOPBACK}:"):
        ray.shutdown()  # it was imported before, when the variable was not set
        raise DistillError(
            f"Ray would listen on other addresses than {LOOPBACK}. Set RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER=0 before "
            "anything imports Ray."
        )
    try:
        yield ray
    finally:
        ray.shutdown()
