"""Bundles on the hub: one commit of one repository, checked as any bundle is; a folder's path opens no socket."""

import shutil
import socket
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import distill
from distill.export.runtime.manifest.manifest import MANIFEST_FILE
from distill.hub import download
from distill.hub.address import Address
from distill.hub.push import push_bundle
from tests.support.command import ROOT, run_cli

BUNDLE = ROOT / "tests/golden/static-int8-static"
COMMIT = "0123456789abcdef0123456789abcdef01234567"
ADDRESS = f"hub:org/mood@{COMMIT}"


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The files that were asked of a hub that has one bundle."""
    names: list[str] = []

    def fetch(address: Address, name: str, folder: Path) -> None:
        assert address == Address("org/mood", COMMIT)
        names.append(name)
        (folder / name).parent.mkdir(exist_ok=True)
        shutil.copy(BUNDLE / name, folder / name)

    monkeypatch.setattr(download, "from_hub", fetch)
    monkeypatch.setenv("DISTILL_CACHE", str(tmp_path / "cache"))
    return names


def test_an_address_is_downloaded_once(asked: list[str], tmp_path: Path) -> None:
    first = distill.load(ADDRESS)
    assert first.predict(["thank you"]) == distill.load(BUNDLE).predict(["thank you"])
    assert asked[0] == MANIFEST_FILE
    assert sorted(asked) == sorted([MANIFEST_FILE, *first.manifest.files])
    distill.load(ADDRESS)
    assert len(asked) == 1 + len(first.manifest.files)
    assert [path.name for path in (tmp_path / "cache").iterdir()] == [f"org--mood--{COMMIT}"]


def test_another_manifest_than_the_pinned_one_stops_the_download(asked: list[str], tmp_path: Path) -> None:
    with pytest.raises(distill.BundleError, match="not the pinned one"):
        distill.load(ADDRESS, manifest_sha256="0" * 64)
    assert asked == [MANIFEST_FILE]
    assert list((tmp_path / "cache").iterdir()) == []


def test_an_altered_download_is_refused(asked: list[str], tmp_path: Path) -> None:
    distill.load(ADDRESS)
    model = next((tmp_path / "cache").glob("*/onnx/*.onnx"))
    model.write_bytes(model.read_bytes()[:-1] + b"x")
    with pytest.raises(distill.BundleError, match="sha256"):
        distill.load(ADDRESS)


@pytest.mark.parametrize(
    ("address", "says"),
    [
        ("hub:org/mood", "must name a commit"),
        ("hub:org/mood@main", "must name a commit"),
        (f"hub:mood@{COMMIT}", "must be ORG/NAME"),
        (f"hub:../mood@{COMMIT}", "must be ORG/NAME"),
        (f"hub:a/b/c@{COMMIT}", "must be ORG/NAME"),
        (f"hub:a/b--c@{COMMIT}", "must be ORG/NAME"),
    ],
)
def test_what_is_no_address_is_refused(address: str, says: str, asked: list[str]) -> None:
    with pytest.raises(distill.InputError, match=says):
        distill.load(address)
    assert asked == []


def test_a_hub_that_cannot_be_reached_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISTILL_CACHE", str(tmp_path))
    monkeypatch.setattr(
        "huggingface_hub.hf_hub_download", lambda *_, **__: socket.create_connection(("0.0.0.0", 1))
    )
    with pytest.raises(distill.InputError, match=r"'manifest.json' cannot be downloaded \(.*Error\)"):
        distill.load(ADDRESS)
    monkeypatch.setattr("distill.files.extras.find_spec", lambda _: None)
    with pytest.raises(distill.MissingExtraError, match=r"\[hub\]"):
        distill.load(ADDRESS)


def test_a_folder_opens_no_socket(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    assert distill.load(str(BUNDLE)).predict(["thank you"])


class FakeHub:
    """A client of the hub that remembers what it was given."""

    def __init__(self) -> None:
        self.made: list[tuple[str, bool]] = []
        self.sent: dict[str, str] = {}

    def create_repo(self, name: str, *, private: bool, exist_ok: bool) -> None:
        assert exist_ok
        self.made.append((name, private))

    def create_commit(self, name: str, operations: list[Any], *, commit_message: str) -> SimpleNamespace:
        assert self.made[-1][0] == name
        assert commit_message.startswith("Bundle ")
        self.sent = {one.path_in_repo: one.path_or_fileobj for one in operations}
        return SimpleNamespace(oid=COMMIT)


def test_what_is_pushed_is_what_the_manifest_lists_and_the_card(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, hub = tmp_path / "bundle", FakeHub()
    shutil.copytree(BUNDLE, folder)
    (folder / "README.md").write_text("card")
    (folder / "rows.csv").write_text("private")
    assert push_bundle(folder, "org/mood", private=True, api=hub).address == Address("org/mood", COMMIT)
    listed = {*distill.load(folder).manifest.files, MANIFEST_FILE, "README.md"}
    assert hub.sent == {name: str(folder / name) for name in listed}
    monkeypatch.setattr("huggingface_hub.HfApi", lambda: hub)
    done = run_cli("push", str(folder), "org/mood")
    assert done.returncode == 0, done.stderr
    assert f'distill.load("{ADDRESS}", manifest_sha256="' in done.stdout
    assert hub.made == [("org/mood", True)] * 2
    assert run_cli("push", str(folder), "org/mood", "--public", "--json").returncode == 0
    assert hub.made[-1] == ("org/mood", False)


def test_a_broken_bundle_is_not_pushed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, hub = tmp_path / "bundle", FakeHub()
    shutil.copytree(BUNDLE, folder)
    tokenizer = folder / "tokenizer.json"
    tokenizer.write_bytes(tokenizer.read_bytes() + b" ")
    monkeypatch.setattr("huggingface_hub.HfApi", lambda: hub)
    done = run_cli("push", str(folder), "org/mood")
    assert done.returncode == 2
    assert not hub.made


def test_a_hub_that_refuses_is_one_sentence(tmp_path: Path) -> None:
    class Closed(FakeHub):
        def create_repo(self, name: str, *, private: bool, exist_ok: bool) -> None:
            raise PermissionError("401 token abc")

    with pytest.raises(distill.InputError, match=r"The hub does not take the bundle \(PermissionError\)"):
        push_bundle(BUNDLE, "org/mood", private=True, api=Closed())
