"""Kill or interrupt a run at random moments, again and again, and compare what it ends with.

One run is left alone: its bundle is the reference. Other runs get a signal at a moment drawn evenly from the time
that a whole run takes, and are started again, with another such moment, up to five times; then they may finish.
Each must end with the reference's bundle, byte for byte but for its card.
With `--signal INT` (or TERM) every command must also end within five seconds and say how to resume. With several
processes (`--set training.processes=2`) none may outlive its command, and `--strike process` kills one of them
in place of the command, which must then end and say so.

    python -m tests.campaigns.kill --kills 100
    python -m tests.campaigns.kill --kills 30 --set teacher.epochs=3 --set student.epochs=30
    python -m tests.campaigns.kill --recipe quickstart --kills 5
    python -m tests.campaigns.kill --signal INT --kills 30
    python -m tests.campaigns.kill --conversations --kills 30
    python -m tests.campaigns.kill --set training.processes=2 --kills 20
    python -m tests.campaigns.kill --set training.processes=2 --kills 20 --strike process
"""

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.command import ROOT, command_of
from tests.support.processes import is_alive, ranks_of
from tests.support.talks import SETTINGS as TALK_SETTINGS
from tests.support.talks import write_talks

# then a run may finish, or most signals would strike the stage that takes longest again and again
KILLS_A_RUN = 5
MOST_SECONDS = 5.0  # from Ctrl-C to the end
# in which the processes of a training end after their command; on a busy machine one may still be importing torch
LAST_SECONDS = 60.0
# checkpoints are written this often in the time that a whole run takes
CHECKPOINTS = 40
# files whose writing saves work
SAVED = ("**/stage.json", "**/.unfinished/fingerprint", "**/whole.json", "labels/*/part-*.parquet")


@dataclass
class Found:
    """What the campaign has seen so far."""

    signals: int = 0
    runs: int = 0
    stages: Counter[str] = field(default_factory=Counter)
    resumed: int = 0  # starts that found a whole checkpoint of a training
    redone: list[float] = field(default_factory=list)  # seconds of work that the next start had to repeat
    endings: list[float] = field(default_factory=list)  # seconds from the signal to the end
    wrong: list[str] = field(default_factory=list)
    others: int = 0  # further processes of trainings that were alive when a signal was sent
    outlived: float = 0.0  # longest seconds that one of them lived after its command


@dataclass(frozen=True)
class Strike:
    """What is sent to whom."""

    number: signal.Signals
    process: bool = False  # one of the command's further processes, and not the command

    def send(self, command: "subprocess.Popen[str]") -> list[int]:
        """Send it, and return the further processes that were alive; none if the command ended before."""
        others = ranks_of(command.pid)
        while self.process and not others and command.poll() is None:
            time.sleep(0.01)
            others = ranks_of(command.pid)
        if not self.process:
            os.killpg(command.pid, self.number)
        elif others:
            os.kill(others[0], self.number)
        return others


@dataclass(frozen=True)
class Command:
    """One `distill run` in a folder of its own."""

    recipe: str
    runs: Path
    settings: tuple[str, ...] = ()

    @property
    def folder(self) -> Path:
        """The run's folder."""
        return next((path.parent for path in self.runs.glob("*/recipe.toml")), self.runs / self.recipe)

    def start(self) -> "subprocess.Popen[str]":
        """As a process group of its own, so that a signal strikes its children too, as a terminal's does."""
        arguments = ["run", self.recipe, "--runs", str(self.runs)]
        for setting in self.settings:
            arguments += ["--set", setting]
        return subprocess.Popen(
            command_of(*arguments),
            cwd=ROOT,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            stdout=subprocess.DEVNULL,
            stderr=(self.runs / "stderr.txt").open("w"),
            text=True,
            start_new_session=True,
        )

    @property
    def said(self) -> str:
        """What the last start printed on stderr."""
        return (self.runs / "stderr.txt").read_text(encoding="utf-8")


def main() -> None:
    """Parse, run, print one table."""
    parser = argparse.ArgumentParser(prog="python -m tests.campaigns.kill", description=__doc__.split("\n")[0])
    parser.add_argument("--recipe", default="smoke", help="a packaged recipe or a TOML file (smoke)")
    parser.add_argument("--kills", type=int, default=100, help="signals to send (100)")
    parser.add_argument("--strike", choices=("command", "process"), default="command", help="whom (command)")
    parser.add_argument("--signal", choices=("KILL", "INT", "TERM"), default="KILL", help="which one (KILL)")
    parser.add_argument("--seed", type=int, default=0, help="of the moments (0)")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="override a recipe key")
    parser.add_argument("--conversations", action="store_true", help="the recipe reads turns of conversations")
    parser.add_argument("--keep", type=Path, help="a new folder for what is made; a temporary one otherwise")
    options = parser.parse_args()
    work = options.keep or Path(tempfile.mkdtemp(prefix="distill-kill-"))
    number = signal.Signals[f"SIG{options.signal}"]
    settings = tuple(options.set)
    if options.conversations:
        work.mkdir(parents=True, exist_ok=True)
        settings = (f"corpus.source={write_talks(work / 'talks.jsonl')}", *TALK_SETTINGS, *settings)
    reference = Command(options.recipe, work / "reference", settings)
    strike = Strike(number, options.strike == "process")
    found = campaign(reference, options.kills, strike, random.Random(options.seed))
    if options.keep is None:
        shutil.rmtree(work)
    report(options.recipe, number, found)
    sys.exit(1 if found.wrong else 0)


