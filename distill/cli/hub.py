"""The command that puts a bundle on the hub."""

import hashlib
import json
from typing import Annotated

import typer

from distill.cli.options import AsJson, Bundle
from distill.files.printable import printable

Repository = Annotated[str, typer.Argument(metavar="ORG/NAME", help="Repository of the hub; a new one is made.")]

Public = Annotated[bool, typer.Option("--public", help="Make a new repository public; by default it is private.")]


def push(bundle: Bundle, repository: Repository, public: Public = False, as_json: AsJson = False) -> None:
    """Verify a bundle and upload it to the Hugging Face hub, with the line that loads it.

    HF_TOKEN must be a token that may write. Only the manifest, the files that it lists and the model
    card are sent.
    """
    from distill.export.runtime import verify
    from distill.export.runtime.manifest.manifest import read_manifest_bytes
    from distill.hub.push import push_bundle

    verify(bundle)
    sha256 = hashlib.sha256(read_manifest_bytes(bundle)).hexdigest()
    pushed = push_bundle(bundle, repository, private=not public)
    if as_json:
        print(json.dumps({"address": str(pushed.address), "manifest_sha256": sha256, "files": pushed.files}))
        return
    print(printable(f"{pushed.address}: {len(pushed.files)} files"))
    print(f'distill.load("{pushed.address}", manifest_sha256="{sha256}")')
