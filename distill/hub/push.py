"""A bundle to the hub: what the manifest lists and the model card, and nothing else."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from distill.export.runtime import InputError
from distill.export.runtime.manifest.manifest import MANIFEST_FILE, read_manifest
from distill.files.extras import need
from distill.hub.address import Address, checked_repository

if TYPE_CHECKING:
    from huggingface_hub import HfApi

CARD = "README.md"


@dataclass(frozen=True)
class Pushed:
    """A bundle that is on the hub."""

    address: Address
    files: tuple[str, ...]


def push_bundle(bundle: Path, repository: str, *, private: bool, api: "HfApi | None" = None) -> Pushed:
    """Upload a bundle in one commit, and return its address.

    Args:
        bundle: its folder, already verified.
        repository: ORG/NAME; it is made if it is not there.
        private: whether a new repository is private.
        api: client of the hub, with a token; by default of the environment.

    Raises:
        InputError: the name is none, or the hub refuses.
        MissingExtraError: the hub extra is not installed.
    """
    name = checked_repository(repository, repository)
    need("hub", "huggingface_hub")
    from huggingface_hub import CommitOperationAdd, HfApi

    client, manifest = api or HfApi(), read_manifest(bundle)
    card = (CARD,) if (bundle / CARD).is_file() else ()
    files = (*sorted(manifest.files), MANIFEST_FILE, *card)
    operations = [CommitOperationAdd(file, str(bundle / file)) for file in files]
    try:
        client.create_repo(name, private=private, exist_ok=True)
        done = client.create_commit(name, operations, commit_message=f"Bundle {manifest.name}")
    except Exception as error:  # the client raises many kinds: network, no token, no permission
        raise InputError(
            f"{name}: The hub does not take the bundle ({type(error).__name__}). Check the network, and that "
            "HF_TOKEN is a token that may write to it."
        ) from error
    return Pushed(Address(name, str(done.oid)), files)
