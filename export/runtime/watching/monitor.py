"""A watch on what a bundle decides: counts alone, of at least 200 texts at once, and no time finer than a day."""

import json
import os
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np

from distill.export.runtime.classifier import Classifier
from distill.export.runtime.deciding.scores import Floats
from distill.export.runtime.deciding.task import Noticed, Prediction
from distill.export.runtime.errors import BundleError, InputError
from distill.export.runtime.reading.inputs import Encoded
from distill.export.runtime.untrusted.fields import Fields
from distill.export.runtime.untrusted.files import read_file
from distill.export.runtime.untrusted.strict_json import parse_json
from distill.export.runtime.watching.counts import Counts, counts_of

STATE_VERSION: Final = 1

# counts of fewer texts are not written: a person among them could be told from what a day adds
MIN_TEXTS: Final = 200

# texts whose scores wait in memory to be counted together
HELD = 1024

MAX_STATE_BYTES = 64 * 2**20

MAX_WINDOWS = 10_000


@dataclass(frozen=True)
class Window:
    """Counts that were written on one day (UTC)."""

    day: date
    counts: Counts


@dataclass(frozen=True)
class State:
    """All that was counted of one bundle: its manifest's hash, and a window per day, in order."""

    manifest_sha256: str
    windows: tuple[Window, ...] = ()

    @classmethod
    def from_dict(cls, data: object, where: str, labels: int) -> "State":
        """Check and build; raises a BundleError that names field and rule."""
        fields = Fields(data, where, ("format_version", "manifest_sha256", "windows"))
        fields.integer("format_version", STATE_VERSION, STATE_VERSION)
        items = fields.items("windows")
        if len(items) > MAX_WINDOWS:
            raise fields.error("windows", f"a list of at most {MAX_WINDOWS} windows")
        windows = [_window(item, f"{where}: windows[{at}]", labels) for at, item in enumerate(items)]
        return _merged(fields.text("manifest_sha256"), windows)

    @property
    def counts(self) -> Counts | None:
        """Return the counts of all windows together; None where there is none."""
        return sum_of(window.counts for window in self.windows)

    def __add__(self, other: "State") -> "State":
        """Return what both counted: windows of one day become one.

        Raises:
            InputError: they are of two bundles.
        """
        if self.manifest_sha256 != other.manifest_sha256:
            raise InputError("The states are of two bundles. Add those of one bundle alone.")
        return _merged(self.manifest_sha256, [*self.windows, *other.windows])

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        windows = [{"day": window.day.isoformat(), "counts": window.counts.to_dict()} for window in self.windows]
        return {"format_version": STATE_VERSION, "manifest_sha256": self.manifest_sha256, "windows": windows}


def sum_of(counts: Iterable[Counts]) -> Counts | None:
    """Return several counts as one; None where there is none."""
    total = None
    for one in counts:
        total = one if total is None else total + one
    return total


def _merged(sha256: str, windows: Iterable[Window]) -> State:
    by_day: dict[date, Counts] = {}
    for window in windows:
        before = by_day.get(window.day)
        by_day[window.day] = window.counts if before is None else before + window.counts
    return State(sha256, tuple(Window(day, by_day[day]) for day in sorted(by_day)))


def _window(data: object, where: str, labels: int) -> Window:
    fields = Fields(data, where, ("day", "counts"))
    try:
        day = date.fromisoformat(fields.text("day"))
    except ValueError:
        raise fields.error("day", "a day such as 2026-11-30") from None
    counts = Counts.from_dict(fields.raw("counts"), f"{where}: counts", labels)
    if counts.texts < MIN_TEXTS:
        raise fields.error("counts", f"of at least {MIN_TEXTS} texts")
    return Window(day, counts)


