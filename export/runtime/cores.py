"""How many threads this process may really use, which in a container is not what the machine has."""

import math
import os
from collections.abc import Iterator
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")

OWN_CGROUPS = Path("/proc/self/cgroup")


def available_threads() -> int:
    """The cores of this process's CPU affinity, or of its container's quota where those are fewer; at least 1."""
    # macOS and Windows have no affinity to ask for
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, math.floor(min(float(cores), cpu_quota(CGROUPS, OWN_CGROUPS))))


def cpu_quota(root: Path, own: Path) -> float:
    """The tightest CPU quota, in cores, from this process's cgroups up to the root of each; infinite without one.

    Args:
        root: where the cgroups are mounted: version 2 right there, or version 1 with a folder a controller, and
            perhaps version 2 beside them in `unified`.
        own: the file that says in which cgroups this process is, one a line: number, controllers, path.
    """
    quotas = []
    for line in _read(own).splitlines():
        _, _, named = line.partition(":")
        controllers, _, path = named.partition(":")
        if not controllers:
            for mount in (root, root / "unified"):
                quotas += [_read(folder / "cpu.max").split() for folder in _upwards(mount, path)]
        elif "cpu" in controllers.split(","):
            for mount in (root / controllers, root / "cpu"):
                quotas += [
                    [_read(folder / f"cpu.cfs_{name}_us").strip() for name in ("quota", "period")]
                    for folder in _upwards(mount, path)
                ]
    # without a quota version 2 has "max" there, version 1 has -1
    numbers = [pair for pair in quotas if len(pair) == 2 and all(value.isdigit() for value in pair)]
    return min((int(quota) / int(period) for quota, period in numbers if int(period)), default=math.inf)


def _upwards(mount: Path, path: str) -> Iterator[Path]:
    """A cgroup's folder and all above it; in a container the path may be the host's and lead nowhere."""
    folder = mount / path.lstrip("/")
    yield folder
    while folder != mount and mount in folder.parents:
        folder = folder.parent
        yield folder


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
