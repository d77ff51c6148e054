"""Ctrl-C and SIGTERM: work stops at once, or as soon as it has saved what it would lose."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupted(KeyboardInterrupt):
    """A stage was stopped on request; the same command resumes it."""

    def __init__(self, stage: str) -> None:
        super().__init__(stage)
        self.stage = stage


class StopRequest:
    """A request to stop, and the signal that made it.

    The first signal raises KeyboardInterrupt, or is only noted while deferred; the second ends the process as it
    would without this class.
    """

    def __init__(self) -> None:
        self._signal: int | None = None
        self._deferred = False

    @property
    def asked(self) -> bool:
        """Return whether a signal has arrived."""
        return self._signal is not None

    @property
    def exit_status(self) -> int:
        """Exit status that shells report for such a signal: 130 after Ctrl-C, 143 after SIGTERM."""
        return 128 + (self._signal or signal.SIGINT)

    def check(self) -> None:
        """Stop here if a signal has arrived.

        Raises:
            KeyboardInterrupt: a signal has arrived.
        """
        if self.asked:
            raise KeyboardInterrupt

    @contextmanager
    def deferred(self) -> Iterator[None]:
        """Note signals without raising: the code inside looks at `asked`, and saves.

        Raises:
            KeyboardInterrupt: on leaving, if a signal has arrived meanwhile.
        """
        self._deferred = True
        try:
            yield
        finally:
            self._deferred = False
        self.check()

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Receive signals; does nothing outside the main thread, which alone gets any."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, self._receive) for number in SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _receive(self, number: int, _frame: FrameType | None) -> None:
        self._signal = number
        for each in SIGNALS:
            signal.signal(each, signal.SIG_DFL)
        if not self._deferred:
            raise KeyboardInterrupt
