"""The CPU without AVX-512 and VNNI: what it hides, and that int8 bundles decide the same on its kernels."""

import os
import platform
import re
import shutil
import subprocess
import sys
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest

from distill.export.measure.cpu import cpu_info
from distill.export.runtime.errors import InputError
from distill.runs.progress import Reporter
from tests.benchmarks import older_cpu
from tests.benchmarks.older_cpu import (
    BREAKPOINT,
    CPUID,
    SOURCE,
    compile_answers,
    cpuid_addresses,
    installed_onnxruntime,
    older_environment,
    with_breakpoints,
    without_flags,
)
from tests.support.command import ROOT

TOOLS = ("gcc", "objdump")
possible = pytest.mark.skipif(
    sys.platform != "linux" or platform.machine() != "x86_64" or any(shutil.which(tool) is None for tool in TOOLS),
    reason="needs Linux on x86-64, gcc and objdump",
)
ASKS = """
#include <cpuid.h>
#include <stdio.h>
int main(void) {
    unsigned a, b, c, d;
    __cpuid_count(7, 0, a, b, c, d);
    printf("%u %u %u %u ", b >> 5 & 1, b >> 16 & 1, c >> 11 & 1, d >> 24 & 1);
    __cpuid_count(7, 1, a, b, c, d);
    printf("%u %u", a >> 4 & 1, a >> 5 & 1);
}
"""


@possible
def test_a_patched_program_sees_avx2_and_nothing_above(tmp_path: Path) -> None:
    program, source, library = tmp_path / "asks", tmp_path / "asks.c", tmp_path / "answers.so"
    source.write_text(ASKS)
    subprocess.run(["gcc", "-O1", "-o", str(program), str(source)], check=True)
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", str(library), str(SOURCE), "-ldl"], check=True)

    def bits() -> list[int]:
        told = {"LD_PRELOAD": str(library)}
        answer = subprocess.run([str(program)], capture_output=True, text=True, check=True, env=told)
        return [int(bit) for bit in answer.stdout.split()]

    as_it_is = bits()
    addresses, original = cpuid_addresses(program), program.read_bytes()
    assert len(addresses) == 2
    patched = with_breakpoints(original, addresses)
    assert len(patched) == len(original)
    assert sum(one != other for one, other in zip(patched, original, strict=True)) == 4
    assert patched.count(BREAKPOINT) == original.count(BREAKPOINT) + 2
    program.write_bytes(patched)
    assert bits() == [as_it_is[0], 0, 0, 0, 0, 0]
    with pytest.raises(InputError, match="no CPUID instruction stands at"):
        with_breakpoints(patched, addresses)
    with pytest.raises(InputError, match="no CPUID instruction was found"):
        with_breakpoints(original, [])
    with pytest.raises(InputError, match="no part of its library is loaded"):
        with_breakpoints(original, [1 << 40])
    assert CPUID != BREAKPOINT


@possible
def test_every_golden_bundle_answers_the_same_on_an_older_cpu(tmp_path: Path) -> None:
    """Sums of two products saturate there: a form with all 8 bits in its weights would answer otherwise."""
    environment = older_environment(tmp_path, Reporter(quiet=True))
    command = "from distill.export.measure.cpu import cpu_info; print(*cpu_info()['flags'])"
    seen = subprocess.run(
        [sys.executable, "-c", command], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    assert seen.stdout.split() == [flag for flag in cpu_info()["flags"] if flag == "avx2"]
    golden = subprocess.run(
        [sys.executable, "-m", "tests.golden.check"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert golden.returncode == 0, golden.stdout + golden.stderr
    assert re.search(r"\b(\d+) of \1 answer as when they were made", golden.stdout)


@possible
def test_each_onnxruntime_has_its_copy_and_each_machine_its_cpuinfo(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Path] = []

    def copy(package: Path, target: Path, reporter: Reporter) -> None:
        target.mkdir(parents=True)
        made.append(target)

    monkeypatch.setattr(older_cpu, "copy_with_breakpoints", copy)
    monkeypatch.setattr(older_cpu, "_SATURATES", "print(True)")
    for version in ("1.20.0", "1.20.0", "1.32.1"):
        monkeypatch.setattr(older_cpu, "installed_onnxruntime", lambda version=version: (tmp_path, version))
        for name in ("cpuinfo", "older_cpu.so"):
            (tmp_path / name).write_text("of another machine")
        told = older_environment(tmp_path, Reporter(quiet=True))
        assert told["PYTHONPATH"].split(os.pathsep)[0] == str(tmp_path / f"onnxruntime-{version}")
        assert (tmp_path / "cpuinfo").read_text().startswith("processor")
        assert (tmp_path / "older_cpu.so").read_bytes().startswith(b"\x7fELF")
    assert made == [tmp_path / f"onnxruntime-{one}.partial/onnxruntime" for one in ("1.20.0", "1.32.1")]
    monkeypatch.setattr(older_cpu, "_SATURATES", "print(False)")
    with pytest.raises(InputError, match=r"onnxruntime-1\.32\.1: onnxruntime still multiplies with VNNI there"):
        older_environment(tmp_path, Reporter(quiet=True))
    monkeypatch.setattr(older_cpu, "_SATURATES", "raise ImportError('other Python')")
    with pytest.raises(InputError, match=r"the copy does not work \(status 1\): ImportError: other Python$"):
        older_environment(tmp_path, Reporter(quiet=True))


@possible
def test_a_tool_that_fails_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = tmp_path / "broken.c"
    broken.write_text("no C at all\n")
    monkeypatch.setattr(older_cpu, "SOURCE", broken)
    with pytest.raises(InputError, match=r"^gcc: cannot compile broken\.c \(status 1\): .*error: [^\n]*$"):
        compile_answers(tmp_path / "x.so")
    with pytest.raises(InputError, match=r"^objdump: cannot disassemble broken\.c \(status 1\): [^\n]+$"):
        cpuid_addresses(broken)


def test_without_onnxruntime_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(older_cpu, "distribution", missing)
    with pytest.raises(InputError, match="onnxruntime: is not installed"):
        installed_onnxruntime()


def test_flags_of_newer_instruction_sets_are_left_out() -> None:
    cpuinfo = (
        "model name\t: A CPU\nflags\t\t: fpu avx2 avx512f avx512_vnni avx_vnni amx_tile bmi2\nbugs\t\t: avx512f\n"
    )
    assert without_flags(cpuinfo) == "model name\t: A CPU\nflags\t\t: fpu avx2 bmi2\nbugs\t\t: avx512f\n"


@pytest.mark.parametrize("arguments", [(), ("no-such-program-at-all",)])
def test_without_a_command_it_says_so(tmp_path: Path, arguments: tuple[str, ...], monkeypatch, capsys) -> None:
    monkeypatch.setattr(older_cpu, "older_environment", lambda *_: {"PATH": str(tmp_path)})
    monkeypatch.setattr(sys, "argv", ["older_cpu", *arguments])
    with pytest.raises(SystemExit) as ended:
        older_cpu.main()
    assert ended.value.code == 2
    assert (arguments or ("give the command",))[0] in capsys.readouterr().err
