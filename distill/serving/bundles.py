"""The bundles that are served: opened, checked by their self-tests, and exchanged as one set."""

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from distill.export.runtime import BundleError, Classifier, InputError, load, self_test
from distill.export.runtime.manifest.manifest import Manifest
from distill.export.runtime.watching.monitor import Monitor

REPEATS = 3


@dataclass(frozen=True)
class ServedBundle:
    """One bundle, opened: its manifest's hash, the seconds of a text of its self-test, and what it has decided."""

    classifier: Classifier
    sha256: str
    seconds: float
    monitor: Monitor

    @property
    def manifest(self) -> Manifest:
        """Return its contract."""
        return self.classifier.manifest

    @property
    def name(self) -> str:
        """Return the name by which a request asks for it."""
        return self.manifest.name


@dataclass(frozen=True)
class ServedBundles:
    """All bundles of a service by name; the first answers where a request names none."""

    by_name: Mapping[str, ServedBundle]

    @property
    def first(self) -> ServedBundle:
        """Return the bundle that answers by default."""
        return next(iter(self.by_name.values()))


def open_bundles(
    folders: Sequence[Path], pins: Sequence[str], earlier: ServedBundles | None = None
) -> ServedBundles:
    """Open bundles, one thread per call of each, and repeat their self-tests.

    Args:
        folders: the bundles' folders.
        pins: SHA-256 of the manifests that are accepted; empty for any.
        earlier: those that are served so far; one that is still the same stays, with what it has counted.

    Raises:
        InputError: there is no folder, two bundles have one name, or a pin is not a hash.
        BundleError: a bundle is refused.
        CheckFailedError: a bundle answers differently on this machine.
    """
    if not folders:
        raise InputError("There is no bundle to serve. Name the folder of one.")
    opened: dict[str, ServedBundle] = {}
    for folder in folders:
        classifier = _load(folder, pins)
        self_test(classifier)
        if classifier.origin is None:
            raise TypeError("a loaded bundle has an origin")
        seconds, monitor = _seconds(classifier), Monitor(classifier)
        bundle = ServedBundle(monitor.classifier, classifier.origin.manifest_sha256, seconds, monitor)
        if bundle.name in opened:
            raise InputError(f"{folder}: Its name, {bundle.name!r}, is another bundle's too. Serve one of them.")
        before = None if earlier is None else earlier.by_name.get(bundle.name)
        opened[bundle.name] = before if before is not None and before.sha256 == bundle.sha256 else bundle
    return ServedBundles(MappingProxyType(opened))


def _seconds(classifier: Classifier) -> float:
    """Return the seconds of one text of the self-test, the least of several because the machine may be busy."""
    least = math.inf
    for _ in range(REPEATS):
        for text in classifier.manifest.self_test.texts:
            started = time.perf_counter()
            classifier.predict([text])
            least = min(least, time.perf_counter() - started)
    return least


def _load(folder: Path, pins: Sequence[str]) -> Classifier:
    """Open the bundle whose manifest has one of the pinned hashes."""
    for pin in pins[:-1]:
        try:
            return load(folder, manifest_sha256=pin)
        except BundleError:
            continue
    return load(folder, manifest_sha256=pins[-1] if pins else None)
