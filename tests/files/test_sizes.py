"""The size of folders."""

from pathlib import Path

from distill.files.sizes import folder_bytes


def test_files_in_folders_below_count_too(tmp_path: Path) -> None:
    (tmp_path / "onnx").mkdir()
    (tmp_path / "onnx/model.onnx").write_bytes(b"12345")
    (tmp_path / "manifest.json").write_bytes(b"{}")
    assert folder_bytes(tmp_path) == 7
