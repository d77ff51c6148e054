"""One execution of a recipe: where its artifacts are, who hears of its progress, and who may stop it."""

from dataclasses import dataclass, field
from pathlib import Path

from distill.interrupts import StopRequest
from distill.progress import Reporter
from distill.recipe import Recipe


@dataclass(frozen=True)
class Job:
    """A recipe and the run's folder; the folder names are the contract of a run on disk."""

    recipe: Recipe
    folder: Path
    reporter: Reporter
    stop: StopRequest = field(default_factory=StopRequest)

    @property
    def corpus(self) -> Path:
        """The normalised splits."""
        return self.folder / "corpus"

    @property
    def teacher(self) -> Path:
        """The fine-tuned teacher."""
        return self.folder / "teacher"

    def labels(self, split: str) -> Path:
        """The teacher's logits of one split."""
        return self.folder / "labels" / split

    @property
    def layers(self) -> Path:
        """The ranking of candidate layers, where the recipe leaves the choice open."""
        return self.folder / "layers"

    @property
    def student(self) -> Path:
        """The distilled student."""
        return self.folder / "student"

    @property
    def twin(self) -> Path:
        """The student trained without soft labels."""
        return self.folder / "twin"

    def qat(self, form: str) -> Path:
        """The student after its last phase as what an int8 form computes."""
        return self.folder / "qat" / form

    def quality(self, name: str) -> Path:
        """What a trained model (teacher, student, twin) is worth under the recipe's threshold policy."""
        return self.folder / "quality" / name

    def variant(self, name: str) -> Path:
        """One exported form of the student."""
        return self.folder / "export" / name

    @property
    def bundle_record(self) -> Path:
        """Where the bundle's stage.json stands: no time may stand in the bundle."""
        return self.folder / "export" / "bundle"

    @property
    def bench(self) -> Path:
        """Latency measurements."""
        return self.folder / "bench"

    @property
    def bundle(self) -> Path:
        """What ships."""
        return self.folder / "bundle"
