"""`manifest.json`: what a bundle decides and how, and which bytes it is made of."""

import dataclasses
import hashlib
import hmac
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from export.runtime.errors import BundleError, InputError
from export.runtime.fields import Fields, check_path

FORMAT_VERSION = 1
MANIFEST_FILE = "manifest.json"
ACTIVATIONS = {"multi_label": "sigmoid", "single_label": "softmax"}
INPUTS = ("input_ids", "attention_mask", "token_type_ids")
_T = TypeVar("_T")
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class SelfTest:
    """Sentences of our own with the ids and logits that this bundle gave when it was made."""

    texts: tuple[str, ...]
    input_ids: tuple[tuple[int, ...], ...]
    logits: tuple[tuple[float, ...], ...]
    tolerance: float

    @classmethod
    def from_dict(cls, data: object, where: str, *, labels: int, max_tokens: int) -> "SelfTest":
        """Check and build; ids and logits have one row for each text."""
        fields = Fields(data, where, _names(cls))
        texts = fields.texts("texts", blank=True)
        return cls(
            texts=texts,
            input_ids=fields.id_rows("input_ids", len(texts), max_tokens),
            logits=fields.number_rows("logits", len(texts), labels),
            tolerance=fields.number("tolerance", low=0.0),
        )


@dataclass(frozen=True)
class FileRecord:
    """What one file of the bundle must be."""

    sha256: str
    bytes: int

    @classmethod
    def from_dict(cls, data: object, where: str) -> "FileRecord":
        """Check and build."""
        fields = Fields(data, where, _names(cls))
        sha256 = fields.text("sha256")
        if not _SHA256.fullmatch(sha256):
            raise fields.error("sha256", "64 lower-case hexadecimal digits")
        return cls(sha256=sha256, bytes=fields.integer("bytes", 0))


@dataclass(frozen=True)
class Calibration:
    """The scale and bias per label that the graph's last nodes apply; kept for the record."""

    scale: tuple[float, ...]
    bias: tuple[float, ...]

    @classmethod
    def from_dict(cls, data: object, where: str, *, labels: int) -> "Calibration":
        """Check and build; a scale of zero or less would erase or reverse a label."""
        fields = Fields(data, where, _names(cls))
        return cls(scale=fields.numbers("scale", labels, low=0.0), bias=fields.numbers("bias", labels))


