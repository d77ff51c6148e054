"""Convert a model that was published as a pickle to safetensors, without opening the pickle in this process."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from distill.export.runtime.errors import InputError
from distill.teachers.sources import INDEX, READ_SUFFIXES, WEIGHTS

PICKLE = "pytorch_model.bin"

PICKLE_INDEX = "pytorch_model.bin.index.json"

PARTIAL = ".partial"

# settings of torch that would let a reader of weights open more than weights
UNSAFE_SETTINGS = ("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "TORCH_FORCE_WEIGHTS_ONLY_LOAD")


@dataclass(frozen=True)
class Part:
    """One file of weights to convert, and the name of the resulting file."""

    source: Path
    name: str


def convert_model(
    folder: Path, *, out: Path | None = None, prefix: str = "", overwrite: bool = False
) -> list[Path]:
    """Write the weights in a folder as safetensors, and return the files that were written.

    Args:
        folder: a model's folder with `pytorch_model.bin`, whole or in pieces with an index; with a prefix,
            safetensors will do.
        out: a new folder for the weights and a copy of the model's other files; None writes beside the pickle.
        prefix: taken off the names of tensors that begin with it.
        overwrite: whether safetensors that are there already are replaced.

    Raises:
        InputError: there are no such weights, they hold anything but tensors, or a file would be replaced.
    """
    parts, target = _parts(folder, prefix), folder if out is None else out
    present = [path.name for path in sorted(target.glob("model*.safetensors*"))]
    if out is not None and os.path.lexists(out):
        raise InputError(f"{out}: The folder already exists. Choose another with --out.")
    if present and not overwrite:
        raise InputError(
            f"{target}: The folder already has {present[0]}. Replace it with --overwrite, or choose --out."
        )
    place = target if out is None else out.with_name(out.name + PARTIAL)
    try:
        if out is not None:
            shutil.rmtree(place, ignore_errors=True)
            place.mkdir(parents=True)
            _copy_others(folder, place)
        names = _write(parts, place, prefix)
        for stale in set(present) - set(names):
            (target / stale).unlink()
        if out is not None:
            os.replace(place, out)
    except OSError as error:
        raise InputError(
            f"{error.filename or target}: The file cannot be written ({error.strerror}). Check the disk and the "
            "folder's permissions."
        ) from error
    return [target / name for name in names]


def _parts(folder: Path, prefix: str) -> list[Part]:
    """Return the files to convert, in order."""
    if not folder.is_dir():
        raise InputError(f"{folder}: This is not a folder. Give the folder of a model.")
    single, index = (
        WEIGHTS if prefix and any((folder / name).is_file() for name in WEIGHTS) else (PICKLE, PICKLE_INDEX)
    )
    if (folder / single).is_file():
        return [Part(folder / single, WEIGHTS[0])]
    try:
        files = json.loads((folder / index).read_text(encoding="utf-8"))["weight_map"].values()
        names = sorted({name for name in files if (folder / name).is_file() and Path(name).name == name})
    except FileNotFoundError as error:
        raise InputError(
            f"{folder}: The folder has neither {single} nor {index}. Give a model's folder as it was published."
        ) from error
    except (OSError, ValueError, RecursionError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{folder / index}: The file is not an index of weights. Get the model again.") from error
    if set(files) != set(names) or not names:
        raise InputError(f"{folder / index}: The index names files that are not beside it. Get the model again.")
    return [
        Part(folder / name, f"model-{number:05}-of-{len(names):05}.safetensors")
        for number, name in enumerate(names, start=1)
    ]


def _copy_others(folder: Path, place: Path) -> None:
    """Copy what makes up a model beside its weights."""
    for path in sorted(folder.iterdir()):
        weights = path.name in (PICKLE_INDEX, INDEX) or (
            path.name.startswith("model") and path.suffix == ".safetensors"
        )
        if path.is_file() and path.suffix in READ_SUFFIXES and not weights:
            shutil.copyfile(path, place / path.name)


def _write(parts: list[Part], place: Path, prefix: str) -> list[str]:
    """Convert all files beside their final names, then move them there, the index last; return their names."""
    places: dict[str, str] = {}
    partials = {part.name: place / f"{part.name}{PARTIAL}" for part in parts}
    try:
        for part in parts:
            places |= dict.fromkeys(_converted(part, partials[part.name], prefix), part.name)
        if len(parts) > 1:
            size = sum(path.stat().st_size for path in partials.values())
            partials[INDEX] = place / f"{INDEX}{PARTIAL}"
            index = {"metadata": {"total_size": size}, "weight_map": places}
            partials[INDEX].write_text(json.dumps(index, indent=2, sort_keys=True), encoding="utf-8")
        for path in partials.values():
            with path.open("rb+") as stream:
                os.fsync(stream.fileno())
        for name, path in partials.items():
            os.replace(path, place / name)
    finally:
        for path in partials.values():
            path.unlink(missing_ok=True)
    return list(partials)


def _converted(part: Part, target: Path, prefix: str) -> list[str]:
    """Convert one file in a process of its own, and return the names of its tensors."""
    code = (
        "import json, sys; sys.path[:] = json.loads(sys.argv.pop()); "
        "from distill.teachers.unpickle import main; main()"
    )
    command = [sys.executable, "-c", code, str(part.source), str(target), prefix, json.dumps(sys.path)]
    done = subprocess.run(command, capture_output=True, env=_environment(os.environ), check=False)
    try:
        answer = json.loads(done.stdout)
    except ValueError as error:
        raise InputError(
            f"{part.source}: The file cannot be converted; the process that did it ended with status "
            f"{done.returncode}. Check that the memory is enough for the weights."
        ) from error
    if "refused" in answer:
        raise InputError(f"{part.source}: {answer['refused']}")
    return [str(name) for name in answer["names"]]


def _environment(environment: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if name not in UNSAFE_SETTINGS}
