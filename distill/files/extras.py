"""Extras of the installation: whether one is there, and the command that installs it."""

from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec

from distill.export.runtime.errors import MissingExtraError


def need(extra: str, module: str) -> None:
    """Check that an extra is installed.

    Args:
        extra: its name.
        module: a module that it installs.

    Raises:
        MissingExtraError: the module cannot be found.
    """
    if find_spec(module) is None:
        raise MissingExtraError(
            f"This needs the {extra} extra. Install it with the wheel that this package came in: `pip install "
            f'"{_wheel()}[{extra}]"`.'
        )


def need_export() -> None:
    """Check that the export extra is installed.

    Raises:
        MissingExtraError: it is not.
    """
    need("export", "onnx")
    need("export", "optimum")


def need_run(until: str) -> None:
    """Check that the extras are installed that a run through a step needs, or it would notice only after training.

    Raises:
        MissingExtraError: one of them is not.
    """
    need("train", "pydantic")
    need("train", "torch")
    if until in ("export", "report"):
        need_export()


def _wheel() -> str:
    """Return the name of this version's wheel: a path works before the package is in an index, and after."""
    try:
        return f"distill_text-{version('distill-text')}-py3-none-any.whl"
    except PackageNotFoundError:  # run from a checkout that was never installed
        return "."
