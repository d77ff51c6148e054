"""The check of a picture's path, before minutes of measuring."""

import os
from pathlib import Path

from distill.files.extras import need


def check_picture(picture: Path, bundles: list[Path]) -> None:
    """Check, before minutes of measuring, that the picture can be drawn.

    Raises:
        InputError: its path cannot be written, or no bundle has a quality to draw.
        MissingExtraError: matplotlib is not installed.
    """
    from distill.export.runtime import InputError
    from distill.export.runtime.manifest.manifest import read_manifest
    from distill.timing.bundles import macro_f1_of

    if picture.suffix.lower() not in (".svg", ".png"):
        raise InputError(f"--picture {picture}: The name must end in .svg or .png.")
    if not picture.parent.is_dir():
        raise InputError(f"--picture {picture}: The folder does not exist. Create it, or choose another.")
    if picture.is_dir():
        raise InputError(f"--picture {picture}: This is a folder. Name a file in it.")
    if not os.access(picture if picture.exists() else picture.parent, os.W_OK):
        raise InputError(
            f"--picture {picture}: The file cannot be written. Check its permissions, or choose another folder."
        )
    need("train", "matplotlib")
    if all(macro_f1_of(read_manifest(bundle)) is None for bundle in bundles):
        raise InputError(
            "--picture: No bundle's manifest has metrics.test.macro_f1, so there is no quality to draw. "
            "Omit --picture, or bench bundles that `distill run` made."
        )
