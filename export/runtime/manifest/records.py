"""Records of a file's hash and size."""

import dataclasses
import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from distill.export.runtime.untrusted.fields import Fields

SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class FileRecord:
    """Hash and size that one file of a bundle must have."""

    sha256: str
    bytes: int

    @classmethod
    def from_dict(cls, data: object, where: str, *, most: int) -> "FileRecord":
        """Return the record in a JSON object.

        Raises:
            BundleError: a key is missing, unknown or wrong, or the file has more than `most` bytes.
        """
        fields = Fields(data, where, names_of(cls))
        sha256 = fields.text("sha256")
        if not SHA256.fullmatch(sha256):
            raise fields.error("sha256", "64 lower-case hexadecimal digits")
        return cls(sha256=sha256, bytes=fields.integer("bytes", 0, most))


def file_record(path: Path) -> FileRecord:
    """Return the sha256 and the size in bytes of one file."""
    with path.open("rb") as stream:
        return FileRecord(hashlib.file_digest(stream, "sha256").hexdigest(), path.stat().st_size)


def names_of(kind: type) -> tuple[str, ...]:
    """Return the names of a dataclass's fields: the keys that its JSON object may have."""
    return tuple(field.name for field in dataclasses.fields(kind))
