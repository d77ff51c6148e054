"""Bundles that must be refused: each is made from a whole one, and nearly all have true hashes.

An attacker who changes a file also writes its new hash into the manifest, so a wrong hash is the dull case.
"""

import json
import os
import re
from collections.abc import Callable
from pathlib import Path

from distill.export.runtime.untrusted.files import MAX_MODEL_BYTES
from tests.support.hostile_changes import (
    MANIFEST,
    TOKENIZER,
    Hostile,
    lie,
    manifest_of,
    manifest_text,
    rehash,
    write_json,
)
from tests.support.hostile_graphs import GRAPHS
from tests.support.hostile_objects import OBJECTS
from tests.support.hostile_tokenizers import TOKENIZERS
from tests.support.tiny_bundle import LABELS, MODEL_FILE

SPARSE_BYTES = 2**31
PINNED = "another sha256 than the pinned one"
NONE_DEEP = "[" * 40 + "]" * 40


def without_hash(name: str, change: Callable[[bytes], bytes]) -> Callable[[Path], object]:
    """Change a file and leave its record."""
    return lambda folder: (folder / name).write_bytes(change((folder / name).read_bytes()))


def flipped(before: bytes) -> bytes:
    return before[:-1] + bytes([before[-1] ^ 1])


def swap(folder: Path) -> None:
    """The records stay, the contents change places."""
    first, second = (folder / name for name in (MODEL_FILE, TOKENIZER))
    kept = first.read_bytes()
    first.write_bytes(second.read_bytes())
    second.write_bytes(kept)


def swap_with_hashes(folder: Path) -> None:
    swap(folder)
    rehash(folder)


def in_place_of(name: str, put: Callable[[Path], object]) -> Callable[[Path], None]:
    """Put something else than a file under a file's name."""

    def make(folder: Path) -> None:
        (folder / name).unlink()
        put(folder / name)

    return make


def link(name: str) -> Callable[[Path], None]:
    """Move a file or folder out, and leave a link that leads to it."""

    def make(folder: Path) -> None:
        outside = folder.with_name("outside")
        (folder / name).rename(outside)
        (folder / name).symlink_to(outside, target_is_directory=outside.is_dir())

    return make


def link_above(folder: Path) -> None:
    """A listed file whose own folder is a link."""
    outside = folder.with_name("outside")
    outside.mkdir()
    (folder / TOKENIZER).rename(outside / TOKENIZER)
    (folder / "text").symlink_to(outside, target_is_directory=True)
    data = manifest_of(folder)
    data["files"][f"text/{TOKENIZER}"] = data["files"].pop(TOKENIZER)
    write_json(folder / MANIFEST, data | {"tokenizer_file": f"text/{TOKENIZER}"})


def stray(name: str) -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"x")

    return make


def large(name: str) -> Callable[[Path], None]:
    """A file of 2 GiB that takes no room on the disk, with a record that says so."""

    def make(folder: Path) -> None:
        data = manifest_of(folder)
        os.truncate(folder / name, SPARSE_BYTES)
        if name in data["files"]:
            data["files"][name]["bytes"] = SPARSE_BYTES
            write_json(folder / MANIFEST, data)

    return make


def large_together(folder: Path) -> None:
    """Two records of 2 GiB each."""
    data = manifest_of(folder)
    for name in ("onnx/a", "onnx/b"):
        data["files"][name] = {"sha256": "0" * 64, "bytes": MAX_MODEL_BYTES}
    write_json(folder / MANIFEST, data)


def listed(name: object) -> Callable[[Path], None]:
    """One more name in the manifest's files."""
    return lie("files", str(name), value={"sha256": "0" * 64, "bytes": 0})


def three_labels_of_four(folder: Path) -> None:
    """A manifest that is right in itself, for a graph of fewer labels."""
    data = manifest_of(folder)
    data["labels"] = [*LABELS, "more"]
    data["thresholds"].append(0.5)
    for row in (data["calibration"]["scale"], data["calibration"]["bias"], *data["self_test"]["logits"]):
        row.append(1.0)
    write_json(folder / MANIFEST, data)


def pinned(folder: Path) -> None:
    """Nothing: the bundle is whole, but another one than was asked for."""


