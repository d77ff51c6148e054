"""The objects of manifest version 2 that a bundle may have or not; docs/shipping.md has a table of them.

A new one is a dataclass of plain JSON values with a checked way in, a field of `Objects`, and a line in the table
below. Bundles without it stay as they are: a key whose object is None is not written, and may be missing.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from distill.export.runtime.deciding.domain import OutOfDomain
from distill.export.runtime.deciding.hand_over import HandOver, Unreadable
from distill.export.runtime.deciding.sets import Sets
from distill.export.runtime.deciding.task import Task
from distill.export.runtime.manifest.promises import FittedFloor, RightWhenAnswered, floors_from_list
from distill.export.runtime.manifest.records import names_of
from distill.export.runtime.untrusted.fields import Fields
from distill.export.runtime.watching.watch import Watch


@dataclass(frozen=True)
class Objects:
    """The optional objects of one bundle."""

    floors: tuple[FittedFloor, ...] | None = None
    answers: RightWhenAnswered | None = None
    sets: Sets | None = None
    unreadable: Unreadable | None = None
    hand_over: HandOver | None = None
    watch: Watch | None = None
    out_of_domain: OutOfDomain | None = None

    def flagged(self, task: Task) -> frozenset[str]:
        """Return the labels whose decision a person should read for the sake of a floor."""
        return frozenset(label for floor in self.floors or () for label in task.flagged(floor.kind, floor.label))

    def to_dict(self) -> dict[str, Any]:
        """Return plain data of those that the bundle has."""
        return {key: value for key, value in asdict(self).items() if value is not None}


# parsed JSON, where it was read, and the task -> the object, or a BundleError
Reader = Callable[[object, str, Task], Any]

_READERS: Mapping[str, Reader] = {
    "floors": floors_from_list,
    "answers": RightWhenAnswered.from_dict,
    "sets": lambda data, where, task: Sets.from_dict(data, where, task.labels, task.set_kind),
    "unreadable": Unreadable.from_dict,
    "hand_over": HandOver.from_dict,
    "watch": Watch.from_dict,
    "out_of_domain": OutOfDomain.from_dict,
}

OPTIONAL = names_of(Objects)

NO_OBJECTS = Objects()


def read_objects(fields: Fields, task: Task) -> Objects:
    """Check and build the optional objects of a manifest."""
    return Objects(
        **{
            key: read(data, f"{fields.where}: {key}", task)
            for key, read in _READERS.items()
            if (data := fields.raw(key)) is not None
        }
    )
