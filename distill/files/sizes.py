"""The size of folders."""

from pathlib import Path


def folder_bytes(folder: Path) -> int:
    """Return the bytes of all files in a folder; of a bundle that is what ships."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
