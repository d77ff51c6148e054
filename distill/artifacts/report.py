"""`report.json`: everything that a run measured, as the report page, the summary and other programs read it.

The keys are a contract. Adding a key is compatible; renaming or removing one takes a new `FORMAT_VERSION`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from distill.artifacts.plan import Plan, PlannedStudent
from distill.artifacts.records import read_record, stored, write_record
from distill.evaluation.bootstrap import Bootstrap
from distill.evaluation.comparison import Agreement
from distill.evaluation.metrics import LabelQuality
from distill.evaluation.selective import SelectiveQuality

FORMAT_VERSION = 1

REPORT_FILE = "report.json"


@dataclass(frozen=True)
class Environment:
    """The machine and the packages that the run's numbers come from; `cores` is the number of usable threads."""

    cpu_model: str
    isa_flags: tuple[str, ...]
    cores: int
    gpu: str | None
    packages: Mapping[str, str]


@dataclass(frozen=True)
class CorpusCounts:
    """Rows per split, and the counts that reading and splitting the corpus left."""

    rows: Mapping[str, int]
    notes: Mapping[str, int]


@dataclass(frozen=True)
class SplitQuality:
    """A model's metrics on one split; `evaluation.metrics.Quality` says what each is.

    `further` are metrics of the task's kind alone, stored beside the others.
    """

    macro_f1: float
    macro_f1_at_half: float | None
    micro_f1: float
    accuracy: float | None
    brier: float
    brier_skill: float
    ece: float
    ece_above_tenth: float
    per_label: tuple[LabelQuality, ...]
    selective: SelectiveQuality
    further: Mapping[str, Any] = field(default_factory=dict, metadata=stored(rest=True))


@dataclass(frozen=True)
class ModelBytes:
    """Bytes of a model with its tokenizer; `other` are the bundle's remaining files, None for anything else."""

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
class CheckResult:
    """A check's value and the bound that it must not exceed; `value` is None where it is not finite."""

    name: str
    value: float | None
    bound: float
    passed: bool


@dataclass(frozen=True)
class MatmulSensitivity:
    """Noise in the logits from computing one matmul in int8 (None if not finite), and multiply-adds per token."""

    product: str
    noise: float | None
    multiply_adds: int


@dataclass(frozen=True)
class GateResult:
    """A variant's gate: its checks, the matmuls left in fp32, and the number of attempts."""

    passed: bool
    checks: tuple[CheckResult, ...]
    kept_fp32: tuple[str, ...]
    batch_invariant: bool
    operators: Mapping[str, int]
    sensitivity: tuple[MatmulSensitivity, ...]
    attempts: int


@dataclass(frozen=True)
class Fidelity:
    """Share of labels and of rows decided differently from a reference, and the noise of the logits."""

    label_flip_rate: float
    row_flip_rate: float
    logit_noise: float


@dataclass(frozen=True)
class SplitCost:
    """Quantization's cost on one split: against the plain student, and against the same weights in fp32."""

    macro_f1_in_fp32: float
    against_student: Fidelity
    against_own_fp32: Fidelity


@dataclass(frozen=True)
class QuantizationCost:
    """Quantization's cost per split; `aware` says whether the weights had quantization-aware training."""

    aware: bool
    validation: SplitCost
    test: SplitCost


@dataclass(frozen=True)
class FloorResult:
    """A floor that the recipe sets for one label: the metric's values, and whether validation keeps the floor."""

    label: str
    metric: str
    floor: float
    validation: float
    test: float
    kept: bool


@dataclass(frozen=True)
class ModelReport:
    """One model: a teacher, the student, its twin, an exported variant or the baseline.

    `retention` is its test macro-F1 over the teacher's. `components`, `gate`, `quantization` and
    `acceptance_checks` are those of variants. `floors` is empty where the recipe sets none.
    """

    name: str
    kind: str
    parameters: int
    bytes: ModelBytes
    components: Mapping[str, int] | None
    test: SplitQuality
    validation: SplitQuality
    retention: float | None
    brier_skill_ratio: float | None
    ece_above_tenth_difference: Bootstrap | None
    acceptance_checks: tuple[CheckResult, ...] | None = field(metadata=stored(key="bars"))
    floors: tuple[FloorResult, ...]
    gate: GateResult | None
    latency: Latency
    quantization: QuantizationCost | None = field(default=None, metadata=stored(omit_none=True))


