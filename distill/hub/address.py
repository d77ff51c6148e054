"""The address of a bundle on the hub."""

import re
from dataclasses import dataclass

from distill.export.runtime import InputError

PREFIX = "hub:"

_REPOSITORY = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}")

_COMMIT = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True)
class Address:
    """One commit of one repository: ``hub:ORG/NAME@COMMIT``."""

    repository: str
    commit: str

    @classmethod
    def parse(cls, text: str) -> "Address":
        """Return the parts of an address.

        Raises:
            InputError: it is none, or names no commit.
        """
        repository, at, commit = text.removeprefix(PREFIX).partition("@")
        checked = checked_repository(repository, text)
        if not at or not _COMMIT.fullmatch(commit):
            raise InputError(
                f"{text}: The address must name a commit by its 40 hexadecimal digits, because a branch changes. "
                f"Write {PREFIX}{checked}@COMMIT, as `distill push` printed it."
            )
        return cls(checked, commit)

    def __str__(self) -> str:
        return f"{PREFIX}{self.repository}@{self.commit}"


def checked_repository(name: str, where: str) -> str:
    """Return the name of a repository, checked.

    Raises:
        InputError: it is not ORG/NAME.
    """
    if not _REPOSITORY.fullmatch(name) or ".." in name or "--" in name:
        raise InputError(
            f"{where}: The repository must be ORG/NAME, of letters, digits, '-', '_' and '.'. Write it as the "
            "hub's address has it."
        )
    return name