def campaign(reference: Command, kills: int, strike: Strike, chance: random.Random) -> Found:
    """Make the reference, then send signals to further runs until there were enough; the last one may finish."""
    needed = seconds_of_whole_run(reference)
    say(f"reference: {needed:.0f} s")
    found = Found()
    minutes = f"checkpoint_minutes={needed / CHECKPOINTS / 60:.5f}"
    while found.signals < kills and not found.wrong:
        runs = reference.runs.with_name(f"run-{found.runs}")
        command = Command(reference.recipe, runs, (*reference.settings, minutes))
        command.runs.mkdir(parents=True)
        before, finished = found.signals, False
        while not finished:
            more = found.signals < min(kills, before + KILLS_A_RUN)
            finished = one_start(command, chance.uniform(0, needed) if more else None, strike, found)
        found.runs += 1
        found.wrong += compared(reference.folder, command.folder)
        shutil.rmtree(command.runs)
    return found


def seconds_of_whole_run(command: Command) -> float:
    """Run it from start to end."""
    command.runs.mkdir(parents=True)
    start = time.monotonic()
    if command.start().wait() != 0:
        sys.exit(f"the reference run failed: {command.said}")
    return time.monotonic() - start


def one_start(command: Command, moment: float | None, strike: Strike, found: Found) -> bool:
    """Start the run once more, and send it a signal after so many seconds; whether it finished."""
    found.resumed += any(command.folder.glob("*.partial/.unfinished/checkpoint-*/whole.json"))
    began = time.time()
    process = command.start()
    try:
        code = process.wait(timeout=moment)
    except subprocess.TimeoutExpired:
        code = None
    except BaseException:  # the campaign itself is interrupted
        os.killpg(process.pid, signal.SIGKILL)
        raise
    if code is None:
        at = time.time()
        others = strike.send(process)
        code = process.wait()
        found.signals += 1
        found.others += len(others)
        found.endings.append(time.time() - at)
        found.wrong += [f"process {pid} outlived its command" for pid in outliving(others)]
        found.outlived = max(found.outlived, time.time() - at - found.endings[-1])
        stage = stage_under_way(command.folder, began)
        found.stages[stage] += 1
        saved = [path.stat().st_mtime for pattern in SAVED for path in command.folder.glob(pattern)]
        found.redone.append(max(0.0, at - max([began, *saved])))
        found.wrong += complaints(strike, code, command.said, found.endings[-1])
        sent = f"{found.signals}: {strike.number.name} in {stage}"
        say(f"{sent}, ended after {found.endings[-1]:.1f} s, status {code}")
    elif code != 0:
        found.wrong.append(f"a run ended with status {code}: {command.said[-300:]}")
    return code == 0 or bool(found.wrong)


def stage_under_way(folder: Path, began: float) -> str:
    """Which stage a command that began then was in: the one whose partial folder it has marked."""
    marks = [path for path in folder.glob("**/.unfinished/fingerprint") if path.stat().st_mtime >= began]
    names = [mark.parents[1].relative_to(folder).as_posix().removesuffix(".partial") for mark in marks]
    return names[-1] if names else "start or between"


def outliving(pids: list[int]) -> list[int]:
    """Return those that are still alive after the seconds that they may take to end."""
    end = time.monotonic() + LAST_SECONDS
    while (alive := [pid for pid in pids if is_alive(pid)]) and time.monotonic() < end:
        time.sleep(0.05)
    return alive


def complaints(strike: Strike, code: int, said: str, seconds: float) -> list[str]:
    """What is wrong with how a command answered a signal that it may answer."""
    number = strike.number
    if strike.process and code != 0:
        told = code == 2 and "of the training was ended by SIG" in said
        return [] if told else [f"status {code}: {said[-300:]}"]
    if number == signal.SIGKILL or code == 0:
        return []
    found = []
    if code == 128 + number and "To resume, run: distill run" not in said:
        found.append(f"it did not say how to resume: {said[-300:]}")
    # while Python itself starts, nobody listens yet
    if code not in (128 + number, -number):
        found.append(f"status {code}: {said[-300:]}")
    if seconds > MOST_SECONDS:
        found.append(f"it ended after {seconds:.1f} s")
    return found


def compared(reference: Path, folder: Path) -> list[str]:
    """Files of two bundles that differ or are missing, and leftovers in the run."""
    trees = []
    for bundle in (reference / "bundle", folder / "bundle"):
        # the card has what the run measured
        files = [path for path in bundle.rglob("*") if path.is_file() and path.name != "README.md"]
        trees.append({path.relative_to(bundle).as_posix(): path.read_bytes() for path in files})
    names = sorted(trees[0].keys() | trees[1].keys())
    found = [f"{name} differs" for name in names if trees[0].get(name) != trees[1].get(name)]
    kinds = ("partial", "discarded", "earlier", "unfinished")
    left = [path for kind in kinds for path in folder.rglob(f"*.{kind}")]
    return found + [f"{path.relative_to(folder)} was left behind" for path in left]


def report(recipe: str, number: signal.Signals, found: Found) -> None:
    """The table."""
    endings = [seconds for seconds in found.endings if number != signal.SIGKILL]
    rows = {
        "recipe": recipe,
        f"{number.name} sent": found.signals,
        "runs finished": found.runs,
        "starts from a training's checkpoint": found.resumed,
        "further processes at that moment": found.others,
        "in stages": ", ".join(f"{name} {count}" for name, count in found.stages.most_common()),
        "longest life of one after its command": f"{found.outlived:.1f} s" if found.others else "-",
        "longest work redone": f"{max(found.redone, default=0):.1f} s",
        "longest time to end": f"{max(endings):.1f} s" if endings else "-",
        "mismatches and complaints": len(found.wrong),
    }
    for name, value in rows.items():
        print(f"{name:38} {value}")
    for complaint in found.wrong:
        print(f"wrong: {complaint}")


def say(line: str) -> None:
    """A sign of life on stderr."""
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
