"""A full disk and exhausted memory end in one sentence, whatever a library made of them; the run goes on later."""

import errno
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from distill.export.runtime.errors import BundleError, InputError, ResourceError
from distill.runs.shortage import Shortage, refusal_of, shortage_of, stage_shortage
from tests.support.command import ROOT, command_of, run_cli


class SafetensorError(Exception):
    """As the one of safetensors, which carries no number."""


class OutOfMemoryError(RuntimeError):
    """As torch.cuda's."""


DISK = [
    OSError(errno.ENOSPC, "No space left on device"),
    OSError(errno.EDQUOT, "Disk quota exceeded"),
    OSError(errno.EFBIG, "File too large"),
    # as seen on a full disk
    SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)"),
    Exception("No space left on device (os error 28)"),
    RuntimeError("[enforce fail at inline_container.cc:672] . unexpected pos 576 vs 534"),
    RuntimeError("PytorchStreamWriter failed writing file data/0: file write failed"),
]
MEMORY = [
    MemoryError(),
    OSError(errno.ENOMEM, "Cannot allocate memory"),
    OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"),
    RuntimeError("[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory"),
    RuntimeError("[ONNXRuntimeError] : 6 : RUNTIME_EXCEPTION : std::bad_alloc"),
    RuntimeError("Failed to allocate memory for requested buffer of size 1024"),
]


@pytest.mark.parametrize("error", DISK, ids=str)
def test_a_full_disk_is_recognised_behind_other_errors_too(error: Exception) -> None:
    assert shortage_of(error) is Shortage.DISK
    with pytest.raises(InputError) as caught:
        try:
            raise error
        except Exception as behind:
            raise InputError("file.parquet: The file cannot be read as parquet") from behind
    assert shortage_of(caught.value) is Shortage.DISK
    said = str(stage_shortage(error, "student", Path("runs/mine")))
    assert said.startswith("The disk is full (stage student, folder runs/mine). Free some space")
    assert str(refusal_of(caught.value)).startswith("The disk is full. ")


@pytest.mark.parametrize("error", MEMORY, ids=str)
def test_exhausted_memory_is_recognised(error: Exception) -> None:
    assert shortage_of(error) is Shortage.MEMORY
    said = str(stage_shortage(error, "student", Path("r")))
    assert "training.rows_per_pass below student.batch_size, or lower corpus.max_tokens" in said
    assert "max_tokens" not in str(stage_shortage(error, "corpus", Path("r")))  # it would change nothing there
    assert str(refusal_of(error)).startswith("The machine is out of memory. ")


def test_other_errors_stay_what_they_are() -> None:
    own = BundleError("bundle 'out of memory': is not one")
    assert refusal_of(own) is own
    for error in (ValueError("x"), OSError(errno.ENOENT, "gone"), RuntimeError("PytorchStreamReader failed")):
        assert shortage_of(error) is None
        assert refusal_of(error) is None
        assert stage_shortage(error, "student", Path("r")) is None
    named = OSError(errno.ENOENT, "No such file or directory", "out of memory/bad_alloc.csv")
    assert shortage_of(named) is None
    said = ResourceError("the disk is full (stage student)")
    assert refusal_of(said) is said


def test_what_our_own_error_cut_off_is_not_looked_at() -> None:
    with pytest.raises(InputError) as caught:
        try:
            raise ValueError("a text about an old computer: out of memory")
        except ValueError:
            raise InputError("rows.csv, row 1: is broken") from None
    assert shortage_of(caught.value) is None
    assert refusal_of(caught.value) is caught.value


ALLOCATE = """
import resource
import numpy, torch
from distill.runs.shortage import shortage_of
resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))
for allocate in (lambda: numpy.ones(1 << 33), lambda: torch.ones(1 << 33), lambda: bytearray(1 << 36)):
    try:
        allocate()
    except Exception as error:
        print(shortage_of(error).name)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="needs a limit on the address space")
def test_memory_that_really_runs_out_is_recognised() -> None:
    done = subprocess.run([sys.executable, "-c", ALLOCATE], capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.stdout.split() == ["MEMORY"] * 3, done.stderr


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 1 MB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)]
    try:
        allowed = subprocess.run(mount, capture_output=True, check=False).returncode == 0
    except OSError:
        allowed = False
    if not allowed:
        pytest.skip("this user may not mount a small disk")
    yield disk
    subprocess.run(["umount", "--lazy", str(disk)], check=True)  # this process may still have files of it open


def test_a_run_on_a_full_disk_says_so_and_goes_on_when_there_is_space(
    small_disk: Path, runs: Path, small_teacher: str
) -> None:
    command = ["export", "smoke", "--runs", str(small_disk), "--set", small_teacher]
    full = run_cli(*command)
    assert full.returncode == 2, full.stderr
    assert full.stderr.splitlines()[-1] == (
        f"error: The disk is full (stage teacher, folder {small_disk}/smoke). Free some space and run the same "
        "command again. It resumes from there."
    )
    assert not (small_disk / "smoke/teacher").exists()
    subprocess.run(["mount", "-o", "remount,size=600m", str(small_disk)], check=True)
    done = run_cli(*command)
    assert done.returncode == 0, done.stderr
    assert "corpus: already done" in done.stderr
    for file in ("onnx/model_quantized.onnx", "manifest.json"):
        assert (small_disk / "smoke/bundle" / file).read_bytes() == (runs / "bundle" / file).read_bytes()


def test_answers_that_find_no_space_are_no_traceback(runs: Path) -> None:
    if not os.path.exists("/dev/full"):
        pytest.skip("needs /dev/full")
    with open("/dev/full", "w") as full:
        command = command_of("predict", str(runs / "bundle"), "hello")
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, cwd=ROOT, check=False)
    assert done.returncode == 2
    assert done.stderr == "error: The disk is full. Free some space and run the same command again.\n"
