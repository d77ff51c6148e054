"""The folder of an exported variant: its graph, `gate.json`, and the decision in `quality.json`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from distill.artifacts.records import read_record, stored, write_record

MODEL_FILE = "model.onnx"  # calibrated
GATE_FILE = "gate.json"


@dataclass(frozen=True)
class GateCheck:
    """One measured value with its bound; `value` is None where it was not finite.

    `allowed`, `upper`, `rows` and `reason` are of a value that a sample of rows gave: `export.gate.Check` says
    what each is.
    """

    name: str
    value: float | None
    bound: float
    passed: bool
    allowed: float | None = field(default=None, metadata=stored(omit_none=True))
    upper: float | None = field(default=None, metadata=stored(omit_none=True))
    rows: int | None = field(default=None, metadata=stored(omit_none=True))
    reason: str = ""


@dataclass(frozen=True)
class Attempt:
    """One graph that was tried: the matmuls left in fp32, and its checks."""

    kept_fp32: tuple[str, ...]
    checks: tuple[GateCheck, ...]


@dataclass(frozen=True)
class MatmulNoise:
    """Noise of one matmul in int8: root mean square change of a logit; None where it was not finite."""

    product: str
    noise: float | None
    multiply_adds: int


@dataclass(frozen=True)
class BatchProof:
    """Number of texts whose logits had the same bits in batches as alone, and the CPU that computed them."""

    texts: int
    cpu: str


@dataclass(frozen=True)
class GateReport:
    """The gate of one variant.

    `failures` is a sentence; `operators` counts those of the graph that matter for its speed; `sensitivity` is
    empty where no search was needed; `tried` has every attempt, the one that was kept among them.
    """

    passed: bool
    failures: str
    checks: tuple[GateCheck, ...]
    kept_fp32: tuple[str, ...]
    batch_invariant: bool
    operators: Mapping[str, int]
    sensitivity: tuple[MatmulNoise, ...]
    tried: tuple[Attempt, ...]
    batches: BatchProof | None = field(default=None, metadata=stored(omit_none=True))

    def write(self, folder: Path) -> None:
        """Write it into the variant's folder."""
        write_record(self, folder / GATE_FILE)


def read_gate(folder: Path) -> GateReport:
    """Read the gate of the variant in a folder."""
    return read_record(GateReport, folder / GATE_FILE)
