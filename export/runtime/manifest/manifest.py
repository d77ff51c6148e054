"""`manifest.json`: a bundle's labels and decision rule, and the hashes of its files."""

import dataclasses
import hashlib
import hmac
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from distill.export.runtime.deciding.task import Policy, Task
from distill.export.runtime.deciding.tasks import TASKS, task_of
from distill.export.runtime.errors import BundleError, InputError
from distill.export.runtime.manifest.optional import NO_OBJECTS, OPTIONAL, Objects, read_objects
from distill.export.runtime.manifest.parts import Abstain, Calibration, SelfTest
from distill.export.runtime.manifest.promises import check_thresholds
from distill.export.runtime.manifest.records import SHA256, FileRecord, names_of
from distill.export.runtime.manifest.tagged import Tagged, TaggedDecision
from distill.export.runtime.reading.inputs import ONE_TEXT, TEXT, Input, Pair, Text, Turns, input_from_dict
from distill.export.runtime.untrusted.fields import MAX_SHOWN, Fields, check_path
from distill.export.runtime.untrusted.files import most_bytes, read_file
from distill.export.runtime.untrusted.strict_json import parse_json

# manifests of tasks that have this version, of bundles that read pairs or turns, or that have one of the optional
# objects, have the objects below, each with a kind, and nothing else has them; output and decision are null where
# the task has the first version
TAGGED_VERSION = 2

FORMAT_VERSIONS = tuple(sorted({kind.manifest_version for kind in TASKS.values()}))

TAGGED_KEYS = ("input", "output", "decision")

MANIFEST_FILE = "manifest.json"
BUNDLE_FOLDER = "bundle"  # in that of a run

ACTIVATIONS = tuple(dict.fromkeys(kind.activation for kind in TASKS.values()))

INPUTS = ("input_ids", "attention_mask", "token_type_ids")

# limits on what a manifest asks for; each is far above any need and far below what would do harm
MAX_MANIFEST_BYTES = 8 * 2**20  # 10,000 labels with all that is kept of each take half of it

MAX_LABELS = 10_000

MAX_TOKENS = 8192  # the longest context of a small encoder; attention grows with its square

MAX_BATCH = 65_536

MAX_FILES = 100


_T = TypeVar("_T")


