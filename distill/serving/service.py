"""The service without HTTP: bundles, a pool of threads, a bounded queue, and the exchange of bundles."""

import asyncio
import math
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from distill.export.runtime import DistillError
from distill.serving.bundles import ServedBundle, ServedBundles, open_bundles
from distill.serving.limits import Limits
from distill.serving.log import Log
from distill.serving.metrics import Metrics
from distill.serving.refusal import NOT_FOUND, OVERLOADED, Refusal
from distill.serving.requests import Text, characters_of

# handing work to another thread and back costs a third of a millisecond, and holding the event loop for as long as
# this delays nobody noticeably
INLINE_SECONDS = 0.002

# between two times at which counts are saved
WATCH_SECONDS = 600

# a longer text takes longer than those of the self-test
INLINE_CHARACTERS = 1000

_T = TypeVar("_T")


class Service:
    """Bundles behind a pool of threads, each of which answers one request at a time.

    Args:
        folders: the bundles' folders, read again when the bundles are exchanged.
        pins: SHA-256 of the manifests that are accepted; empty for any.
        limits: bounds on requests.
        threads: number of requests that are answered at the same time.
        log: receives what happens.
        watch: folder of files with counts of what each bundle decides; None to keep them in memory alone.
    """

    def __init__(
        self,
        folders: Sequence[Path],
        pins: Sequence[str] = (),
        *,
        limits: Limits,
        threads: int,
        log: Log,
        watch: Path | None = None,
    ) -> None:
        self.limits, self.log, self.metrics = limits, log, Metrics()
        self._folders, self._pins = tuple(folders), tuple(pins)
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="distill")
        self._most = threads + limits.waiting
        self._pending = 0
        self._reloading = asyncio.Lock()
        self._watch, self._watched_until = watch, time.monotonic() + WATCH_SECONDS
        self.bundles: ServedBundles = open_bundles(self._folders, self._pins)

    @property
    def pending(self) -> int:
        """Return the number of requests that are not answered yet."""
        return self._pending

    def bundle(self, name: str | None) -> ServedBundle:
        """Return a bundle by name, or the first.

        Raises:
            Refusal: no bundle has that name.
        """
        if name is None:
            return self.bundles.first
        if name not in self.bundles.by_name:
            raise Refusal(
                NOT_FOUND, f"model: No bundle has that name. Served are {', '.join(self.bundles.by_name)}."
            )
        return self.bundles.by_name[name]

    async def answer(self, work: Callable[[], _T], seconds: float) -> _T:
        """Return the result of a function, called by one of the threads, or at once if its `seconds` are few.

        Raises:
            Refusal: too many requests wait, or the result takes too long; the thread then finishes unheard.
        """
        if self._pending >= self._most:
            raise Refusal(OVERLOADED, "Too many requests are waiting. Send this one again later.")
        if seconds <= INLINE_SECONDS:
            return work()
        self._pending += 1
        future = asyncio.get_running_loop().run_in_executor(self._pool, work)
        future.add_done_callback(self._done)
        done, _ = await asyncio.wait((future,), timeout=self.limits.answer_seconds)
        if not done:
            raise Refusal(OVERLOADED, "The answer takes too long. Send fewer texts, or send them again later.")
        return future.result()

    async def reload(self) -> None:
        """Open the folders again, and answer from them once all have passed their self-tests, or keep the old."""
        async with self._reloading:
            try:
                loop = asyncio.get_running_loop()
                before = self.bundles
                self.bundles = await loop.run_in_executor(None, open_bundles, self._folders, self._pins, before)
                self.save_watch(before)
            except DistillError as error:
                self.metrics.reload("refused")
                self.log.event("reload refused", error=str(error))
                return
            self.metrics.reload("done")
            self.log.event("reload", bundles=[bundle.sha256 for bundle in self.bundles.by_name.values()])

    def save_watch_sometimes(self) -> None:
        """Save what was counted if that is some time ago."""
        if time.monotonic() >= self._watched_until:
            self.save_watch()

    def save_watch(self, bundles: ServedBundles | None = None) -> None:
        """Add what bundles, by default those served, have decided to their files, if there is a folder."""
        self._watched_until = time.monotonic() + WATCH_SECONDS
        if self._watch is None:
            return
        for bundle in (bundles or self.bundles).by_name.values():
            try:
                bundle.monitor.save(self._watch / f"{bundle.sha256[:16]}.json")
            except (OSError, DistillError) as error:  # answers matter more than counts
                self.log.event("watch not saved", error=type(error).__name__)

    def close(self) -> None:
        """Save what was counted, and let the threads end."""
        self.save_watch()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _done(self, future: "asyncio.Future[Any]") -> None:
        self._pending -= 1
        if not future.cancelled():
            future.exception()  # or asyncio reports one that nobody awaited, with its message


def expected_seconds(bundle: ServedBundle, texts: Sequence[Text]) -> float:
    """Return how long a bundle will take for texts, as its self-test says; infinite where they are long."""
    if sum(map(characters_of, texts)) > INLINE_CHARACTERS:
        return math.inf
    return bundle.seconds * len(texts)
