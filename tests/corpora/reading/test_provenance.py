"""What a run records of its corpus: names, hashes and revisions; no path, no row."""

import hashlib
from pathlib import Path

import pytest
from datasets import load_dataset_builder

from distill.corpora.reading.places import provenance
from distill.corpora.reading.places.provenance import hub_record, local_record

COMMIT = "0123456789abcdef0123456789abcdef01234567"
URLS = {
    "train": [f"hf://datasets/org/name@{COMMIT}/data/train.parquet"],
    "test": [f"hf://datasets/org/name@{COMMIT}/data/test.parquet"],
}


def test_local_files_are_known_by_name_and_hash(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    files = [tmp_path / "mine" / name for name in ("train.csv", "test.csv")]
    for file in files:
        file.write_text(f"text,labels\n{file.name},0\n")
    record = local_record(str(tmp_path / "mine"), files)
    assert record["name"] == "mine"
    assert record["files"]["test.csv"]["sha256"] == hashlib.sha256(files[1].read_bytes()).hexdigest()
    assert record["files"]["test.csv"]["bytes"] == files[1].stat().st_size
    assert str(tmp_path) not in str(record)
    assert local_record("sample", [])["name"] == "sample"


def test_hub_files_are_known_by_commit_and_hash(tmp_path: Path) -> None:
    (tmp_path / "blob").write_bytes(b"rows")
    asked = []

    def find(identifier: str, name: str, revision: str) -> Path | None:
        asked.append((identifier, name, revision))
        return tmp_path / "blob" if "train" in name else None

    record = hub_record("hub:org/name:simplified@main", URLS, find=find)
    assert (record["name"], record["config"], record["revision"], record["commit"]) == (
        "org/name", "simplified", "main", COMMIT,
    )  # fmt: skip
    assert record["files"] == {
        "data/train.parquet": {"sha256": hashlib.sha256(b"rows").hexdigest(), "bytes": 4},
        "data/test.parquet": None,  # no longer in the cache
    }
    assert ("org/name", "data/train.parquet", COMMIT) in asked


def test_a_data_set_out_of_the_cache_alone_is_known_by_its_commit() -> None:
    assert hub_record("hub:org/name", {}, COMMIT)["commit"] == COMMIT
    assert hub_record("hub:org/name", {}, "a59")["commit"] is None


def test_files_are_looked_for_where_the_hub_client_keeps_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    snapshot = tmp_path / "datasets--org--name/snapshots" / COMMIT / "data"
    snapshot.mkdir(parents=True)
    (snapshot / "train.parquet").write_bytes(b"rows")
    monkeypatch.setattr("huggingface_hub.file_download.HF_HUB_CACHE", str(tmp_path), raising=False)
    found = provenance.find_in_cache("org/name", "data/train.parquet", COMMIT)
    assert found is not None
    assert found.read_bytes() == b"rows"
    assert provenance.find_in_cache("org/name", "data/other.parquet", COMMIT) is None


def test_the_datasets_package_still_tells_which_files_a_split_has(tmp_path: Path) -> None:
    """`builder.config.data_files` is what `hub_record` is fed with."""
    (tmp_path / "ds").mkdir()
    (tmp_path / "ds/train.csv").write_text("text,label\na,0\n")
    builder = load_dataset_builder(str(tmp_path / "ds"), cache_dir=str(tmp_path / "cache"))
    assert [str(path) for path in builder.config.data_files["train"]] == [str(tmp_path / "ds/train.csv")]
    assert isinstance(builder.hash, str)
