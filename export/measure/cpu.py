"""CPU name, and the instruction sets that the speed of int8 and bf16 depends on."""

import os
import platform
from pathlib import Path
from typing import Any

# instruction sets that change the speed or the answers of int8, and of training in bf16
ISA_FLAGS = ("avx2", "avx512f", "avx512_vnni", "avx_vnni", "avx512_bf16", "amx_int8", "amx_bf16", "asimddp")


def cpu_info() -> dict[str, Any]:
    """Return `model`, `flags` (those in ISA_FLAGS) and `cores` (logical cores of the host)."""
    fields: dict[str, str] = {}
    for line in _read(Path("/proc/cpuinfo")).splitlines():
        key, _, value = line.partition(":")
        fields.setdefault(key.strip(), value.strip())
    flags = set((fields.get("flags") or fields.get("Features") or "").split())
    return {
        "model": fields.get("model name") or platform.processor() or platform.machine(),
        "flags": [flag for flag in ISA_FLAGS if flag in flags],
        "cores": os.cpu_count() or 1,
    }


def cpu_name() -> str:
    """Return the CPU's model and its instruction sets that matter here, as in "AMD EPYC (avx2, avx512f)"."""
    cpu = cpu_info()
    flags = ", ".join(cpu["flags"])
    return f"{cpu['model']} ({flags})" if flags else str(cpu["model"])


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
