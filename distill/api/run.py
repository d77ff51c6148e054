"""A finished run as Python sees it: its bundle, its report, and the quality of what ships."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from distill.export.runtime import Classifier, InputError, load
from distill.export.runtime.manifest.manifest import MANIFEST_FILE
from distill.files.extras import need
from distill.runs.layout import RunLayout

if TYPE_CHECKING:
    from distill.artifacts.model_report import ModelReport
    from distill.artifacts.quality import SplitQuality
    from distill.artifacts.report import Report
    from distill.recipe.recipe import Recipe


@dataclass(frozen=True)
class Run:
    """The folder of a run; `train` returns one, and `Run(folder)` opens one that is there."""

    folder: Path

    def __init__(self, folder: str | Path) -> None:
        object.__setattr__(self, "folder", Path(folder))

    @property
    def bundle(self) -> Path:
        """The folder of the bundle that ships.

        Raises:
            InputError: the run did not get that far.
        """
        bundle = RunLayout(self.folder).bundle
        if not (bundle / MANIFEST_FILE).is_file():
            raise InputError(f"{self.folder}: The run has no bundle. Run its recipe to the end.")
        return bundle

    @property
    def recipe(self) -> "Recipe":
        """The resolved recipe: everything that was chosen is written out in it."""
        from distill.recipe.load import load_recipe

        return load_recipe(str(RunLayout(self.folder).recipe))

    @property
    def report(self) -> "Report":
        """All that the run measured: the content of report.json.

        Raises:
            InputError: the run did not get that far.
        """
        need("train", "pydantic")
        from distill.artifacts.report import REPORT_FILE, read_report

        if not (self.folder / REPORT_FILE).is_file():
            raise InputError(f"{self.folder}: The run has no report.json. Run its recipe to the end.")
        return read_report(self.folder)

    @property
    def ships(self) -> "ModelReport":
        """The part of the report on the variant in the bundle: sizes, latency, gate, quality on both splits."""
        report = self.report
        return report.model(report.chosen)

    @property
    def quality(self) -> "SplitQuality":
        """The quality of what ships on test rows, each metric by its name."""
        return self.ships.test

    def load(self, *, threads: int = 1) -> Classifier:
        """Open the run's bundle."""
        return load(self.bundle, threads=threads)
