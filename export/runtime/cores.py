"""Number of threads that this process may use, which in a container can be fewer than the machine has."""

import math
import os
from collections.abc import Iterator
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")

PROCESS_CGROUPS = Path("/proc/self/cgroup")


def available_threads() -> int:
    """Return the cores of this process's CPU affinity or its container's quota, whichever is less; at least 1."""
    # macOS and Windows have no affinity
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, math.floor(min(float(cores), cpu_quota(CGROUPS, PROCESS_CGROUPS))))


def cpu_quota(root: Path, process: Path) -> float:
    """Return the tightest CPU quota, in cores, of this process's cgroups and their parents; infinite without any.

    Args:
        root: mount point of the cgroups: of version 2, or of version 1 with a folder per controller and possibly
            version 2 in `unified`.
        process: file that lists this process's cgroups, one per line: number, controllers, path.
    """
    quotas = []
    for line in _read(process).splitlines():
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if not controllers:
            for mount in (root, root / "unified"):
                quotas += [_read(folder / "cpu.max").split() for folder in _upwards(mount, path)]
        elif "cpu" in controllers.split(","):
            for mount in (root / controllers, root / "cpu"):
                quotas += [
                    [_read(folder / f"cpu.cfs_{name}_us").strip() for name in ("quota", "period")]
                    for folder in _upwards(mount, path)
                ]
    # without a quota the value is "max" in version 2 and -1 in version 1
    numbers = [pair for pair in quotas if len(pair) == 2 and all(value.isdigit() for value in pair)]
    return min((int(quota) / int(period) for quota, period in numbers if int(period)), default=math.inf)


def _upwards(mount: Path, path: str) -> Iterator[Path]:
    """Yield a cgroup's folder and all above it; in a container the path may be the host's and not exist."""
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
