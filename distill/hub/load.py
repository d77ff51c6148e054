"""`distill.load`: a bundle from a folder, or from an explicit address of the hub."""

from pathlib import Path

from distill.export.runtime import Classifier
from distill.export.runtime import load as load_folder
from distill.hub.address import PREFIX, Address


def load(path: str | Path, *, manifest_sha256: str | None = None, threads: int = 1) -> Classifier:
    """Open a bundle after checking its hashes.

    Args:
        path: the bundle's folder; or ``hub:ORG/NAME@COMMIT``, which is downloaded once (extra `hub`) and then read
            from a cache without a network. Only an address opens a socket, and only where it is not in the cache.
        manifest_sha256: hash that the manifest must have, which pins the whole bundle.
        threads: number of threads of one run.

    Raises:
        InputError: `manifest_sha256` is not a hash, `threads` is not a number of at least 1, or an address names
            no commit or cannot be reached.
        BundleError: the bundle is incomplete, differs from its manifest, or holds what no bundle needs.
        MissingExtraError: an address is given, and the hub extra is not installed.
    """
    if isinstance(path, str) and path.startswith(PREFIX):
        from distill.hub.download import cached_bundle

        path = cached_bundle(Address.parse(path), manifest_sha256=manifest_sha256)
    return load_folder(path, manifest_sha256=manifest_sha256, threads=threads)
