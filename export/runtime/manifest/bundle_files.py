"""The files of a bundle: each read once, and compared with its record in the manifest."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from distill.export.runtime.errors import BundleError
from distill.export.runtime.manifest.manifest import MANIFEST_FILE, Manifest
from distill.export.runtime.untrusted.files import most_bytes, read_file, refuse_unlisted

# a model of the largest size that protobuf allows, and everything beside it
MAX_BUNDLE_BYTES = 3 * 2**30


@dataclass(frozen=True)
class Origin:
    """The bundle that a classifier was loaded from, so that another process can load the same one."""

    folder: Path
    manifest_sha256: str
    threads: int


def read_files(folder: Path, manifest: Manifest) -> tuple[bytes, bytes]:
    """Read every listed file once and compare it with its record; return the bytes of model and tokenizer.

    Raises:
        BundleError: a listed file is not what its record says, or an unlisted one is under onnx/.
    """
    total = sum(record.bytes for record in manifest.files.values())
    if total > MAX_BUNDLE_BYTES:
        raise BundleError(
            f"{folder}: The bundle's files have {total} bytes, but must have at most {MAX_BUNDLE_BYTES}."
        )
    used: dict[str, bytes] = {}
    for name, record in sorted(manifest.files.items()):
        content = read_file(folder, name, most=most_bytes(name), expected=record.bytes)
        if hashlib.sha256(content).hexdigest() != record.sha256:
            raise BundleError(
                f"{folder / name}: The file's sha256 is not the one in {MANIFEST_FILE}. Copy it again."
            )
        if name in (manifest.model_file, manifest.tokenizer_file):
            used[name] = content
        del content  # or it would be kept while the next one is read
    refuse_unlisted(folder, "onnx", manifest.files)
    return used[manifest.model_file], used[manifest.tokenizer_file]
