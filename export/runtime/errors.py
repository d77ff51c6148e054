"""The project's exceptions, kept here because the runtime may import nothing above itself."""


class DistillError(Exception):
    """Anything the project refuses on purpose; `exit_status` is what a command exits with."""

    exit_status: int = 2


class InputError(DistillError):
    """An input (argument, config, table, text list) is wrong and the caller can correct it."""


class BundleError(DistillError):
    """A bundle is refused: malformed, altered, or made for another format version."""


class CheckFailedError(DistillError):
    """A gate or a self-test ran and did not pass."""

    exit_status: int = 1


class ResourceError(DistillError):
    """The machine has no more disk or memory; what was finished before is kept."""


class MissingExtraError(DistillError):
    """An optional dependency is absent; the message names the command that installs it."""
