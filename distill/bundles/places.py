"""Find a bundle: in its own folder, or in that of the run that made it."""

from pathlib import Path

from distill.export.runtime.manifest.manifest import BUNDLE_FOLDER, MANIFEST_FILE


def bundle_in(folder: Path) -> Path:
    """Return the bundle of a run where the run's folder is given, and any other folder as it is."""
    inside = folder / BUNDLE_FOLDER
    is_run = (inside / MANIFEST_FILE).is_file() and not (folder / MANIFEST_FILE).exists()
    return inside if is_run else folder
