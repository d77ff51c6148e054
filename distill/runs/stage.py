"""What runs when: a stage is done when its folder has a `stage.json` that matches its inputs and its outputs.

A stage works in `<folder>.partial`. `stage.json` is written there last, and then the folder gets its final name in
one step, so that a stage that was interrupted is never taken for a whole one.
"""

import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from distill.export.runtime.records import file_record
from distill.files.atomic import PARTIAL, discard, partial_of, put_in_place, write_text
from distill.files.json_files import read_json, write_json

STAGE_FILE = "stage.json"

# a folder that only an unfinished stage has: which stage it is, and all that it needs to go on
UNFINISHED = ".unfinished"

# logs, and the names of what was read
SAYS_HOW = (".jsonl", "source.json")

MARK_FILE = "fingerprint"

EXPORT_PACKAGES = ("onnx", "onnxruntime", "optimum-onnx", "tokenizers", "numpy")

PACKAGES = ("torch", "transformers", "datasets", *EXPORT_PACKAGES)


@dataclass(frozen=True)
class Stage:
    """One step of the pipeline.

    `inputs` is all that its result depends on, plain JSON data: content hashes and recipe values, never a path,
    a device or a time. `version` is raised whenever its code comes to give other results. `work` gets the folder
    to write to. A resumable stage is started in the partial folder that an interrupted one left, when that had the
    same inputs. `also` are files and folders outside its own folder that the stage writes, whole or not at all;
    `edited` are files among them that people may change.
    """

    name: str
    folder: Path
    inputs: Mapping[str, Any]
    version: int
    work: Callable[[Path], None] = field(compare=False)
    resumable: bool = False
    also: tuple[Path, ...] = ()
    edited: tuple[Path, ...] = ()

    @property
    def fingerprint(self) -> str:
        """The sha256 of name, version and inputs."""
        data = {"name": self.name, "version": self.version, "inputs": dict(self.inputs)}
        return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()

    def done(self) -> "StageRecord | None":
        """The record of an earlier execution that had these inputs and whose outputs are all still there."""
        return self._whole(self.folder)

    def done_but_for_its_name(self) -> "StageRecord | None":
        """The same for an execution that was killed just before its folder got its final name."""
        return self._whole(partial_of(self.folder))

    def _whole(self, folder: Path) -> "StageRecord | None":
        record = read_record(folder)
        if record is None or record.fingerprint != self.fingerprint:
            return None
        found = _hash_outputs(self, folder)
        # what ships is handled by people: a file that somebody added there, such as .DS_Store, makes nothing wrong
        added = {name for name in found if name.startswith("../")} - set(record.outputs)
        return record if {name: found[name] for name in found if name not in added} == record.outputs else None


@dataclass(frozen=True)
class StageRecord:
    """What `stage.json` says."""

    fingerprint: str
    outputs: dict[str, str]  # path inside the folder -> sha256
    seconds: float
    skipped: bool

    @property
    def digest(self) -> str:
        """One hash of all outputs that later stages may depend on: what they are, not how they came about."""
        kept = {name: sha for name, sha in self.outputs.items() if not name.endswith(SAYS_HOW)}
        return hashlib.sha256(json.dumps(kept, sort_keys=True).encode()).hexdigest()


def execute(stage: Stage) -> StageRecord:
    """Run a stage unless it is done already; an exception leaves nothing under its folder's name."""
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
    """Keep what an interrupted execution left if this stage can go on from it, and say which stage this is."""
    mark = partial / UNFINISHED / MARK_FILE
    left = mark.read_text(encoding="utf-8", errors="replace") if mark.is_file() else None
    if not stage.resumable or left != stage.fingerprint:
        discard(partial)
    mark.parent.mkdir(parents=True, exist_ok=True)
    write_text(mark, stage.fingerprint)
    for half in partial.glob(f"*{PARTIAL}"):
        half.unlink()


def read_record(folder: Path) -> StageRecord | None:
    """The record of a finished stage, or None where there is no readable one."""
    try:
        data = read_json(folder / STAGE_FILE)
        return StageRecord(data["fingerprint"], dict(data["outputs"]), float(data["seconds"]), skipped=True)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def earlier_record(name: str, folder: Path, inputs: Mapping[str, Any], version: int) -> StageRecord | None:
    """The record of a finished stage that had these inputs among others, and whose outputs are all still there.

    For a stage whose other inputs are known no more, as those of a choice that the recipe does not leave open now.
    """
    try:
        recorded = dict(read_json(folder / STAGE_FILE)["inputs"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    asked = json.loads(json.dumps(dict(inputs)))  # as they are read
    if any(key not in recorded or recorded[key] != value for key, value in asked.items()):
        return None
    return Stage(name, folder, recorded, version, work=lambda _: None).done()


def recorded_versions(folder: Path) -> dict[str, str]:
    """The versions with which a finished stage was executed."""
    return dict(read_json(folder / STAGE_FILE)["versions"])


def package_versions(packages: Sequence[str] = PACKAGES) -> dict[str, str]:
    """Installed versions of what a result may depend on."""
    found = {}
    for name in packages:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _hash_outputs(stage: Stage, folder: Path) -> dict[str, str]:
    """Path relative to the stage's folder, final or partial, -> sha256, of all files that it wrote."""
    found = {}
    for place in (folder, *stage.also):
        files = sorted(place.rglob("*")) if place.is_dir() else [place]
        for path in files:
            name = os.path.relpath(path, folder).replace(os.sep, "/")
            unfinished = name.startswith(f"{UNFINISHED}/")
            if path.is_file() and path.name != STAGE_FILE and not unfinished and path not in stage.edited:
                found[name] = file_record(path).sha256
    return found


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
