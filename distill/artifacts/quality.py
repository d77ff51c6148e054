"""`quality.json`: the metrics of a model per split under the recipe's decisions."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from distill.artifacts.records import from_dict, read_record, stored, write_record
from distill.artifacts.training import TrainingSummary
from distill.evaluation.decision import Decision
from distill.evaluation.metrics import LabelQuality, labels_at_zero
from distill.evaluation.quality import ModelQuality
from distill.evaluation.selective import SelectiveQuality
from distill.evaluation.sets import SetsQuality
from distill.evaluation.workload import Workload
from distill.export.runtime.manifest.promises import FittedFloor

QUALITY_FILE = "quality.json"


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
    labels_without_rows: int | None = field(default=None, metadata=stored(omit_none=True))
    macro_f1_of_labels_with_rows: float | None = field(default=None, metadata=stored(omit_none=True))
    weighted_f1: float | None = field(default=None, metadata=stored(omit_none=True))
    exact_match: float | None = field(default=None, metadata=stored(omit_none=True))
    jaccard: float | None = field(default=None, metadata=stored(omit_none=True))
    cohen_kappa: float | None = field(default=None, metadata=stored(omit_none=True))
    sets: SetsQuality | None = field(default=None, metadata=stored(omit_none=True))
    further: Mapping[str, Any] = field(default_factory=dict, metadata=stored(rest=True))

    @property
    def labels_at_zero(self) -> tuple[str, ...]:
        """The labels without rows, each of which counts 0 in `macro_f1`."""
        return labels_at_zero(self.per_label)

    def metric(self, key: str) -> float:
        """Return a metric by its key."""
        return float(self.further[key] if key in self.further else getattr(self, key))


@dataclass(frozen=True)
class FloorRecord:
    """A floor that the recipe asks of one label, and what was reached on both splits.

    `certificate` is what shows it for new texts, None where it is not certified.
    """

    label: str
    metric: str
    floor: float
    validation: float
    test: float
    kept: bool
    certificate: FittedFloor | None = field(default=None, metadata=stored(omit_none=True))
    workload: tuple[Workload, ...] = ()

    @property
    def shown_by(self) -> str:
        """Return in words what shows the floor for new texts."""
        certificate = self.certificate
        if certificate is None:
            return "not certified"
        return (
            f"certified at {certificate.confidence:g}: at least {certificate.bound:.3f}, {certificate.missed} of "
            f"{certificate.rows} trials missed"
        )


@dataclass(frozen=True)
class QualityRecord:
    """The quality of a model: metrics per split, its floors, and the decision that they are of.

    `before_tuning` has the metrics of a teacher with an untrained head; variants have no training of their own.
    """

    validation: SplitQuality
    test: SplitQuality
    floors: tuple[FloorRecord, ...]
    decision: Decision
    parameters: int | None = field(default=None, metadata=stored(omit_none=True))
    best_step: int | None = field(default=None, metadata=stored(omit_none=True))
    steps: int | None = field(default=None, metadata=stored(omit_none=True))
    before_tuning: "QualityRecord | None" = field(default=None, metadata=stored(omit_none=True))

    @property
    def decision_before_tuning(self) -> Decision:
        """The decision that was fitted to the teacher with an untrained head; only a fine-tuned one has it."""
        if self.before_tuning is None:
            raise ValueError("the model was not fine-tuned, so nothing is known of it before")
        return self.before_tuning.decision

    @property
    def splits(self) -> dict[str, SplitQuality]:
        """The metrics by split."""
        return {"validation": self.validation, "test": self.test}

    def write(self, folder: Path) -> None:
        """Write it into the model's folder."""
        write_record(self, folder / QUALITY_FILE)


def record_of(
    quality: ModelQuality, training: TrainingSummary | None = None, before: ModelQuality | None = None
) -> QualityRecord:
    """Return the record of a model's quality.

    Args:
        quality: of the model.
        training: its summary; None for a variant.
        before: the quality before tuning, of a teacher that was fine-tuned.
    """
    return QualityRecord(
        validation=from_dict(SplitQuality, quality.validation),
        test=from_dict(SplitQuality, quality.test),
        floors=_floors(quality),
        decision=quality.decision,
        parameters=None if training is None else training.parameters,
        best_step=None if training is None else training.best_step,
        steps=None if training is None else training.steps,
        before_tuning=None if before is None else record_of(before),
    )


def _floors(quality: ModelQuality) -> tuple[FloorRecord, ...]:
    return tuple(
        FloorRecord(
            floor.label,
            floor.metric,
            floor.floor,
            floor.validation,
            floor.test,
            not floor.missing,
            floor.certificate,
            floor.workload,
        )
        for floor in quality.floors
    )


def read_quality(folder: Path) -> QualityRecord:
    """Read the quality of the model in a folder."""
    return read_record(QualityRecord, folder / QUALITY_FILE)
