"""One execution of a recipe: where its artifacts are, who hears of its progress, and who may stop it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from distill.recipe.ensemble import members_of
from distill.recipe.load import with_values
from distill.recipe.recipe import Recipe
from distill.runs.interrupts import StopRequest
from distill.runs.progress import Reporter


@dataclass(frozen=True)
class Job:
    """A recipe and the run's folder; the folder names are the contract of a run on disk."""

    recipe: Recipe
    folder: Path
    reporter: Reporter
    stop: StopRequest = field(default_factory=StopRequest)
    heard: Callable[[float], None] = field(default=lambda _: None)  # of each epoch's validation macro-F1
    branch: str = ""  # where in the run's folder one of several students stands
    own_seed: int | None = None

    @property
    def seed(self) -> int:
        """Of the student and all that comes after it."""
        return self.recipe.seed if self.own_seed is None else self.own_seed

    @property
    def prefix(self) -> str:
        """What stands before the names of a student's stages, where there are several students."""
        return f"{self.branch}/" if self.branch else ""

    def branches(self) -> tuple["Job", ...]:
        """The job of each student: one for each of `seeds`, or this one."""
        seeds = self.recipe.seeds
        return tuple(replace(self, branch=f"seeds/{seed}", own_seed=seed) for seed in seeds) or (self,)

    @property
    def corpus(self) -> Path:
        """The normalised splits."""
        return self.folder / "corpus"

    @property
    def plan(self) -> Path:
        """The students that were measured, where the recipe has a budget to choose by."""
        return self.folder / "plan"

    @property
    def search(self) -> Path:
        """Trials of other recipe values."""
        return self.folder / "search"

    @property
    def augmented(self) -> Path:
        """Texts made out of the train rows."""
        return self.folder / "augmented"

    @property
    def teacher(self) -> Path:
        """The fine-tuned teacher; of an ensemble the first, which the student starts from."""
        return self.member(0)

    def member(self, index: int) -> Path:
        """One teacher of an ensemble."""
        return self.folder / numbered("teacher", index)

    @property
    def reference(self) -> str:
        """The model that the student is measured against, as its quality is filed: the teacher or the ensemble."""
        return "ensemble" if len(members_of(self.recipe)) > 1 else "teacher"

    @property
    def ensemble(self) -> Path:
        """The averaged logits of an ensemble."""
        return self.folder / "ensemble"

    def labels(self, split: str, index: int = 0) -> Path:
        """One teacher's logits of one split."""
        return self.folder / numbered("labels", index) / split

    @property
    def layers(self) -> Path:
        """The ranking of candidate layers, where the recipe leaves the choice open."""
        return self.folder / "layers"

    @property
    def student(self) -> Path:
        """The distilled student."""
        return self.folder / f"{self.prefix}student"

    @property
    def twin(self) -> Path:
        """The student trained without soft labels."""
        return self.folder / f"{self.prefix}twin"

    def qat(self, form: str) -> Path:
        """The student after its last phase as what an int8 form computes."""
        return self.folder / f"{self.prefix}qat" / form

    def quality(self, name: str) -> Path:
        """What a trained model is worth under the recipe's threshold policy."""
        return self.folder / f"{self.prefix_of(name)}quality" / name

    def prefix_of(self, name: str) -> str:
        """The prefix of a trained model's stages: teachers are all students' own."""
        return self.prefix if name in ("student", "twin") or name.startswith("qat/") else ""

    def variant(self, name: str) -> Path:
        """One exported form of the student."""
        return self.folder / f"{self.prefix}export" / name

    @property
    def precision(self) -> Path:
        """The forms of the student that were timed, where the recipe leaves the precision open."""
        return self.folder / "precision"

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


def numbered(name: str, index: int) -> str:
    """The name of an ensemble's part: the first has it as it is, the others by their number from 2 on."""
    return name if index == 0 else f"{name}-{index + 1}"


def with_layers(job: Job, layers: Sequence[int]) -> Job:
    """The same job, whose student has these layers."""
    return replace(job, recipe=with_values(job.recipe, {"student.layers": list(layers)}, job.recipe.name))
