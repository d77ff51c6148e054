"""Objects of a manifest of version 2 that a task supplies: each says what it is by its `kind`."""

from dataclasses import dataclass
from typing import Protocol, Self

from distill.export.runtime.manifest.records import names_of
from distill.export.runtime.untrusted.fields import Fields


@dataclass(frozen=True)
class Tagged:
    """A part of the contract that says what it is by its `kind` alone."""

    kind: str

    @classmethod
    def from_dict(cls, data: object, where: str, kind: str) -> "Tagged":
        """Check and build; only this kind is known."""
        return cls(kind=Fields(data, where, names_of(cls)).choice("kind", (kind,)))


class TaggedDecision(Protocol):
    """A decision rule as an object of the manifest; implementations are dataclasses of plain JSON values."""

    @property
    def thresholds(self) -> tuple[float, ...]:
        """Return the thresholds of the policy that the object records."""
        ...

    @classmethod
    def of(cls, thresholds: tuple[float, ...]) -> Self:
        """Return the object that records a policy's thresholds."""
        ...

    @classmethod
    def from_dict(cls, data: object, where: str, *, thresholds: int) -> Self:
        """Check and build; `thresholds` is the number that the task has.

        Raises:
            BundleError: a field is missing, unknown or wrong.
        """
        ...
