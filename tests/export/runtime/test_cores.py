"""Threads are as many as the container's quota allows, whichever version of cgroups says it and where."""

import math
from pathlib import Path

import pytest

from distill.export.runtime import cores
from distill.export.runtime.cores import available_threads, cpu_quota


def quota(root: Path, own: str) -> float:
    (root / "own").write_text(own)
    return cpu_quota(root / "mount", root / "own")


def write(folder: Path, **files: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name.replace("__", ".")).write_text(content)


def test_version_2(tmp_path: Path) -> None:
    own = "0::/system.slice/app.service\n"
    assert quota(tmp_path, own) == math.inf
    mount = tmp_path / "mount"
    write(mount / "system.slice/app.service", cpu__max="max 100000\n")
    assert quota(tmp_path, own) == math.inf
    write(mount / "system.slice", cpu__max="300000 100000\n")
    assert quota(tmp_path, own) == 3.0
    write(mount / "system.slice/app.service", cpu__max="50000 100000\n")
    assert quota(tmp_path, own) == 0.5
    assert quota(tmp_path, "0::/elsewhere\n") == math.inf
    # in a container that has not its own view of the cgroups, the path is the host's and the mount its own
    write(mount, cpu__max="200000 100000\n")
    assert quota(tmp_path, "0::/docker/0123\n") == 2.0


@pytest.mark.parametrize("controllers", ["cpu", "cpu,cpuacct", "cpuacct,cpu"])
@pytest.mark.parametrize("place", ["", "docker/0123"])
def test_version_1(tmp_path: Path, controllers: str, place: str) -> None:
    own = f"9:memory:/docker/0123\n3:{controllers}:/docker/0123\n0::/\n"
    folder = tmp_path / "mount" / controllers / place
    write(folder, cpu__cfs_quota_us="-1\n", cpu__cfs_period_us="100000\n")
    assert quota(tmp_path, own) == math.inf
    write(folder, cpu__cfs_quota_us="150000\n")
    assert quota(tmp_path, own) == 1.5
    write(tmp_path / "mount" / "unified", cpu__max="100000 100000\n")
    assert quota(tmp_path, own) == 1.0


def test_there_is_always_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cores, "cpu_quota", lambda root, own: 0.5)
    assert available_threads() == 1
    monkeypatch.setattr(cores, "cpu_quota", lambda root, own: math.inf)
    assert available_threads() >= 1
