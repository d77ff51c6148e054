"""The size of folders."""

from pathlib import Path


def folder_bytes(folder: Path) -> int:
    """What a folder weighs, all its files together; of a bundle that is what ships."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