FILES = (
    Hostile(
        "a folder with nothing listed", lambda folder: (folder / "onnx/more").mkdir(), "but not in the manifest"
    ),
    Hostile("files of too many bytes together", large_together, "The bundle's files have"),
    Hostile(
        "a changed file", without_hash(MODEL_FILE, flipped), "The file's sha256 is not the one in manifest.json"
    ),
    Hostile(
        "a changed file beside the graph", without_hash("config.json", flipped), "The file's sha256 is not the one"
    ),
    Hostile(
        "a truncated file", without_hash(MODEL_FILE, lambda before: before[:-9]), "bytes, but the manifest says"
    ),
    Hostile("a file made longer", without_hash("config.json", lambda before: before + b"\n"), "the manifest says"),
    Hostile("a missing file", lambda folder: (folder / "config.json").unlink(), "is missing"),
    Hostile("a missing manifest", lambda folder: (folder / MANIFEST).unlink(), "has no manifest.json"),
    Hostile("two files swapped", swap, "bytes, but the manifest says"),
    Hostile("two files swapped with their hashes", swap_with_hashes, "is not a whole ONNX file"),
    Hostile(PINNED, pinned, "is not the pinned one"),
    Hostile("an unlisted file under onnx", stray("onnx/model.onnx_data"), "is under onnx/ but not in"),
    Hostile("an unlisted file deep under onnx", stray("onnx/deep/er/x.bin"), "is under onnx/ but not in"),
    Hostile(
        "an unlisted link under onnx",
        lambda folder: (folder / "onnx/x").symlink_to("/etc"),
        "is under onnx/ but not in",
    ),
    Hostile("a linked file", link(TOKENIZER), "is a symbolic link"),
    Hostile("a linked manifest", link(MANIFEST), "is a symbolic link"),
    Hostile("a linked onnx folder", link("onnx"), "is a symbolic link"),
    Hostile("a linked graph", link(MODEL_FILE), "is a symbolic link"),
    Hostile("a file whose folder is a link", link_above, "is a symbolic link"),
    Hostile("a link to nothing", in_place_of(TOKENIZER, lambda path: path.symlink_to("absent")), "symbolic link"),
    Hostile("a FIFO", in_place_of(TOKENIZER, os.mkfifo), "is not a regular file"),
    Hostile("a FIFO as manifest", in_place_of(MANIFEST, os.mkfifo), "is not a regular file"),
    Hostile("a folder in place of a file", in_place_of(TOKENIZER, Path.mkdir), "is not a regular file"),
    Hostile("a folder as manifest", in_place_of(MANIFEST, Path.mkdir), "is not a regular file"),
    Hostile("a file in place of a folder", lambda folder: (folder / "onnx").rename(folder / "o"), "is missing"),
    Hostile("a manifest of 2 GiB", large(MANIFEST), "must have at most 8388608"),
    Hostile("a tokenizer of 2 GiB", large(TOKENIZER), "'bytes' must be a whole number from 0 to 67108864"),
    Hostile("a graph of 2 GiB", large(MODEL_FILE), "'bytes' must be a whole number from 0 to 2147479552"),
)

