"""Run a command as if this CPU had AVX2 and nothing above it: no AVX-512, VNNI, BF16 or AMX.

    python -m tests.benchmarks.older_cpu python -m tests.benchmarks.peers runs/goemotions --json older.json

What int8 gains, and whether it saturates, depends on which of its kernels onnxruntime chooses, and it asks the
CPU itself. So a copy of it is made in which every CPUID instruction is a breakpoint, and a small library answers
there (older_cpu.c). That the copy multiplies as such a CPU does is checked first: sums of two products saturate at
16 bits. PyTorch is told by the variables that it, oneDNN and MKL have for that. All else stays this machine's, its
clock, caches and memory: ratios are those of its AVX2 kernels, absolute times are no older CPU's.

Needs Linux on x86-64, gcc and objdump (binutils).
"""

import argparse
import os
import shutil
import struct
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from distill.export.runtime.errors import DistillError, InputError
from distill.files.atomic import partial_of, put_in_place, remove, write_text, write_whole
from distill.runs.progress import Reporter

SOURCE = Path(__file__).with_name("older_cpu.c")
CPUID, BREAKPOINT = b"\x0f\xa2", b"\xcc\x90"
# what PyTorch and the libraries in it may use
TORCH = {"ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2", "MKL_ENABLE_INSTRUCTIONS": "AVX2"}
HIDDEN_FLAGS = ("avx512", "avx_vnni", "amx")
# 255 * 127 twice is beyond 16 bits; with VNNI the sum is exact
_SATURATES = """
import numpy as np, onnxruntime as ort
from onnx import TensorProto, helper
numbers = [helper.make_tensor_value_info(name, kind, None) for name, kind in
           (("a", TensorProto.UINT8), ("b", TensorProto.INT8), ("y", TensorProto.INT32))]
node = helper.make_node("MatMulInteger", ["a", "b"], ["y"])
graph = helper.make_graph([node], "g", numbers[:2], numbers[2:])
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
found = session.run(None, {"a": np.full((4, 64), 255, np.uint8), "b": np.full((64, 32), 127, np.int8)})[0]
print(int(found[0, 0]) < 64 * 255 * 127)
"""


