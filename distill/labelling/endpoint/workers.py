"""Work spread over threads, whose results come back as they are done."""

import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

# seconds between two looks for an interrupt
PATIENCE = 0.2


def in_threads(items: Iterable[Item], work: Callable[[Item], Result], count: int) -> Iterator[tuple[Item, Result]]:
    """Yield each item with its result, in the order in which they are done.

    The items are taken one by one, so they need not be in memory. What a thread raises is raised here. Threads are
    not waited for: they end with their item, or with the process.

    Args:
        items: read from one thread at a time.
        work: called from `count` threads.
        count: the number of threads.
    """
    source, lock, ended = iter(items), threading.Lock(), threading.Event()
    done: queue.SimpleQueue[tuple[Item, Result] | BaseException | None] = queue.SimpleQueue()

    def run() -> None:
        try:
            while not ended.is_set():
                with lock:
                    item = next(source, None)
                if item is None:
                    break
                done.put((item, work(item)))
        except BaseException as error:
            done.put(error)
        done.put(None)

    threads = [threading.Thread(target=run, daemon=True) for _ in range(count)]
    for thread in threads:
        thread.start()
    running = count
    try:
        while running:
            try:
                result = done.get(timeout=PATIENCE)  # an interrupt is not noticed while a queue is waited for
            except queue.Empty:
                continue
            if result is None:
                running -= 1
            elif isinstance(result, BaseException):
                raise result
            else:
                yield result
    finally:
        ended.set()
