"""Processes of this machine, as /proc and ps tell of them."""

import subprocess
from pathlib import Path


def ranks_of(pid: int) -> list[int]:
    """Return the further processes of the training that a process has started and not seen the end of."""
    command = ["ps", "-ww", "-o", "pid=,args=", "--ppid", str(pid)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return [int(line.split()[0]) for line in done.stdout.splitlines() if "training.ranks" in line]


def is_alive(pid: int) -> bool:
    """Return whether a process runs; one that only waits to be collected does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
