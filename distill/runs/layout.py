"""The folders of a run: their names are a contract on disk."""

from dataclasses import dataclass, replace
from pathlib import Path

from distill.export.precision import Variant

RECIPE_FILE = "recipe.toml"
FOLDS = "folds"
CONTEXT_FREE = "context-free"
REPORT_FILES = ("report.json", "report.html")


@dataclass(frozen=True)
class RunLayout:
    """Places in a run's folder of what each stage leaves.

    `branch` is the part of a run that belongs to one of several students, such as `seeds/7`; it is empty where
    there is one student. Folders above the student are shared by all branches.
    """

    folder: Path
    branch: str = ""

    def of_seed(self, seed: int) -> "RunLayout":
        """Return the layout of one of several students."""
        return replace(self, branch=f"seeds/{seed}")

    def of_fold(self, fold: int) -> "RunLayout":
        """Return the layout of the run of one fold, inside of the run of all rows."""
        return RunLayout(self.folder / FOLDS / str(fold))

    @property
    def prefix(self) -> str:
        """Prefix of the names of a student's stages and folders, such as `seeds/7/`."""
        return f"{self.branch}/" if self.branch else ""

    @property
    def recipe(self) -> Path:
        """The resolved recipe."""
        return self.folder / RECIPE_FILE

    @property
    def corpus(self) -> Path:
        """Normalised splits."""
        return self.folder / "corpus"

    @property
    def plan(self) -> Path:
        """Students measured under a budget."""
        return self.folder / "plan"

    @property
    def track(self) -> Path:
        """The curves of trainings, as trackers write them."""
        return self.folder / "track"

    @property
    def search(self) -> Path:
        """Trials of other recipe values."""
        return self.folder / "search"

    @property
    def augmented(self) -> Path:
        """Texts made from train rows."""
        return self.folder / "augmented"

    def teacher(self, index: int = 0) -> Path:
        """Return the folder of a fine-tuned teacher; the student starts from the first."""
        return self.folder / numbered("teacher", index)

    @property
    def base(self) -> Path:
        """Encoder that the student starts from, where that is not the teacher."""
        return self.folder / "base"

    def start(self, *, own_base: bool) -> Path:
        """Return the folder of the encoder that the student starts from.

        Args:
            own_base: whether the recipe gives it one of its own.
        """
        return self.base if own_base else self.teacher()

    def scores(self, split: str) -> Path:
        """Return the folder of a language model's raw scores of one split."""
        return self.folder / "scores" / split

    @property
    def comparison(self) -> Path:
        """A language model beside models that learnt from labelled rows."""
        return self.folder / "comparison"

    @property
    def written(self) -> Path:
        """Texts that a language model wrote."""
        return self.folder / "written"

    @property
    def own_labels(self) -> Path:
        """Labels of a language model for a corpus that has none."""
        return self.folder / "own_labels"

    @property
    def review(self) -> Path:
        """Rows of such a corpus that are most worth a person's label."""
        return self.folder / "review"

    @property
    def answers(self) -> Path:
        """Answers of an endpoint, by request; the folds of a run share them."""
        home = self.folder.parents[1] if self.folder.parent.name == FOLDS else self.folder
        return home / "answers"

    @property
    def ensemble(self) -> Path:
        """Averaged logits of several teachers."""
        return self.folder / "ensemble"

    def labels(self, split: str, index: int = 0) -> Path:
        """Return the folder of one teacher's logits of one split."""
        return self.folder / numbered("labels", index) / split

    @property
    def layers(self) -> Path:
        """Ranking of candidate layers."""
        return self.folder / "layers"

    @property
    def student(self) -> Path:
        """The distilled student."""
        return self.folder / f"{self.prefix}student"

    @property
    def twin(self) -> Path:
        """The control: the same student trained without a teacher."""
        return self.folder / f"{self.prefix}twin"

    @property
    def context_free(self) -> Path:
        """The control of what context is worth: the same student, trained on turns alone."""
        return self.folder / f"{self.prefix}{CONTEXT_FREE}"

    def trained(self, name: str) -> Path:
        """Return the folder of the student, or of one of its controls."""
        return {"student": self.student, "twin": self.twin, CONTEXT_FREE: self.context_free}[name]

    def qat(self, precision: str) -> Path:
        """Return the folder of the student after quantization-aware training for one precision."""
        return self.folder / f"{self.prefix}qat" / precision

    def stage_prefix(self, name: str) -> str:
        """Return the prefix of a trained model's stages: empty for teachers, which all students share."""
        return self.prefix if name in ("student", "twin", CONTEXT_FREE) or name.startswith("qat/") else ""

    def student_of(self, variant: Variant) -> Path:
        """Return the folder of the student that a variant is made of."""
        return self.qat(variant.precision) if variant.qat else self.student

    def quality(self, name: str) -> Path:
        """Return the folder of a trained model's metrics under the recipe's decisions."""
        return self.folder / f"{self.stage_prefix(name)}quality" / name

    def variant(self, name: str) -> Path:
        """Return the folder of one exported variant of the student."""
        return self.folder / f"{self.prefix}export" / name

    @property
    def precision(self) -> Path:
        """Timings of the variants, where the recipe leaves the precision open."""
        return self.folder / "precision"

    @property
    def bundle_record(self) -> Path:
        """Folder of the bundle's stage.json, since the bundle itself must not hold any time."""
        return self.folder / "export" / "bundle"

    @property
    def bundle(self) -> Path:
        """The bundle that ships."""
        return self.folder / "bundle"

    @property
    def audit(self) -> Path:
        """Differences between identity terms."""
        return self.folder / "audit"

    @property
    def bench(self) -> Path:
        """Latency measurements."""
        return self.folder / "bench"

    @property
    def context(self) -> Path:
        """The worth of context to the student that ships."""
        return self.folder / "context"

    @property
    def report(self) -> Path:
        """Folder of the report's stage.json."""
        return self.folder / "report"

    @property
    def report_files(self) -> tuple[Path, ...]:
        """The report as JSON and as a page."""
        return tuple(self.folder / name for name in REPORT_FILES)


def numbered(name: str, index: int) -> str:
    """Return the name of an ensemble member's part: the first keeps `name`, later ones are numbered from 2."""
    return name if index == 0 else f"{name}-{index + 1}"