@dataclass(frozen=True)
class Manifest:
    """The decision contract of one bundle; `from_dict` checks and builds it."""

    format_version: int
    name: str
    task: str
    labels: tuple[str, ...]
    activation: str
    calibration: Calibration
    thresholds: tuple[float, ...] | None
    abstain: Abstain | None
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
    # of version 2 alone
    input: Text | Pair | Turns | None = None
    output: Tagged | None = None
    decision: TaggedDecision | None = None
    objects: Objects = NO_OBJECTS  # each under its own key

    @classmethod
    def from_dict(cls, data: object, where: str) -> "Manifest":
        """Check every field of parsed JSON and build; `where` opens each complaint."""
        version = _check_version(data, where)
        tagged = version == TAGGED_VERSION
        keys = [key for key in names_of(cls) if key != "objects" and (tagged or key not in TAGGED_KEYS)]
        fields = Fields(data, where, keys, OPTIONAL if tagged else ())
        labels = fields.names("labels", MAX_LABELS)
        kind = fields.choice("task", [kind for kind, task in TASKS.items() if task.manifest_version <= version])
        task = task_of(kind, labels)
        outputs = task.num_outputs
        objects = _tagged_objects(fields, task) if tagged else {}
        max_tokens = fields.integer("max_tokens", 1, MAX_TOKENS)
        files = _read_files(fields)
        manifest = cls(
            format_version=version,
            name=fields.text("name"),
            task=kind,
            labels=labels,
            activation=fields.choice("activation", ACTIVATIONS),
            calibration=Calibration.from_dict(fields.raw("calibration"), f"{where}: calibration", labels=outputs),
            thresholds=_optional(fields, "thresholds", lambda key: fields.numbers(key, len(labels), 0.0, 1.0)),
            abstain=_optional(
                fields, "abstain", lambda key: Abstain.from_dict(fields.raw(key), f"{where}: {key}")
            ),
            max_tokens=max_tokens,
            max_batch=_optional(fields, "max_batch", lambda key: fields.integer(key, 1, MAX_BATCH)),
            model_file=fields.path("model_file"),
            tokenizer_file=fields.path("tokenizer_file"),
            inputs=fields.names("inputs", len(INPUTS)),
            precision=fields.text("precision"),
            self_test=SelfTest.from_dict(
                fields.raw("self_test"),
                f"{where}: self_test",
                kind=objects["input"].kind if tagged else TEXT,
                labels=len(labels),
                max_tokens=max_tokens,
            ),
            files=files,
            provenance=fields.mapping("provenance"),
            metrics=fields.mapping("metrics"),
            **objects,
        )
        _check_agreement(manifest, fields)
        return manifest

    @property
    def reads(self) -> Input:
        """The kind of input that the bundle reads."""
        return ONE_TEXT if self.input is None else self.input

    @property
    def policy(self) -> Policy:
        """Return the numbers that decide."""
        thresholds = self.thresholds if self.decision is None else self.decision.thresholds
        below = None if self.abstain is None else self.abstain.below
        return Policy(thresholds, below, self.objects.sets, self.objects.flagged(task_of(self.task, self.labels)))

    def deciding_by(self, policy: Policy, objects: Objects) -> "Manifest":
        """Return the same contract with another policy, and other optional objects."""
        task = task_of(self.task, self.labels)
        return dataclasses.replace(self, **decision_fields(task, policy, self.reads, objects))

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values; `from_dict` reads them back to an equal manifest."""
        left_out = ("objects", *(() if self.format_version == TAGGED_VERSION else TAGGED_KEYS))
        data = {key: value for key, value in dataclasses.asdict(self).items() if key not in left_out}
        return {key: _listed(value) for key, value in (data | self.objects.to_dict()).items()}


def decision_fields(task: Task, policy: Policy, reads: Input, objects: Objects = NO_OBJECTS) -> dict[str, Any]:
    """Return the fields of a manifest that say what is read, how it is decided, and what else the bundle has."""
    below = policy.abstain_below
    abstain = None if below is None else Abstain(task.confidence_rule, below)
    decision = task.manifest_decision
    fields: dict[str, Any] = {"thresholds": policy.thresholds if decision is None else None, "abstain": abstain}
    if task.manifest_version != TAGGED_VERSION and reads.kind == TEXT and objects == NO_OBJECTS:
        return {"format_version": task.manifest_version, **fields, "objects": objects}
    return {
        "format_version": TAGGED_VERSION,
        **fields,
        "input": reads,
        "output": task.manifest_output,
        "decision": None if decision is None else decision.of(policy.thresholds or ()),
        "objects": objects,
    }


def contract(manifest: Manifest) -> dict[str, Any]:
    """Return the part of a manifest that a lone ONNX file carries: the decision, without files and history."""
    left_out = {"files", "self_test", "provenance", "metrics", "watch"}
    return {key: value for key, value in manifest.to_dict().items() if key not in left_out}


def dump_json(obj: object) -> str:
    """Return JSON that has the same bytes for the same content."""
    return json.dumps(obj, sort_keys=True, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def read_manifest(folder: Path, *, sha256: str | None = None) -> Manifest:
    """Read and check a bundle's manifest; with `sha256` its bytes must have exactly that hash.

    Raises:
        InputError: `sha256` is not a hash.
        BundleError: there is no manifest, it is another one, or a field of it is wrong.
    """
    path = folder / MANIFEST_FILE
    return Manifest.from_dict(parse_json(read_manifest_bytes(folder, sha256=sha256), path), str(path))


def read_manifest_bytes(folder: Path, *, sha256: str | None = None) -> bytes:
    """Read the bytes of a bundle's manifest; with `sha256` they must have exactly that hash.

    Raises:
        InputError: `sha256` is not a hash.
        BundleError: there is no manifest, or it is another one.
    """
    if sha256 is not None and not SHA256.fullmatch(sha256.lower()):
        raise InputError(
            "manifest_sha256: The hash must be 64 hexadecimal digits, as `sha256sum manifest.json` prints."
        )
    if not os.path.isdir(folder):
        raise BundleError(
            f"{folder}: This is not a folder. Give the bundle's folder, the one with {MANIFEST_FILE}."
        )
    path, inside = folder / MANIFEST_FILE, folder / BUNDLE_FOLDER
    if not os.path.lexists(path):
        is_run = os.path.lexists(inside / MANIFEST_FILE)
        remedy = f"the bundle in it, {inside}" if is_run else "the folder that `distill export` wrote"
        raise BundleError(f"{folder}: The folder has no {MANIFEST_FILE}. Give {remedy}.")
    content = read_file(folder, MANIFEST_FILE, most=MAX_MANIFEST_BYTES)
    if sha256 is not None and not hmac.compare_digest(hashlib.sha256(content).hexdigest(), sha256.lower()):
        raise BundleError(f"{path}: The file's sha256 is not the pinned one. This is another bundle.")
    return content


def _check_version(data: object, where: str) -> int:
    """Return the version, read before all else: another one may have other keys, and the remedy differs."""
    version = data.get("format_version") if isinstance(data, dict) else FORMAT_VERSIONS[0]
    if type(version) is not int or version not in FORMAT_VERSIONS:
        raise BundleError(
            f"{where}: 'format_version' must be {' or '.join(map(str, FORMAT_VERSIONS))}. Export the bundle "
            "again, or install the version of distill-text that made it."
        )
    return version


def _check_agreement(manifest: Manifest, fields: Fields) -> None:
    """Check the rules that bind several fields."""
    task = task_of(manifest.task, manifest.labels)
    if manifest.activation != task.activation:
        raise fields.error("activation", f"{task.activation} where task is {task.kind}")
    if manifest.abstain is not None and manifest.abstain.confidence != task.confidence_rule:
        raise fields.error("abstain", f"by {task.confidence_rule} where task is {task.kind}")
    task.check_policy(manifest.policy, fields)
    check_thresholds(manifest.objects.floors or (), manifest.policy.thresholds or (), fields)
    if manifest.objects.answers is not None and manifest.abstain is None:
        raise fields.error("answers", "missing where 'abstain' is null")
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


def _tagged_objects(fields: Fields, task: Task) -> dict[str, Any]:
    where, output, decision = fields.where, task.manifest_output, task.manifest_decision
    reads = input_from_dict(fields.raw("input"), f"{where}: input")
    for key, known in (("output", output), ("decision", decision)):
        if known is None and fields.raw(key) is not None:
            raise fields.error(key, f"null where task is {task.kind}")
    objects = read_objects(fields, task)
    if task.manifest_version != TAGGED_VERSION and reads.kind == TEXT and objects == NO_OBJECTS:
        rule = (
            f"{task.manifest_version} where task is {task.kind} and one text is read, without any optional object"
        )
        raise fields.error("format_version", rule)
    if decision is not None and fields.raw("thresholds") is not None:
        raise fields.error("thresholds", "null where 'decision' has the cutoffs")
    return {
        "objects": objects,
        "input": reads,
        "output": output and Tagged.from_dict(fields.raw("output"), f"{where}: output", output.kind),
        "decision": decision
        and decision.from_dict(fields.raw("decision"), f"{where}: decision", thresholds=task.num_thresholds),
    }


def _read_files(fields: Fields) -> dict[str, FileRecord]:
    listed = fields.mapping("files")
    if len(listed) > MAX_FILES:
        raise fields.error("files", f"a JSON object of at most {MAX_FILES} files, has {len(listed)}")
    records = {}
    for name, data in listed.items():
        check_path(name, f"{fields.where}: files: {name[:MAX_SHOWN]!r}")
        records[name] = FileRecord.from_dict(data, f"{fields.where}: files: {name}", most=most_bytes(name))
    return records


def _optional(fields: Fields, key: str, read: Callable[[str], _T]) -> _T | None:
    return None if fields.raw(key) is None else read(key)


def _listed(value: object) -> object:
    """Tuples as lists, all the way down: the values that parsed JSON would hold."""
    if isinstance(value, dict):
        return {key: _listed(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_listed(item) for item in value]
    return value