def main() -> None:
    """Make the copy where there is none of this onnxruntime, check it, and become the command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=Path("runs/older-cpu"), help="where the copy is kept")
    parser.add_argument("command", nargs=argparse.REMAINDER, help="what to run, with its arguments")
    chosen = parser.parse_args()
    if not chosen.command:
        parser.error("give the command that is to run")
    try:
        environment = older_environment(chosen.folder, Reporter())
    except DistillError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(error.exit_status)
    program = shutil.which(chosen.command[0], path=environment["PATH"])
    if program is None:
        parser.error(f"{chosen.command[0]}: there is no such program")
    os.execve(program, chosen.command, environment)


def older_environment(folder: Path, reporter: Reporter) -> dict[str, str]:
    """The environment in which a command sees the older CPU; `folder` keeps a copy of each version of onnxruntime.

    Raises:
        InputError: a tool is missing or fails, or the copy still multiplies as this CPU does.
    """
    for tool in ("gcc", "objdump"):
        if shutil.which(tool) is None:
            raise InputError(f"{tool}: is not installed; it is in the packages gcc and binutils")
    package, version = installed_onnxruntime()
    place = folder.resolve()
    copy, answers, cpu = place / f"onnxruntime-{version}", place / "older_cpu.so", place / "cpuinfo"
    if not copy.exists():
        partial = partial_of(copy)
        remove(partial)
        copy_with_breakpoints(package, partial / "onnxruntime", reporter)
        put_in_place(partial, copy)
    # of this machine, which need not be the one that made the copy
    write_text(cpu, without_flags(Path("/proc/cpuinfo").read_text()))
    write_whole(answers, compile_answers)
    path = os.pathsep.join(filter(None, [str(copy), os.environ.get("PYTHONPATH")]))
    told = {"PYTHONPATH": path, "LD_PRELOAD": str(answers), "OLDER_CPU_INFO": str(cpu)}
    # `python` and `distill` of a command are those beside this interpreter
    programs = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    found = {**os.environ, **TORCH, **told, "PATH": programs}
    said = _output([sys.executable, "-c", _SATURATES], f"{copy}: the copy does not work", environment=found)
    if said.strip() != "True":
        raise InputError(f"{copy}: onnxruntime still multiplies with VNNI there; remove it and try again")
    return found


def installed_onnxruntime() -> tuple[Path, str]:
    """Where the package is, and its version.

    Raises:
        InputError: it is not installed.
    """
    try:
        found = distribution("onnxruntime")
    except PackageNotFoundError:
        raise InputError('onnxruntime: is not installed: pip install "distill-text"') from None
    return Path(str(found.locate_file("onnxruntime"))), found.version


def copy_with_breakpoints(package: Path, target: Path, reporter: Reporter) -> None:
    """A copy of onnxruntime whose library has breakpoints in the place of CPUID.

    Raises:
        InputError: the library is not as it is known.
    """
    shutil.copytree(package, target, ignore=shutil.ignore_patterns("__pycache__"))
    for library in (target / "capi").glob("onnxruntime_pybind11_state*.so"):
        reporter.say(f"looking for CPUID in {library.name} (a minute)")
        library.write_bytes(with_breakpoints(library.read_bytes(), cpuid_addresses(library)))


def compile_answers(target: Path) -> None:
    """The library that answers at the breakpoints.

    Raises:
        InputError: gcc fails.
    """
    command = ["gcc", "-O2", "-shared", "-fPIC", "-o", str(target), str(SOURCE), "-ldl"]
    _output(command, f"gcc: cannot compile {SOURCE.name}")


def _output(command: list[str], failed: str, *, environment: dict[str, str] | None = None) -> str:
    """What a command prints; `failed` says what it means that it fails, and its own last word on that follows."""
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        lines = done.stderr.strip().splitlines() or ["it says nothing"]
        why = next((line for line in reversed(lines) if "error" in line.lower()), lines[-1])
        raise InputError(f"{failed} (status {done.returncode}): {why.strip()}")
    return done.stdout


def cpuid_addresses(library: Path) -> list[int]:
    """Where the library's code has a CPUID instruction: virtual addresses, told by objdump.

    Raises:
        InputError: objdump fails.
    """
    command = ["objdump", "--disassemble", "--no-show-raw-insn", str(library)]
    listing = _output(command, f"objdump: cannot disassemble {library.name}")
    lines = (line.split() for line in listing.splitlines() if line.rstrip().endswith("\tcpuid"))
    return [int(line[0].rstrip(":"), 16) for line in lines]


def with_breakpoints(library: bytes, addresses: list[int]) -> bytes:
    """An ELF file of 64 bits whose CPUID instructions at those virtual addresses are breakpoints.

    Raises:
        InputError: there is none, or other bytes stand there.
    """
    if not addresses:
        raise InputError("onnxruntime: no CPUID instruction was found in its library")
    patched = bytearray(library)
    for address in addresses:
        at = _file_offset(library, address)
        if patched[at : at + 2] != CPUID:
            raise InputError(f"onnxruntime: no CPUID instruction stands at {address:#x} of its library")
        patched[at : at + 2] = BREAKPOINT
    return bytes(patched)


def _file_offset(library: bytes, address: int) -> int:
    """Where a virtual address stands in the file, from the program headers (elf(5))."""
    (headers,), (size, count) = struct.unpack_from("<Q", library, 0x20), struct.unpack_from("<HH", library, 0x36)
    for index in range(count):
        start, virtual, length = (
            struct.unpack_from("<Q", library, headers + index * size + field)[0] for field in (0x08, 0x10, 0x20)
        )
        if virtual <= address < virtual + length:
            return int(address - virtual + start)
    raise InputError(f"onnxruntime: no part of its library is loaded at {address:#x}")


def without_flags(cpuinfo: str) -> str:
    """/proc/cpuinfo without the flags that the older CPU does not have."""

    def line(text: str) -> str:
        key, colon, value = text.partition(":")
        kept = [flag for flag in value.split() if not flag.startswith(HIDDEN_FLAGS)]
        return f"{key}{colon} {' '.join(kept)}" if key.strip() == "flags" else text

    return "\n".join(map(line, cpuinfo.splitlines())) + "\n"


if __name__ == "__main__":
    main()