@dataclass(frozen=True)
class Attribution:
    """The contribution of distillation on test rows, per model.

    `gain` is the macro-F1 over the twin, None without a twin. `agreement` and `copied_errors` are with
    `reference`, the teacher or the ensemble.
    """

    reference: str
    gain: Mapping[str, Bootstrap] | None
    agreement: Mapping[str, Agreement]
    copied_errors: Mapping[str, float | None]


@dataclass(frozen=True)
class SplitScores:
    """Macro-F1 on both evaluated splits."""

    validation: float
    test: float


@dataclass(frozen=True)
class SeedScores:
    """One seed's student, twin and shipping candidate; `variant` is the variant that would ship."""

    seed: int
    variant: str
    student: SplitScores
    ships: SplitScores
    twin: SplitScores | None = field(default=None, metadata=stored(omit_none=True))


@dataclass(frozen=True)
class SeedSpread:
    """Every seed's scores, their test mean and standard deviation (None for one seed), and the gain over twins."""

    rows: tuple[SeedScores, ...]
    mean: Mapping[str, float]
    standard_deviation: Mapping[str, float | None]
    gain: Mapping[str, Bootstrap] | None


@dataclass(frozen=True)
class WordRates:
    """How two tokenizers read a list of words: shares of words, and mean tokens per word."""

    words: int
    unknown: float
    unknown_to_teacher: float
    split_more: float
    tokens: float = field(metadata=stored(key="pieces"))
    teacher_tokens: float = field(metadata=stored(key="pieces_of_teacher"))


@dataclass(frozen=True)
class CrisisWord:
    """A crisis word that the student's tokenizer reads worse than the teacher's, with the tokens of both."""

    word: str
    topic: str = field(metadata=stored(key="field"))
    unknown: bool
    tokens: int = field(metadata=stored(key="pieces"))
    teacher_tokens: int = field(metadata=stored(key="teacher"))


@dataclass(frozen=True)
class WordReport:
    """Rates on the test split's words and on the packaged lists, and the crisis words that are read worse."""

    rates: Mapping[str, WordRates]
    crisis_words: tuple[CrisisWord, ...]


@dataclass(frozen=True)
class BudgetReport:
    """A budget's bounds beside the plan's prediction and the bundle's measurement, by the recipe's keys.

    `over_asked` and `over_predicted` are the relative excess of the measurement: 0.1 is 10 %.
    """

    asked: Mapping[str, float]
    plan: Plan | None
    predicted: PlannedStudent | None
    measured: Mapping[str, float]
    over_asked: Mapping[str, float]
    over_predicted: Mapping[str, float]


@dataclass(frozen=True)
class LayerCandidate:
    """Layers that were tried: divergence from the teacher, and macro-F1, both on validation."""

    layers: tuple[int, ...]
    divergence: float
    macro_f1: float


@dataclass(frozen=True)
class TrainingCurve:
    """A training session's curves: pairs of step and loss, and of step and validation macro-F1."""

    name: str
    kind: str
    loss: tuple[tuple[int, float], ...]
    macro_f1: tuple[tuple[int, float], ...]


@dataclass(frozen=True)
class Report:
    """The whole report; what a run did not do is None.

    `recipe` is the resolved recipe, `seconds` are per stage, `chosen` names the variant that ships, and
    `distillation_gain` repeats the student's gain of `attribution`.
    """

    format_version: int
    recipe: Mapping[str, Any]
    task: str
    labels: tuple[str, ...]
    seed: int
    environment: Environment
    corpus: CorpusCounts
    seconds: Mapping[str, float]
    chosen: str
    budget: BudgetReport | None
    words: WordReport
    teacher_before_tuning: SplitQuality | None
    distillation_gain: Bootstrap | None
    attribution: Attribution
    seeds: SeedSpread | None
    layer_search: tuple[LayerCandidate, ...] | None
    precision: Mapping[str, Any] | None
    models: tuple[ModelReport, ...]
    training: tuple[TrainingCurve, ...] = ()

    def model(self, name: str) -> ModelReport:
        """Return a model by its name."""
        return next(model for model in self.models if model.name == name)


def read_report(folder: Path) -> Report:
    """Read the report of a run from its folder.

    Raises:
        InputError: the file lacks a required key.
    """
    return read_record(Report, folder / REPORT_FILE)


def write_report_file(report: Report, folder: Path) -> None:
    """Write a report into the folder of its run."""
    write_record(report, folder / REPORT_FILE)
