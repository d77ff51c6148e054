"""The options that every verb has: `--quiet`, and `--verbose` with what a report of a fault should hold."""

import functools
import inspect
import platform
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version

from distill.cli.options import Quiet, Verbose
from distill.export.runtime.cores import available_threads

PACKAGES = ("distill-text", "onnxruntime", "tokenizers", "numpy", "torch", "transformers")


def verbosely(function: Callable[..., None]) -> Callable[..., None]:
    """Return a verb's function with `--verbose`, and with `--quiet` where it shows no progress of its own."""
    signature = inspect.signature(function)
    added = {
        name: kind for name, kind in (("quiet", Quiet), ("verbose", Verbose)) if name not in signature.parameters
    }

    @functools.wraps(function)
    def verb(**arguments: object) -> None:
        given = {name: arguments.pop(name) for name in added}
        with _told(bool(given["verbose"])):
            function(**arguments)

    further = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=False, annotation=kind)
        for name, kind in added.items()
    ]
    verb.__dict__["__signature__"] = signature.replace(parameters=[*signature.parameters.values(), *further])
    verb.__annotations__ = {**function.__annotations__, **added}
    return verb


@contextmanager
def _told(wanted: bool) -> Iterator[None]:
    """Print versions before, and seconds and peak memory after the work, however it ends."""
    if not wanted:
        yield
        return
    _say(", ".join(filter(None, map(_version, PACKAGES))))
    system = f"{platform.system()} {platform.machine()}"
    _say(f"Python {platform.python_version()}, {system}, {available_threads()} threads")
    started = time.monotonic()
    try:
        yield
    finally:
        _say(f"{time.monotonic() - started:.1f} s{_peak()}")


def _say(line: str) -> None:
    if sys.stderr is not None:
        print(line, file=sys.stderr)


def _version(package: str) -> str:
    try:
        return f"{package} {version(package)}"
    except PackageNotFoundError:
        return ""


def _peak() -> str:
    try:
        import resource
    except ImportError:  # Windows
        return ""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return f", {peak / 1e6:.0f} MB at most"