MANIFESTS = (
    Hostile("another format version", lie("format_version", value=3), "'format_version' must be 1 or 2"),
    Hostile("version 2 without its objects", lie("format_version", value=2), "key 'input' is missing"),
    Hostile("a format version that is true", lie("format_version", value=True), "'format_version' must be 1"),
    Hostile("an unknown key of a megabyte", lie("k" * 2**20, value="x"), f"unknown key '{'k' * 80}'. Remove it"),
    Hostile("an unknown key", lie("run_this", value="x"), "unknown key 'run_this'"),
    Hostile("a label more than the rest has", lie("labels", value=[*LABELS, "more"]), "a list of 4 values, has 3"),
    Hostile("a label more than the graph has", three_labels_of_four, "the manifest has 4 labels"),
    Hostile("a label twice", lie("labels", value=["joy", "joy", "calm"]), "without repeated values"),
    Hostile("a label that moves the cursor", lie("labels", value=["a\x1b[2J", "b", "c"]), "control characters"),
    Hostile("a label that turns the line", lie("labels", value=["a\u202eb", "b", "c"]), "control characters"),
    Hostile("a label that is no text", lie("labels", value=["a", "\ud800", "c"]), "without lone surrogates"),
    Hostile("too many labels", lie("labels", value=[f"l{n}" for n in range(10_001)]), "at most 10000 strings"),
    Hostile("a threshold of 1", lie("thresholds", value=[0.5, 1.0, 0.5]), "finite numbers between 0 and 1"),
    Hostile("a threshold below 0", lie("thresholds", value=[0.5, -0.1, 0.5]), "finite numbers between 0 and 1"),
    Hostile("a threshold that is NaN", lie("thresholds", value=[0.5, float("nan"), 0.5]), "is not strict JSON"),
    Hostile(
        "a threshold beyond all numbers",
        manifest_text(lambda text: re.sub(r'("thresholds": \[\s*)0.5', r"\g<1>1e999", text)),
        "'thresholds' must be made of finite numbers",
    ),
    Hostile("thresholds of too few labels", lie("thresholds", value=[0.5]), "a list of 3 values, has 1"),
    Hostile("abstain without a rule", lie("abstain", value=7), "abstain: This must be a JSON object"),
    Hostile(
        "abstain beyond 1",
        lie("abstain", value={"confidence": "exact_match", "below": 7}),
        "abstain: 'below' must be a finite number between 0 and 1",
    ),
    Hostile(
        "abstain below NaN",
        lie("abstain", value={"confidence": "exact_match", "below": float("nan")}),
        "is not strict JSON",
    ),
    Hostile(
        "abstain by what nobody knows",
        lie("abstain", value={"confidence": "\x1b[2J", "below": 0.5}),
        "abstain: 'confidence' must be one of exact_match, top_score",
    ),
    Hostile(
        "abstain of another task",
        lie("abstain", value={"confidence": "top_score", "below": 0.5}),
        "'abstain' must be by exact_match where task is multi_label",
    ),
    Hostile("the wrong activation", lie("activation", value="softmax"), "'activation' must be sigmoid"),
    Hostile("a scale below 0", lie("calibration", "scale", value=[1, -1, 1]), "'scale' must be made of finite"),
    Hostile("max_tokens of 2**70", lie("max_tokens", value=2**70), "'max_tokens' must be a whole number from 1"),
    Hostile("max_tokens below 0", lie("max_tokens", value=-1), "'max_tokens' must be a whole number from 1"),
    Hostile(
        "max_tokens without room for a text", lie("max_tokens", value=2), "'input_ids' must be a list of lists"
    ),
    Hostile("max_batch of 2**70", lie("max_batch", value=2**70), "'max_batch' must be a whole number from 1"),
    Hostile(
        "a number of 5,000 digits", manifest_text(lambda t: t.replace("8,", "9" * 5000 + ",", 1)), "strict JSON"
    ),
    Hostile("inputs that the graph has not", lie("inputs", value=["input_ids"]), "The graph's inputs are"),
    Hostile(
        "a self-test that passes all", lie("self_test", "tolerance", value=1e9), "'tolerance' must be a finite"
    ),
    Hostile("a self-test of no texts", lie("self_test", "texts", value=[]), "a list of at least one string"),
    Hostile(
        "a self-test of another bundle", lie("self_test", "logits", value=[[0.0] * 2] * 2), "lists of 3 numbers"
    ),
    Hostile("a key twice", manifest_text(lambda text: '{"name": "x", ' + text.lstrip()[1:]), "is not strict JSON"),
    Hostile("a manifest nested deep", manifest_text(lambda _: "[" * 200_000), "is not strict JSON"),
    Hostile("provenance nested deep", lie("provenance", value={"a": json.loads(NONE_DEEP)}), "at most 32 deep"),
    Hostile("a manifest that is no JSON", manifest_text(lambda text: text[:-3]), "is not strict JSON"),
    Hostile("a manifest that is no UTF-8", without_hash(MANIFEST, lambda _: b"\xff{}"), "is not strict JSON"),
    Hostile("a manifest that is a list", manifest_text(lambda text: f"[{text}]"), "must be a JSON object"),
    Hostile("a graph outside of the folder", lie("model_file", value="../model.onnx"), "must be relative"),
    Hostile("an absolute path", lie("tokenizer_file", value="/etc/passwd"), "must be relative"),
    Hostile("a graph outside of onnx", lie("model_file", value="config.json"), "must be a file under onnx/"),
    Hostile("a graph that is not listed", lie("model_file", value="onnx/x.onnx"), "a file that 'files' lists"),
    Hostile("a listed path above the folder", listed("onnx/../../x"), "must be relative"),
    Hostile("a listed absolute path", listed("/etc/passwd"), "must be relative"),
    Hostile("a Windows path", listed("C:\\Windows\\x"), "must be relative"),
    Hostile("a backslash in a path", listed("onnx\\..\\..\\x"), "must be relative"),
    Hostile("two spellings of one path", listed("onnx//model.onnx"), "must be relative"),
    Hostile("a path with a NUL", listed("x\0y"), "must be relative"),
    Hostile("a path with a line break", listed("x\ny"), "must be relative"),
    Hostile("a path longer than a system takes", listed("x" * 300), "cannot be read"),
    Hostile("a path of a megabyte", listed("x" * 2**20), f"'{'x' * 80}': A file's path must be relative"),
    Hostile("the manifest lists itself", listed(MANIFEST), "cannot hold its own hash"),
    Hostile(
        "too many files",
        lie("files", value={f"f{n}": {"sha256": "0" * 64, "bytes": 0} for n in range(101)}),
        "at most 100 files",
    ),
)

HOSTILE = (*FILES, *MANIFESTS, *OBJECTS, *GRAPHS, *TOKENIZERS)
