"""What is done to a whole bundle to make it hostile, its hashes made true again where nothing else is said."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MANIFEST = "manifest.json"
TOKENIZER = "tokenizer.json"


@dataclass(frozen=True)
class Hostile:
    """What is done to a whole bundle's folder, and what the refusal must say."""

    name: str
    make: Callable[[Path], object]
    says: str


def manifest_of(folder: Path) -> dict[str, Any]:
    return json.loads((folder / MANIFEST).read_text(encoding="utf-8"))


def write_json(path: Path, data: object) -> None:
    path.write_text(json.dumps(data), encoding="utf-8")


def rehash(folder: Path) -> None:
    """Make the records of all listed files true."""
    data = manifest_of(folder)
    for name in data["files"]:
        content = (folder / name).read_bytes()
        data["files"][name] = {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
    write_json(folder / MANIFEST, data)


def lie(*path: str, value: object) -> Callable[[Path], None]:
    """Set one key of the manifest."""

    def make(folder: Path) -> None:
        data = manifest_of(folder)
        inner = data
        for key in path[:-1]:
            inner = inner[key]
        inner[path[-1]] = value
        write_json(folder / MANIFEST, data)

    return make


def manifest_text(change: Callable[[str], str]) -> Callable[[Path], object]:
    """Change the manifest's very characters."""
    return lambda folder: (folder / MANIFEST).write_text(change((folder / MANIFEST).read_text("utf-8")), "utf-8")


def content(name: str, change: Callable[[bytes], bytes]) -> Callable[[Path], None]:
    """Change a file, and its hash with it."""

    def make(folder: Path) -> None:
        (folder / name).write_bytes(change((folder / name).read_bytes()))
        rehash(folder)

    return make
