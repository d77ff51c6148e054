"""What `--debug` shows of an error: where it came from, but of foreign exceptions not what they say.

Their messages are written by other packages and may hold a cell of a corpus: `float("...")` quotes its argument,
and pyarrow the value that it could not convert. People put tracebacks into public reports.
"""

import traceback

from distill.export.runtime.errors import DistillError

# their messages are made of paths and of names in code
TELLING = (DistillError, OSError, ImportError, AttributeError, NameError, MemoryError)


def format_debug(error: BaseException) -> str:
    """The frames and types of an error and of all that led to it, the first cause first."""
    parts = []
    shown: BaseException | None = error
    seen: set[int] = set()
    while shown is not None and id(shown) not in seen:
        seen.add(id(shown))
        frames = "".join(traceback.format_tb(shown.__traceback__))
        parts.append(f"Traceback (most recent call last):\n{frames}{_said(shown)}\n")
        shown = shown.__cause__ or (None if shown.__suppress_context__ else shown.__context__)
    return "\nwhich led to:\n\n".join(reversed(parts))


def _said(error: BaseException) -> str:
    name = f"{type(error).__module__}.{type(error).__qualname__}".removeprefix("builtins.")
    # torch's and onnxruntime's tell of shapes; its subclasses, NotImplementedError among them, may quote a cell
    if isinstance(error, TELLING) or type(error) is RuntimeError:
        return f"{name}: {error}"
    return f"{name} (its message is not shown: it may hold a text)"
