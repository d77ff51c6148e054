"""The part of `report.json` that is per model: quality, bytes, gate, quantization and latency."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from distill.artifacts.quality import FloorRecord, SplitQuality
from distill.artifacts.records import stored
from distill.artifacts.variant import GateCheck, MatmulNoise
from distill.evaluation.bootstrap import Bootstrap


@dataclass(frozen=True)
class ModelBytes:
    """Bytes of a model with its tokenizer; `other` are the bundle's remaining files, None for anything else.

    The card is among them as the export leaves it, without what a finished run writes into it.
    """

    weights: int
    tokenizer: int
    total: int
    other: int | None = field(default=None, metadata=stored(omit_none=True))


@dataclass(frozen=True)
class Timing:
    """Latency of one call of `batch` texts; `texts` is short, real or long."""

    texts: str
    threads: int
    batch: int
    rounds: int
    runtime: str
    p50_ms: float
    p95_ms: float
    p99_ms: float
    texts_per_second: float


@dataclass(frozen=True)
class Latency:
    """A model's timings; cold start and peak memory are measured for the bundle alone."""

    rows: tuple[Timing, ...]
    cold_start_ms: float | None = field(default=None, metadata=stored(omit_none=True))
    peak_rss_bytes: int | None = field(default=None, metadata=stored(omit_none=True))


@dataclass(frozen=True)
class GateResult:
    """A variant's gate: its checks, the matmuls left in fp32, and the number of attempts."""

    passed: bool
    checks: tuple[GateCheck, ...]
    kept_fp32: tuple[str, ...]
    batch_invariant: bool
    operators: Mapping[str, int]
    sensitivity: tuple[MatmulNoise, ...]
    attempts: int


@dataclass(frozen=True)
class Fidelity:
    """Share of labels and of rows decided differently from a reference, and the noise of the logits."""

    label_flip_rate: float
    row_flip_rate: float
    logit_noise: float


@dataclass(frozen=True)
class SplitCost:
    """Quantization's cost on one split: against the plain student, and against the same weights in fp32.

    Files of earlier versions have no `headline_in_fp32`; the headline of every task was macro-F1 then.
    """

    macro_f1_in_fp32: float
    against_student: Fidelity
    against_own_fp32: Fidelity
    headline_in_fp32: float | None = None

    @property
    def score_in_fp32(self) -> float:
        """Return the headline of the same weights in fp32."""
        return self.macro_f1_in_fp32 if self.headline_in_fp32 is None else self.headline_in_fp32


@dataclass(frozen=True)
class QuantizationCost:
    """Quantization's cost per split; `aware` says whether the weights had quantization-aware training."""

    aware: bool
    validation: SplitCost
    test: SplitCost


@dataclass(frozen=True)
class ModelReport:
    """One model: a teacher, the student, its twin, an exported variant or the baseline.

    `retention` is its headline on test over the teacher's. `components`, `gate`, `quantization` and
    `acceptance_checks` are those of variants. `floors` is empty where the recipe sets none.
    `terms` are those of the baseline: words, or characters where a script has no blanks and validation says so.
    """

    name: str
    kind: str
    parameters: int | None
    bytes: ModelBytes
    components: Mapping[str, int] | None
    test: SplitQuality
    validation: SplitQuality
    retention: float | None
    brier_skill_ratio: float | None
    ece_above_tenth_difference: Bootstrap | None
    acceptance_checks: tuple[GateCheck, ...] | None = field(metadata=stored(key="bars"))
    floors: tuple[FloorRecord, ...]
    gate: GateResult | None
    latency: Latency
    quantization: QuantizationCost | None = field(default=None, metadata=stored(omit_none=True))
    terms: str | None = field(default=None, metadata=stored(omit_none=True))
