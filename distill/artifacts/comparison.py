"""`comparison.json`: a language model beside TF-IDF and an encoder that learnt from labelled rows."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from distill.artifacts.records import read_record, write_record

COMPARISON_FILE = "comparison.json"


@dataclass(frozen=True)
class Compared:
    """One model on validation: its headline, and per label Cohen's kappa, None where chance would always agree."""

    name: str
    headline: float
    kappa: Mapping[str, float | None]


@dataclass(frozen=True)
class Comparison:
    """Models on the same validation rows, each with its own decisions fitted there.

    Attributes:
        headline: title of the task's headline metric.
        train_rows: labelled rows that TF-IDF and the encoder learnt from.
        validation_rows: rows that all are measured on.
        models: the language model first.
    """

    headline: str
    train_rows: int
    validation_rows: int
    models: tuple[Compared, ...]

    def lines(self) -> list[str]:
        """Return a table as lines: one per model, then one per label."""
        names = [model.name for model in self.models]
        shown = ", ".join(f"{model.name} {model.headline:.3f}" for model in self.models)
        lines = [
            f"  {self.headline} on {self.validation_rows} labelled validation rows: {shown} "
            f"(the last {len(names) - 1} learnt from {self.train_rows} labelled rows)"
        ]
        for label in self.models[0].kappa:
            values = [model.kappa[label] for model in self.models]
            kappas = ", ".join("–" if value is None else f"{value:.2f}" for value in values)
            lines.append(f"  kappa, {label}: {kappas}")
        return lines

    @property
    def better(self) -> tuple[str, ...]:
        """The models whose headline is higher than the language model's."""
        first, *others = self.models
        return tuple(model.name for model in others if model.headline > first.headline)

    def write(self, folder: Path) -> None:
        """Write it into its stage's folder."""
        write_record(self, folder / COMPARISON_FILE)


def read_comparison(folder: Path) -> Comparison:
    """Read the comparison in its stage's folder."""
    return read_record(Comparison, folder / COMPARISON_FILE)
