"""A bundle of the hub in a cache on this machine."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from distill.export.runtime import InputError
from distill.export.runtime.manifest.manifest import MANIFEST_FILE, read_manifest
from distill.files.extras import need
from distill.hub.address import Address

# puts one file of a repository, at a commit, into a folder
Fetch = Callable[[Address, str, Path], None]


def cached_bundle(address: Address, *, manifest_sha256: str | None = None, fetch: Fetch | None = None) -> Path:
    """Return the folder of a bundle, downloaded if it is not there yet.

    The manifest comes first, then the files that it lists, into a folder that gets its name when it is complete.

    Args:
        address: repository and commit.
        manifest_sha256: hash that the manifest must have; a wrong one stops before anything else is downloaded.
        fetch: gets a file; by default from the hub.

    Raises:
        InputError: the hub cannot be reached, or has no such file.
        BundleError: the manifest is not that of a bundle, or has another hash.
        MissingExtraError: the hub extra is not installed.
    """
    folder = cache() / f"{address.repository.replace('/', '--')}--{address.commit}"
    if (folder / MANIFEST_FILE).is_file():
        return folder
    get = from_hub if fetch is None else fetch
    folder.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=folder.parent, prefix=".partial-") as temporary:
        partial = Path(temporary) / "bundle"
        partial.mkdir()
        get(address, MANIFEST_FILE, partial)
        for name in read_manifest(partial, sha256=manifest_sha256).files:
            get(address, name, partial)
        shutil.rmtree(partial / ".cache", ignore_errors=True)  # the client's own notes
        try:
            os.replace(partial, folder)
        except OSError:  # another process was first
            if not (folder / MANIFEST_FILE).is_file():
                raise
    return folder


def cache() -> Path:
    """Return the folder of downloaded bundles: in DISTILL_CACHE, or else in the user's cache."""
    chosen = os.environ.get("DISTILL_CACHE")
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(chosen) if chosen else Path(base) / "distill" / "hub"


def from_hub(address: Address, name: str, folder: Path) -> None:
    """Download one file.

    Raises:
        InputError: the hub cannot be reached, or has no such file.
        MissingExtraError: the hub extra is not installed.
    """
    need("hub", "huggingface_hub")
    from huggingface_hub import hf_hub_download

    try:
        hf_hub_download(address.repository, name, revision=address.commit, local_dir=folder)
    except Exception as error:  # the client raises many kinds: network, missing repository, commit or file
        raise InputError(
            f"{address}: {name!r} cannot be downloaded ({type(error).__name__}). Check the address and the "
            "network; a private repository needs HF_TOKEN."
        ) from error
