"""A command as a process of its own: signals, pipes that close, and the status that a shell sees."""

import json
import shlex
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.command import ROOT, command_of, run_cli, run_process

pytestmark = pytest.mark.slow

# A signal comes from inside, when a file of a stage appears: whatever the speed. Each command is a process
# of its own, forked from one that has imported what all need.
SIGNALLED = """
import json, os, sys
sys.path.insert(0, {root!r})
from distill.cli.app import main
import distill.training.session

def watch(event, arguments):
    if event == "open" and not sent and signalled and signalled["path"] in str(arguments[0]):
        sent.append(True)
        os.kill(os.getpid(), signalled["number"])

sent, signalled = [], {{}}
sys.addaudithook(watch)
for wanted in json.loads(sys.argv[1]):
    child = os.fork()
    if not child:
        os.dup2(os.open(wanted["said"], os.O_CREAT | os.O_WRONLY), 2)
        signalled.update(wanted)
        sys.exit(main(sys.argv[2:]))
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


def interrupted(arguments: list[str], signals: list[tuple[int, Path]], place: Path) -> list[tuple[int, str]]:
    """Run a command once per signal, which it gets as soon as it opens something whose path begins so.

    Returns:
        Each command's exit status, and what it wrote to stderr.
    """
    wanted = [
        {"number": int(number), "path": str(path), "said": str(place / f"{number}.txt")}
        for number, path in signals
    ]
    command = [sys.executable, "-c", SIGNALLED.format(root=str(ROOT)), json.dumps(wanted), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=True)
    return [
        (int(status), Path(each["said"]).read_text())
        for status, each in zip(done.stdout.split(), wanted, strict=True)
    ]


def test_an_interrupted_run_says_how_to_go_on_and_does(runs: Path, tmp_path: Path) -> None:
    folder = tmp_path / "with space"
    command = ["export", str(runs / "recipe.toml"), "--runs", str(folder)]
    stages = {"teacher": (signal.SIGTERM, 143), "student": (signal.SIGINT, 130)}
    signals = [(number, folder / f"smoke/{stage}.partial/metrics.jsonl") for stage, (number, _) in stages.items()]
    ends = interrupted(command, signals, tmp_path)
    for (stage, (_, expected)), (status, said) in zip(stages.items(), ends, strict=True):
        assert status == expected, said
        line = said.splitlines()[-1]
        assert line == f"Interrupted during stage {stage}. To resume, run: {shlex.join(['distill', *command])}"
        assert "Traceback" not in said
    assert (folder / "smoke/teacher").exists()
    assert (folder / "smoke/student.partial").exists()
    assert not (folder / "smoke/student").exists()
    again = run_cli(*command)
    assert again.returncode == 0, again.stderr
    assert "teacher: already done" in again.stderr
    for file in ("onnx/model_quantized.onnx", "manifest.json"):
        assert (folder / "smoke/bundle" / file).read_bytes() == (runs / "bundle" / file).read_bytes()


def test_a_reader_that_wants_no_more_ends_a_command_quietly(runs: Path) -> None:
    command = command_of("predict", str(runs / "bundle"))
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdin.write("i feel lonely\n")
        process.stdin.flush()
        assert process.stdout.readline().strip()
        process.stdout.close()
        process.stdin.write("i feel lonely\n" * 10)
        process.stdin.close()
        said = process.stderr.read()
        assert process.wait() == 141
    assert said == ""


def test_a_run_goes_on_when_nobody_reads_its_progress_any_more(runs: Path, tmp_path: Path) -> None:
    shutil.copytree(runs, tmp_path / "smoke")
    shutil.rmtree(tmp_path / "smoke/report")
    command = command_of("run", str(runs / "recipe.toml"), "--runs", str(tmp_path))
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        assert process.stderr is not None
        process.stderr.close()
        assert process.wait() == 0
    assert (tmp_path / "smoke/report/stage.json").is_file()


FINISHED = """
import sys
from distill.cli.app import main
try:
    main(sys.argv[1:])
finally:
    print("torch" in sys.modules)
"""


def test_a_finished_run_is_recognised_without_torch(runs: Path, tmp_path: Path) -> None:
    shutil.copytree(runs, tmp_path / "smoke")
    command = ["run", str(runs / "recipe.toml"), "--runs", str(tmp_path)]
    done = subprocess.run(
        [sys.executable, "-c", FINISHED, *command], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "report: already done" in done.stderr
    assert done.stdout.splitlines()[-1] == "False"


@pytest.mark.parametrize(
    ("arguments", "status", "lines"),
    [
        (["--version"], 0, 0),
        (["predict", "/nowhere", "hello"], 2, 1),
        (["predict", "--help"], 0, 0),
    ],
)
def test_a_shell_sees_what_a_call_returns(arguments: list[str], status: int, lines: int) -> None:
    done, called = run_process(*arguments), run_cli(*arguments)
    assert (done.returncode, len(done.stderr.splitlines())) == (status, lines)
    assert (done.returncode, done.stdout, done.stderr) == (called.returncode, called.stdout, called.stderr)
