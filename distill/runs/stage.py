"""Stages: each is done when its folder has a `stage.json` that matches its inputs and its outputs.

A stage works in `<folder>.partial`. `stage.json` is written there last, and then the folder gets its final name in
one step, so that an interrupted stage is never mistaken for a complete one.
"""

import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from distill.export.runtime.manifest.records import file_record
from distill.files.atomic import PARTIAL, discard, partial_of, put_in_place, write_text
from distill.files.json_files import read_json, write_json

STAGE_FILE = "stage.json"

# a folder that only an unfinished stage has: its fingerprint, and the files that it needs to resume
UNFINISHED = ".unfinished"

# files about the execution of a stage and not its result: logs, and the names of the files that were read; and
# columns that the report alone reads, which are inputs of it by themselves
NOT_CONTENT = (".jsonl", "source.json", "subgroups.parquet")

MARK_FILE = "fingerprint"

EXPORT_PACKAGES = ("onnx", "onnxruntime", "optimum-onnx", "tokenizers", "numpy")

PACKAGES = ("torch", "transformers", "datasets", *EXPORT_PACKAGES)


@dataclass(frozen=True)
class Stage:
    """One step of the pipeline.

    `inputs` is everything that its result depends on, as plain JSON data: content hashes and recipe values, never
    a path, a device or a time. `version` is raised whenever its code returns other results. `work` takes the
    folder to write to. A resumable stage is started in the partial folder that an interrupted one left, if that
    had the same inputs. `extra_outputs` are files and folders outside its own folder that the stage writes,
    completely or not at all; `editable` are files among them that people may change.
    """

    name: str
    folder: Path
    inputs: Mapping[str, Any]
    version: int
    work: Callable[[Path], None] = field(compare=False)
    resumable: bool = False
    extra_outputs: tuple[Path, ...] = ()
    editable: tuple[Path, ...] = ()

    @property
    def fingerprint(self) -> str:
        """Sha256 of name, version and inputs."""
        data = {"name": self.name, "version": self.version, "inputs": dict(self.inputs)}
        return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()

    def done(self) -> "StageRecord | None":
        """Return the record of an earlier execution with these inputs, if all its outputs are still there."""
        return self._whole(self.folder)

    def done_but_for_its_name(self) -> "StageRecord | None":
        """Return the same of an execution that was killed just before its folder got its final name."""
        return self._whole(partial_of(self.folder))

    def _whole(self, folder: Path) -> "StageRecord | None":
        record = read_record(folder)
        if record is None or record.fingerprint != self.fingerprint:
            return None
        hashes = _hash_outputs(self, folder)
        # people handle the files that ship: an added file, such as .DS_Store, does no harm
        added = {name for name in hashes if name.startswith("../")} - set(record.outputs)
        return record if {name: hashes[name] for name in hashes if name not in added} == record.outputs else None


@dataclass(frozen=True)
class StageRecord:
    """The content of `stage.json`; `skipped` if the stage was already done."""

    fingerprint: str
    outputs: dict[str, str]  # path inside the folder -> sha256
    seconds: float
    skipped: bool

    @property
    def digest(self) -> str:
        """One hash of all outputs that later stages may depend on: their content, not its history."""
        kept = {name: sha for name, sha in self.outputs.items() if not name.endswith(NOT_CONTENT)}
        return hashlib.sha256(json.dumps(kept, sort_keys=True).encode()).hexdigest()


def execute(stage: Stage) -> StageRecord:
    """Run a stage unless it is done; after an exception no folder has its final name."""
    done = stage.done()
    if done is not None:
        return done
    discard(stage.folder)
    partial = partial_of(stage.folder)
    record = stage.done_but_for_its_name()
    if record is None:
        _begin(stage, partial)
        start = time.perf_counter()
        stage.work(partial)
        seconds = round(time.perf_counter() - start, 2)
        record = StageRecord(stage.fingerprint, _hash_outputs(stage, partial), seconds, skipped=False)
        _write(stage, record, partial)
    if (partial / UNFINISHED).exists():
        shutil.rmtree(partial / UNFINISHED)
    put_in_place(partial, stage.folder)
    return record


def _begin(stage: Stage, partial: Path) -> None:
    """Keep what an interrupted execution left if this stage can resume from it, and mark the folder."""
    mark = partial / UNFINISHED / MARK_FILE
    left = mark.read_text(encoding="utf-8", errors="replace") if mark.is_file() else None
    if not stage.resumable or left != stage.fingerprint:
        discard(partial)
    mark.parent.mkdir(parents=True, exist_ok=True)
    write_text(mark, stage.fingerprint)
    for half in partial.glob(f"*{PARTIAL}"):
        half.unlink()


def read_record(folder: Path) -> StageRecord | None:
    """Return the record of a finished stage, or None where there is no readable one."""
    try:
        data = read_json(folder / STAGE_FILE)
        return StageRecord(data["fingerprint"], dict(data["outputs"]), float(data["seconds"]), skipped=True)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def earlier_record(name: str, folder: Path, inputs: Mapping[str, Any], version: int) -> StageRecord | None:
    """Return the record of a finished stage that had these inputs among others, if its outputs are still there.

    This is for a stage whose other inputs are no longer known, such as a choice that the recipe has made since.
    """
    try:
        recorded = dict(read_json(folder / STAGE_FILE)["inputs"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    asked = json.loads(json.dumps(dict(inputs)))  # in the form in which JSON returns them
    if any(key not in recorded or recorded[key] != value for key, value in asked.items()):
        return None
    return Stage(name, folder, recorded, version, work=lambda _: None).done()


def recorded_versions(folder: Path) -> dict[str, str]:
    """Return the package versions with which a finished stage was executed."""
    return dict(read_json(folder / STAGE_FILE)["versions"])


def package_versions(packages: Sequence[str] = PACKAGES) -> dict[str, str]:
    """Return the installed versions of packages that a result may depend on."""
    found = ((name, _installed(name)) for name in packages)
    return {name: installed for name, installed in found if installed is not None}


@cache
def _installed(package: str) -> str | None:
    """Return a package's installed version, which costs milliseconds to look up and changes in no process."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _hash_outputs(stage: Stage, folder: Path) -> dict[str, str]:
    """Return the sha256 of every file that a stage wrote, by path relative to its folder, final or partial."""
    hashes = {}
    for place in (folder, *stage.extra_outputs):
        files = sorted(place.rglob("*")) if place.is_dir() else [place]
        for path in files:
            name = os.path.relpath(path, folder).replace(os.sep, "/")
            unfinished = name.startswith(f"{UNFINISHED}/")
            if path.is_file() and path.name != STAGE_FILE and not unfinished and path not in stage.editable:
                hashes[name] = file_record(path).sha256
    return hashes


def _write(stage: Stage, record: StageRecord, folder: Path) -> None:
    data = {
        "name": stage.name,
        "fingerprint": record.fingerprint,
        "inputs": dict(stage.inputs),
        "outputs": record.outputs,
        "seconds": record.seconds,
        "versions": package_versions(),
    }
    write_json(data, folder / STAGE_FILE)
