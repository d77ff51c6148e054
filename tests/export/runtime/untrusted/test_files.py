"""A file of a bundle is read once, whole, and only where it is a plain file of a bounded size."""

import os
import socket
from pathlib import Path

import pytest

import distill.export.runtime.untrusted.files as files_module
from distill.export.runtime import BundleError, load
from distill.export.runtime.untrusted.files import most_bytes, read_file
from tests.support.tiny_bundle import MODEL_FILE, make_tiny_bundle


def test_a_file_is_read_within_its_bounds(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"four")
    assert read_file(tmp_path, "x", most=4) == b"four"
    assert read_file(tmp_path, "x", most=9, expected=4) == b"four"
    with pytest.raises(BundleError, match=r"x: The file has 4 bytes, but must have at most 3"):
        read_file(tmp_path, "x", most=3)
    with pytest.raises(BundleError, match=r"x: The file has 4 bytes, but the manifest says 5"):
        read_file(tmp_path, "x", most=9, expected=5)
    assert most_bytes("onnx/a") > most_bytes("tokenizer.json") > 2**25


@pytest.mark.timeout(300)
def test_what_is_no_file_never_keeps_a_reader_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "folder").mkdir()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "socket"))
        for name in ("fifo", "folder", "socket"):
            with pytest.raises(BundleError, match=f"{name}: This is not a regular file"):
                read_file(tmp_path, name, most=9)
    with pytest.raises(BundleError, match="null: This is not a regular file"):
        read_file(Path("/dev"), "null", most=9)


@pytest.mark.timeout(300)
def test_a_fifo_that_takes_a_files_place_between_check_and_opening(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.mkfifo(tmp_path / "x")
    (tmp_path / "whole").write_bytes(b"")
    before = os.lstat(tmp_path / "whole")
    monkeypatch.setattr(files_module.os, "lstat", lambda path: before)
    with pytest.raises(BundleError, match="x: This is not a regular file"):
        read_file(tmp_path, "x", most=9)


def test_a_file_that_cannot_be_opened_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "x").write_bytes(b"")

    def refuse(path: str, flags: int) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(files_module, "_open", refuse)  # root may read what it likes
    with pytest.raises(BundleError, match=r"x: The file cannot be read \(Permission denied\)"):
        read_file(tmp_path, "x", most=9)


def test_a_file_that_grows_meanwhile_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "x").write_bytes(b"four")
    whole = os.fstat

    def shorter(descriptor: int) -> os.stat_result:
        return os.stat_result([*whole(descriptor)[:6], 3, *whole(descriptor)[7:10]])

    monkeypatch.setattr(files_module.os, "fstat", shorter)
    with pytest.raises(BundleError, match="changed while it was read"):
        read_file(tmp_path, "x", most=9)


def test_what_was_hashed_is_what_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bundle = make_tiny_bundle(tmp_path)
    expected = load(bundle).logits(["sad"]).tolist()
    read = files_module.read_file

    def read_and_swap(folder: Path, name: str, *, most: int, expected: int | None = None) -> bytes:
        content = read(folder, name, most=most, expected=expected)
        if name != "manifest.json":
            (folder / name).write_bytes(b"swapped since")
        return content

    monkeypatch.setattr("distill.export.runtime.manifest.bundle_files.read_file", read_and_swap)
    assert load(bundle).logits(["sad"]).tolist() == expected
    assert (bundle / MODEL_FILE).read_bytes() == b"swapped since"
