"""Ctrl-C and SIGTERM: work stops at once, or, where it would lose something, as soon as it has saved it."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupted(KeyboardInterrupt):
    """A stage was stopped on request; the same command goes on from there."""

    def __init__(self, stage: str) -> None:
        super().__init__(stage)
        self.stage = stage


class StopRequest:
    """Whether somebody has asked to stop, and by which signal.

    The first signal raises KeyboardInterrupt, or is only noted while it is deferred; the second one ends the
    process as if nobody listened.
    """

    def __init__(self) -> None:
        self._signal: int | None = None
        self._deferred = False

    @property
    def asked(self) -> bool:
        """Whether a signal has come."""
        return self._signal is not None

    @property
    def exit_status(self) -> int:
        """What shells give a command that such a signal ended: 130 after Ctrl-C, 143 after SIGTERM."""
        return 128 + (self._signal or signal.SIGINT)

    def check(self) -> None:
        """Stop here if a signal has come.

        Raises:
            KeyboardInterrupt: one has.
        """
        if self.asked:
            raise KeyboardInterrupt

    @contextmanager
    def deferred(self) -> Iterator[None]:
        """Inside, a signal is noted and raises nothing: whoever works there looks at `asked`, and saves.

        Raises:
            KeyboardInterrupt: on leaving, if a signal has come meanwhile.
        """
        self._deferred = True
        try:
            yield
        finally:
            self._deferred = False
        self.check()

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Receive signals inside; only in the main thread, which alone gets any."""
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
