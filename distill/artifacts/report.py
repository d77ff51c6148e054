"""`report.json`: everything that a run measured, as the report page, the summary and other programs read it.

The keys are a contract. Adding a key is compatible; renaming or removing one takes a new `FORMAT_VERSION`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from distill.artifacts.context import ContextReport
from distill.artifacts.model_report import ModelReport
from distill.artifacts.plan import Plan, PlannedStudent
from distill.artifacts.precision import PrecisionRecord
from distill.artifacts.quality import SplitQuality
from distill.artifacts.ranking import LayerCandidate
from distill.artifacts.records import read_record, stored, write_record
from distill.artifacts.tuning import TuningRecord
from distill.evaluation.bias import Audit
from distill.evaluation.bootstrap import Bootstrap
from distill.evaluation.comparison import Agreement, Estimate, FoldScores
from distill.evaluation.errors import Confusion
from distill.evaluation.subgroups import SubgroupReport

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
class Attribution:
    """The contribution of distillation on test rows, per model.

    `gain` is in the headline, over the twin; None without a twin. `agreement` and `copied_errors` are with
    `reference`, the teacher or the ensemble.
    """

    reference: str
    gain: Mapping[str, Bootstrap] | None
    agreement: Mapping[str, Agreement]
    copied_errors: Mapping[str, float | None]


@dataclass(frozen=True)
class SplitScores:
    """The headline on both evaluated splits."""

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
    """Reading of a list of words by two tokenizers: shares of words, and mean tokens per word."""

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
class UsedWord:
    """A word of validation that decisions used: the mean change of the label's score when it is left out.

    It is the mean over `texts` that are decided as the label; they are of `groups` groups, at least five.
    """

    label: str
    word: str
    change: float
    texts: int
    groups: int


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
class TestedRows:
    """The rows that models are compared on, with 95 % intervals over them or over their groups.

    `headline` is per model, `label_f1` per label of what ships, and `confusions` are its most frequent errors.
    """

    rows: int
    resampled: str
    headline: Mapping[str, Estimate]
    label_f1: tuple[Estimate, ...]
    confusions: tuple[Confusion, ...]


@dataclass(frozen=True)
class HandedOver:
    """The number of texts that what ships leaves to a person, and per reason; a text may have several.

    `undecided` of them have no labels; files of earlier versions do not say so.
    """

    texts: int
    handed_over: int
    reasons: Mapping[str, int]
    undecided: int = 0

    @property
    def share(self) -> float:
        """The share of the texts that a person gets."""
        return self.handed_over / max(self.texts, 1)


@dataclass(frozen=True)
class FoldsReport:
    """Out-of-fold quality, which every model's `test` is of too: rows, what was resampled, and scores by model."""

    folds: int
    rows: int
    resampled: str
    models: Mapping[str, FoldScores]


@dataclass(frozen=True)
class TrainingCurve:
    """A training session's curves: pairs of step and loss, and of step and the headline on validation.

    `kept` is the step whose weights were kept.
    """

    name: str
    kind: str
    loss: tuple[tuple[int, float], ...]
    score: tuple[tuple[int, float], ...]
    kept: int | None = None


@dataclass(frozen=True)
class Headline:
    """The metric that models of the task are compared by: its key in a split's quality, and its title."""

    key: str = "macro_f1"
    title: str = "macro-F1"


@dataclass(frozen=True)
class Verdict:
    """The bundle beside what costs less, on the rows that models are compared on.

    `failures` are the reasons not to ship it: the 95 % interval of its headline minus TF-IDF's is below 0, a label
    is given to every row, or no text is decided. `line` is the verdict in one sentence, and `notes` name what to
    look at. `over_twin` is None without a twin, and `retention` where the teacher's headline is 0. Files of
    earlier versions have no `over_teacher`.
    """

    failures: tuple[str, ...]
    line: str
    notes: tuple[str, ...]
    over_baseline: Bootstrap
    over_twin: Bootstrap | None
    retention: float | None
    never_given: tuple[str, ...]
    always_given: tuple[str, ...]
    over_teacher: Bootstrap | None = None


@dataclass(frozen=True)
class Report:
    """The whole report; what a run did not do is None.

    `day` is the UTC day of the report, which no bundle has.
    `warnings` are the sentences of `distill check` on the corpus and the vocabulary that the run had.
    `tuning` has the teachers of which few weights were trained, by their names.
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
    precision: PrecisionRecord | None
    models: tuple[ModelReport, ...]
    training: tuple[TrainingCurve, ...] = ()
    headline: Headline = Headline()
    folds: FoldsReport | None = None
    warnings: tuple[str, ...] = ()
    verdict: Verdict | None = None
    tested: TestedRows | None = None
    handed_over: HandedOver | None = None
    context: ContextReport | None = field(default=None, metadata=stored(omit_none=True))
    day: str | None = None
    used_words: tuple[UsedWord, ...] = ()
    audit: Audit | None = None
    tuning: Mapping[str, TuningRecord] | None = field(default=None, metadata=stored(omit_none=True))
    subgroups: SubgroupReport | None = field(default=None, metadata=stored(omit_none=True))

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
