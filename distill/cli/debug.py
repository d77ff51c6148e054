"""Tracebacks for `--debug`, without the messages of other packages' exceptions.

Such a message may quote a cell of the corpus: `float("...")` quotes its argument, and pyarrow the value that it
could not convert. People paste tracebacks into public issues.
"""

import traceback

from distill.export.runtime.errors import DistillError

# exceptions whose messages consist of paths and names in code
SAFE_TO_SHOW = (DistillError, OSError, ImportError, AttributeError, NameError, MemoryError)


def format_debug(error: BaseException) -> str:
    """Return the frames and types of an error and of every error that led to it, the first cause first."""
    parts = []
    shown: BaseException | None = error
    seen: set[int] = set()
    while shown is not None and id(shown) not in seen:
        seen.add(id(shown))
        frames = "".join(traceback.format_tb(shown.__traceback__))
        parts.append(f"Traceback (most recent call last):\n{frames}{_described(shown)}\n")
        shown = shown.__cause__ or (None if shown.__suppress_context__ else shown.__context__)
    return "\nwhich led to:\n\n".join(reversed(parts))


def _described(error: BaseException) -> str:
    name = f"{type(error).__module__}.{type(error).__qualname__}".removeprefix("builtins.")
    # torch and onnxruntime raise it about shapes; subclasses such as NotImplementedError may quote a cell
    if isinstance(error, SAFE_TO_SHOW) or type(error) is RuntimeError:
        return f"{name}: {error}"
    return f"{name} (its message is not shown: it may hold a text)"