@dataclass(frozen=True)
class Manifest:
    """The decision contract of one bundle; `from_dict` is the checked way in."""

    format_version: int
    name: str
    task: str
    labels: tuple[str, ...]
    activation: str
    calibration: Calibration
    thresholds: tuple[float, ...] | None
    abstain: float | None
    max_tokens: int
    max_batch: int | None
    model_file: str
    tokenizer_file: str
    inputs: tuple[str, ...]
    precision: str
    self_test: SelfTest
    files: dict[str, FileRecord]
    provenance: dict[str, Any]
    metrics: dict[str, Any]

    @classmethod
    def from_dict(cls, data: object, where: str) -> "Manifest":
        """Check every field of parsed JSON and build; `where` opens each complaint."""
        _check_version(data, where)
        fields = Fields(data, where, _names(cls))
        labels = fields.names("labels")
        max_tokens = fields.integer("max_tokens", 1)
        files = _read_files(fields)
        manifest = cls(
            format_version=FORMAT_VERSION,
            name=fields.text("name"),
            task=fields.choice("task", tuple(ACTIVATIONS)),
            labels=labels,
            activation=fields.choice("activation", tuple(ACTIVATIONS.values())),
            calibration=Calibration.from_dict(
                fields.raw("calibration"), f"{where}: calibration", labels=len(labels)
            ),
            thresholds=_optional(fields, "thresholds", lambda key: fields.numbers(key, len(labels), 0.0, 1.0)),
            abstain=_optional(fields, "abstain", lambda key: fields.number(key, 0.0, 1.0)),
            max_tokens=max_tokens,
            max_batch=_optional(fields, "max_batch", lambda key: fields.integer(key, 1)),
            model_file=fields.path("model_file"),
            tokenizer_file=fields.path("tokenizer_file"),
            inputs=fields.names("inputs"),
            precision=fields.text("precision"),
            self_test=SelfTest.from_dict(
                fields.raw("self_test"), f"{where}: self_test", labels=len(labels), max_tokens=max_tokens
            ),
            files=files,
            provenance=fields.mapping("provenance"),
            metrics=fields.mapping("metrics"),
        )
        _check_agreement(manifest, fields)
        return manifest

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values; `from_dict` reads them back to an equal manifest."""
        return {key: _listed(value) for key, value in dataclasses.asdict(self).items()}


def contract(manifest: Manifest) -> dict[str, Any]:
    """What a lone ONNX file must know to explain itself: the decision, without bytes and history."""
    left_out = {"files", "self_test", "provenance", "metrics"}
    return {key: value for key, value in manifest.to_dict().items() if key not in left_out}


def dump_json(obj: object) -> str:
    """JSON that is the same bytes for the same content."""
    return json.dumps(obj, sort_keys=True, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def read_manifest(folder: Path, *, sha256: str | None = None) -> Manifest:
    """Read and check a bundle's manifest; with `sha256` its bytes must have exactly that hash."""
    if sha256 is not None and not _SHA256.fullmatch(sha256.lower()):
        raise InputError("manifest_sha256: must be 64 hexadecimal digits, as `sha256sum manifest.json` prints")
    if not folder.is_dir():
        raise BundleError(f"{folder}: is not a folder; give the bundle's folder, the one with {MANIFEST_FILE}")
    path = folder / MANIFEST_FILE
    _refuse_link(folder, MANIFEST_FILE)
    if not path.is_file():
        raise BundleError(f"{folder}: has no {MANIFEST_FILE}; give the folder that `distill export` wrote")
    content = path.read_bytes()
    if sha256 is not None and not hmac.compare_digest(hashlib.sha256(content).hexdigest(), sha256.lower()):
        raise BundleError(f"{path}: its sha256 is not the pinned one; this is another bundle, or an altered one")
    try:
        data = json.loads(content.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise BundleError(f"{path}: is not strict JSON in UTF-8; restore the file") from error
    return Manifest.from_dict(data, str(path))


def check_files(folder: Path, manifest: Manifest) -> None:
    """Compare every listed file with its record, and refuse what is not listed under onnx/."""
    for name, record in sorted(manifest.files.items()):
        check_path(name, f"{folder}: files")
        _refuse_link(folder, name)
        path = folder / name
        if not path.is_file():
            raise BundleError(f"{path}: listed in {MANIFEST_FILE} but missing; copy the whole bundle again")
        size = path.stat().st_size
        if size != record.bytes:
            raise BundleError(f"{path}: has {size} bytes, {MANIFEST_FILE} says {record.bytes}; copy it again")
        with path.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
        if digest != record.sha256:
            raise BundleError(f"{path}: its sha256 is not the one in {MANIFEST_FILE}; copy it again")
    for path in sorted((folder / "onnx").rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink() or (not path.is_dir() and name not in manifest.files):
            raise BundleError(f"{path}: stands under onnx/ but not in {MANIFEST_FILE}; remove it")


def _check_version(data: object, where: str) -> None:
    """First of all: another version may have other keys, and the remedy is another one."""
    version = data.get("format_version") if isinstance(data, dict) else None
    if isinstance(data, dict) and (type(version) is not int or version != FORMAT_VERSION):
        raise BundleError(
            f"{where}: 'format_version' must be {FORMAT_VERSION}; "
            "export the bundle again, or install the version of distill-text that made it"
        )


def _check_agreement(manifest: Manifest, fields: Fields) -> None:
    """The rules that bind several fields."""
    if manifest.activation != ACTIVATIONS[manifest.task]:
        raise fields.error("activation", f"{ACTIVATIONS[manifest.task]} where task is {manifest.task}")
    if manifest.task == "multi_label" and manifest.thresholds is None:
        raise fields.error("thresholds", "a list, one for each label, where task is multi_label")
    if manifest.task == "single_label" and manifest.thresholds is not None:
        raise fields.error("thresholds", "null where task is single_label")
    if manifest.task == "single_label" and len(manifest.labels) < 2:
        raise fields.error("labels", "at least 2 names where task is single_label")
    if "input_ids" not in manifest.inputs or not set(manifest.inputs) <= set(INPUTS):
        raise fields.error("inputs", f"input_ids and any others of {', '.join(INPUTS)}")
    # only under onnx/ is every unlisted file refused, so only there can a graph name no stray weights
    if not manifest.model_file.startswith("onnx/"):
        raise fields.error("model_file", "a file under onnx/")
    for key, name in (("model_file", manifest.model_file), ("tokenizer_file", manifest.tokenizer_file)):
        if name not in manifest.files:
            raise fields.error(key, "a file that 'files' lists with its sha256")
    if MANIFEST_FILE in manifest.files:
        raise fields.error("files", f"without {MANIFEST_FILE}, which cannot hold its own hash")


def _read_files(fields: Fields) -> dict[str, FileRecord]:
    records = {}
    for name, data in fields.mapping("files").items():
        check_path(name, f"{fields.where}: files: {name!r}")
        records[name] = FileRecord.from_dict(data, f"{fields.where}: files: {name}")
    return records


def _refuse_link(folder: Path, name: str) -> None:
    """A link may point out of the folder, and what it points at can be exchanged unseen."""
    path = folder
    for part in Path(name).parts:
        path = path / part
        if path.is_symlink():
            raise BundleError(
                f"{path}: is a symbolic link; copy real files (from the Hub: `hf download --local-dir`)"
            )


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice in one object")
    return found


def _no_constant(name: str) -> object:
    raise ValueError(f"{name} is not JSON")


def _names(kind: type) -> tuple[str, ...]:
    return tuple(field.name for field in dataclasses.fields(kind))


def _optional(fields: Fields, key: str, read: Callable[[str], _T]) -> _T | None:
    return None if fields.raw(key) is None else read(key)


def _listed(value: object) -> object:
    """Tuples as lists, all the way down: the values that parsed JSON would hold."""
    if isinstance(value, dict):
        return {key: _listed(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_listed(item) for item in value]
    return value