def read_state(path: Path, classifier_sha256: str, labels: int) -> State:
    """Return the state in a file; that of a bundle with this hash of its manifest.

    Raises:
        InputError: there is no such file, it is not a state, or one of another bundle.
    """
    if path.is_dir():
        raise InputError(f"{path}: This is a folder. Name a file in it.")
    if not path.is_file():
        raise InputError(f"{path}: There is no such file. Write one with `distill predict --monitor`.")
    try:
        content = read_file(path.parent, path.name, most=MAX_STATE_BYTES)
        data = parse_json(content, path)
        if isinstance(data, dict) and data.get("manifest_sha256") not in (None, classifier_sha256):
            raise InputError(f"{path}: The state is of another bundle. Choose another file for this one.")
        return State.from_dict(data, str(path), labels)
    except BundleError as error:
        raise InputError(str(error)) from None


def today() -> date:
    """Return the day, in UTC."""
    return datetime.now(UTC).date()


class Monitor:
    """Counts what a bundle decides; `classifier` is the one to use, and decides as the given one does.

    Safe to use from several threads. Nothing of a text is kept: scores of at most `HELD` texts wait in memory to
    be counted together.
    """

    def __init__(self, classifier: Classifier, *, day: Callable[[], date] = today) -> None:
        if classifier.origin is None:
            raise InputError(
                "The classifier does not come from a folder, so its counts are of no bundle. Use load."
            )
        self.classifier = classifier.watched_by(self._see)
        self._sha256 = classifier.origin.manifest_sha256
        self._day = day
        self._lock = threading.Lock()
        self._counted = Counts.none(len(classifier.labels))
        self._scores: list[Floats] = []
        self._texts: list[tuple[int, float, tuple[str, ...]]] = []
        self._saved = State(self._sha256)
        self._new = State(self._sha256)

    @property
    def waiting(self) -> int:
        """Return the number of texts that no window has yet."""
        with self._lock:
            return self._counted.texts + len(self._texts)

    @property
    def state(self) -> State:
        """Return what was counted, saved or not, without the last texts where they are fewer than `MIN_TEXTS`."""
        with self._lock:
            self._close()
            return self._saved + self._new

    def save(self, path: str | Path) -> bool:
        """Add to a file what was counted since the last time; return whether it was written.

        Fewer than `MIN_TEXTS` texts wait for the next time. Two processes need a file each: `distill drift` adds
        them.

        Raises:
            InputError: the file is there, and no state of this bundle.
        """
        target = Path(path)
        with self._lock:
            self._close()
            if not self._new.windows:
                return False
            state = self._new
            if target.exists():
                state = read_state(target, self._sha256, len(self.classifier.labels)) + state
            partial = target.with_name(target.name + ".partial")
            partial.write_text(json.dumps(state.to_dict(), separators=(",", ":")) + "\n", encoding="utf-8")
            os.replace(partial, target)
            self._saved, self._new = self._saved + self._new, State(self._sha256)
            return True

    def _see(
        self,
        scores: Floats,
        encoded: Sequence[Encoded],
        noticed: Sequence[Noticed],
        predictions: Sequence[Prediction],
    ) -> None:
        """Count texts that were decided: scores ``(N, C)``."""
        with self._lock:
            self._scores.append(scores)
            self._texts.extend(map(_seen, encoded, noticed, predictions))  # faster than a loop for one text
            if len(self._texts) >= HELD:
                self._count()

    def _count(self) -> None:
        if not self._texts:
            return
        scores = np.concatenate(self._scores)  # (N, C)
        policy = replace(self.classifier.manifest.policy, abstain_below=None)
        lengths, shares, reasons = zip(*self._texts, strict=True)
        decided = self.classifier.task.decide(scores, policy)
        self._counted += counts_of(scores, decided, lengths, shares, reasons)
        self._scores, self._texts = [], []

    def _close(self) -> None:
        """Make a window of what is counted, if it is of enough texts."""
        self._count()
        if self._counted.texts >= MIN_TEXTS:
            self._new += State(self._sha256, (Window(self._day(), self._counted),))
            self._counted = Counts.none(len(self.classifier.labels))


def _seen(encoded: Encoded, noticed: Noticed, prediction: Prediction) -> tuple[int, float, tuple[str, ...]]:
    """Return the length of one text, its share of pieces without meaning, and why it was handed over."""
    return len(encoded.ids), noticed.meaningless, prediction.handed_over
