"""Label with actors of Ray while actors and drivers are killed, and compare the shards with the local engine's.

    python -m tests.campaigns.ray_labels --shards 60 --actor-kills 20 --driver-kills 5

A killed driver is started again. No process of its Ray may outlive it, and all shards must have the bytes that the
local engine writes. On a busy machine an actor needs seconds to start, and `--pause` leaves it some.
"""

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from distill.labelling.on_ray import RaySettings, label_on_ray
from distill.runs.progress import Reporter
from distill.teachers.store import SHARD_ROWS
from tests.support.command import ROOT
from tests.support.labelled_run import files_of, label_locally, open_run, write_run
from tests.support.processes import is_alive

LAST_SECONDS = 60.0  # in which the processes of a Ray end after their driver, on a busy machine

ACTOR = "ray::_Actor"


def descendants(pid: int) -> dict[int, str]:
    """Return the processes below one, with their command lines."""
    parents: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(stat.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
        parents.setdefault(parent, []).append(int(stat.parent.name))
    found, waiting = {}, [pid]
    while waiting:
        for child in parents.get(waiting.pop(), ()):
            waiting.append(child)
            try:
                found[child] = Path(f"/proc/{child}/cmdline").read_bytes().replace(b"\0", b" ").decode()
            except OSError:
                continue
    return found


def drive(folder: Path, rows: int, actors: int) -> "subprocess.Popen[bytes]":
    """Start a process that labels the run."""
    command = [sys.executable, "-m", "tests.campaigns.ray_labels", "--drive", str(folder), str(rows), str(actors)]
    return subprocess.Popen(command, cwd=ROOT)


def written(folder: Path) -> int:
    """Return the number of shards so far."""
    return len(list(folder.glob("part-*.parquet")))


def campaign(folder: Path, given: argparse.Namespace) -> list[str]:
    """Kill and start again until there were enough kills; return what is wrong."""
    rows, chance = given.shards * SHARD_ROWS - 7, random.Random(given.seed)
    work = write_run(folder, rows)
    expected, wrong = label_locally(work, folder / "local"), []
    kills = {"actor": 0, "driver": 0}
    driver = drive(folder, rows, given.actors)
    due = chance.uniform(0, given.pause)
    while driver.poll() is None:
        time.sleep(due)
        below = descendants(driver.pid)
        actors = [pid for pid, line in below.items() if line.startswith(ACTOR)]
        if not actors or driver.poll() is not None:
            due = 0.1
            continue
        due = chance.uniform(0, given.pause)
        if kills["driver"] < given.driver_kills and kills["actor"] >= (kills["driver"] + 1) * 4:
            driver.kill()
            driver.wait()
            kills["driver"] += 1
            end = time.monotonic() + LAST_SECONDS
            while (left := [pid for pid in below if is_alive(pid)]) and time.monotonic() < end:
                time.sleep(0.1)
            wrong += [f"{below[pid][:60]} outlived its driver" for pid in left]
            driver = drive(folder, rows, given.actors)
        elif kills["actor"] < given.actor_kills:
            os.kill(chance.choice(actors), signal.SIGKILL)
            kills["actor"] += 1
        print(f"{kills}, {written(work.folder)} shards", file=sys.stderr, flush=True)
    if driver.returncode != 0:
        wrong.append(f"the last driver ended with status {driver.returncode}")
    found = files_of(work.folder)
    wrong += [f"{name} differs" for name in sorted(expected | found) if expected.get(name) != found.get(name)]
    print(f"{given.shards} shards, {given.actors} actors, kills {kills}, wrong: {len(wrong)}")
    return wrong


def main() -> None:
    """Parse, run, say what is wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--actors", type=int, default=2)
    parser.add_argument("--shards", type=int, default=60)
    parser.add_argument("--actor-kills", type=int, default=20)
    parser.add_argument("--driver-kills", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--pause", type=float, default=2.0, help="most seconds between two kills (2)")
    parser.add_argument("--drive", nargs=3, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.drive:
        folder, rows, actors = Path(given.drive[0]), int(given.drive[1]), int(given.drive[2])
        label_on_ray(open_run(folder), rows, RaySettings(actors, "local"), Reporter(quiet=True))
        return
    with tempfile.TemporaryDirectory() as folder:
        wrong = campaign(Path(folder), given)
    print(*wrong, sep="\n")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
