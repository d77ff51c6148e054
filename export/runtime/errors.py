"""The project's exceptions. They live here because the runtime imports nothing above itself."""

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

_ARGUMENT = re.compile(r"""`(\w+)`(?: = ("[^"]*"|'[^']*'|\w+))?""")


class DistillError(Exception):
    """Base class of every deliberate refusal; `exit_status` is the status a command exits with."""

    exit_status: int = 2


class InputError(DistillError):
    """An input (argument, config, table, list of texts) is wrong, and the caller can correct it.

    A message names an argument between backticks, such as `max_tokens`, and a value that it proposes as in TOML:
    `quoting` = false. A caller that knows that argument under another name (a recipe key, an option) calls
    `rename` on the way up.
    """

    def rename(self, names: Mapping[str, str], assigned: Callable[[str, str], str] = "{} = {}".format) -> None:
        """Put `names[argument]`, without backticks, in place of each argument that the message names.

        Arguments that `names` does not have stay as they are.

        Args:
            names: the other name of each argument.
            assigned: returns how such a name and a value are written there.
        """

        def renamed(match: re.Match[str]) -> str:
            name, value = names.get(match[1]), match[2]
            if name is None:
                return match[0]
            return name if value is None else assigned(name, value)

        self.args = (_ARGUMENT.sub(renamed, str(self)),)


@contextmanager
def renamed_arguments(
    names: Mapping[str, str], assigned: Callable[[str, str], str] = "{} = {}".format
) -> Iterator[None]:
    """Rename arguments, as `InputError.rename` does, in an InputError raised inside; also works as a decorator."""
    try:
        yield
    except InputError as error:
        error.rename(names, assigned)
        raise


class BundleError(DistillError):
    """A bundle is refused: it is malformed, was altered, or has another format version."""


class CheckFailedError(DistillError):
    """A gate or a self-test ran and did not pass."""

    exit_status: int = 1


class ResourceError(DistillError):
    """The machine ran out of disk or memory; finished work is kept."""


class MissingExtraError(DistillError):
    """An optional dependency is missing; the message names the command that installs it."""


def how_to_install(extra: str) -> str:
    """Return how to install an extra: by a wheel's path, which works before the package is in an index."""
    from importlib.metadata import PackageNotFoundError, version  # a fifth of the seconds of `import distill`

    try:
        wheel = f"distill_text-{version('distill-text')}-py3-none-any.whl"
    except PackageNotFoundError:  # run from a checkout that was never installed
        wheel = "."
    return f'Install it with the wheel that this package came in: `pip install "{wheel}[{extra}]"`.'
