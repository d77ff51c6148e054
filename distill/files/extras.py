"""Extras of the installation: whether one is there, and the command that installs it."""

from importlib.util import find_spec

from distill.export.runtime.errors import MissingExtraError, how_to_install


def need(extra: str, module: str) -> None:
    """Check that an extra is installed.

    Args:
        extra: its name.
        module: a module that it installs.

    Raises:
        MissingExtraError: the module cannot be found.
    """
    if find_spec(module) is None:
        raise MissingExtraError(f"This needs the {extra} extra. {how_to_install(extra)}")


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
