"""A run in progress: its stages are executed one after the other, or found done."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from distill.corpora.corpus import Corpus
from distill.corpora.storage.parquet import load_corpus
from distill.export.runtime.reading.inputs import Input
from distill.files.atomic import PARTIAL, write_text
from distill.recipe.load import with_values
from distill.recipe.recipe import Recipe
from distill.recipe.sources import corpus_spec
from distill.runs.interrupts import Interrupted, StopRequest
from distill.runs.layout import RunLayout
from distill.runs.progress import Epoch, Reporter
from distill.runs.shortage import stage_shortage
from distill.runs.stage import Stage, StageRecord, earlier_record, execute

if TYPE_CHECKING:
    from distill.teachers.token_cache import TokenCache
    from distill.training.reading import Sample
    from distill.training.session import TrainingControls

# increased when a stage's code changes its results
VERSIONS = {
    "corpus": 3,
    "plan": 3,
    "written": 1,
    "augmented": 1,
    "base": 1,
    "scores": 1,
    "comparison": 1,
    "own_labels": 1,
    "review": 1,
    "teacher": 3,
    "ensemble": 1,
    "quality": 3,
    "labels": 4,
    "layers": 1,
    "student": 2,
    "twin": 2,
    "context-free": 1,
    "qat": 1,
    "export": 6,
    "precision": 1,
    "bundle": 4,
    "bench": 7,
    "context": 1,
    "audit": 2,
    "report": 17,
}

# one of several: a student's seed before a stage's name, or a teacher's number after it
_STAGE_NAME = re.compile(r"^seeds/\d+/|-\d+(?=/|$)")


@dataclass(frozen=True)
class StudentRun:
    """One of a run's students: the run, where in its folder the student is, and the student's seed."""

    run: "Run"
    layout: RunLayout
    seed: int


@dataclass
class Run:
    """A recipe that is executed in a folder.

    `records` has the stages so far, by stage name. `trains_student` says whether this command gets as far as the
    student, so that what would stop it there can be refused before the teacher is trained. `folds` are the runs of
    the folds of a corpus, which take each step first; `prefix` tells their stages apart in messages.
    `on_epoch_end` receives each epoch of each training.
    """

    recipe: Recipe
    layout: RunLayout
    reporter: Reporter
    stop: StopRequest = field(default_factory=StopRequest)
    trains_student: bool = True
    records: dict[str, StageRecord] = field(default_factory=dict)
    folds: tuple["Run", ...] = ()
    prefix: str = ""
    on_epoch_end: Callable[[Epoch], None] = field(default=lambda _: None)

    @property
    def start(self) -> Path:
        """Folder of the encoder that the student starts from: its own base, or the first teacher."""
        return self.layout.start(own_base=self.recipe.student.base is not None)

    @property
    def start_stage(self) -> str:
        """Name of the stage that leaves it."""
        return "teacher" if self.recipe.student.base is None else "base"

    @property
    def gold_stages(self) -> tuple[str, ...]:
        """The stages that leave texts and labels."""
        return tuple(name for name in ("corpus", "own_labels") if name == "corpus" or name in self.records)

    @property
    def is_fold(self) -> bool:
        """Return whether it is the run of one fold, whose models are measured and never shipped."""
        return self.recipe.corpus.fold is not None

    @property
    def students(self) -> tuple[StudentRun, ...]:
        """One student per seed of the recipe, or one with the recipe's own seed."""
        seeds = self.recipe.seeds
        several = tuple(StudentRun(self, self.layout.of_seed(seed), seed) for seed in seeds)
        return several or (StudentRun(self, self.layout, self.recipe.seed),)

    @cached_property
    def corpus(self) -> Corpus:
        """The normalised corpus, opened and checked against its fingerprint once per command."""
        return load_corpus(self.layout.corpus)

    def adopt_own_labels(self) -> None:
        """Continue with the labels that a language model gave to a corpus without any."""
        from distill.labelling.own_labels import with_own_labels

        self.corpus = with_own_labels(load_corpus(self.layout.corpus), self.layout.own_labels)

    @property
    def fold_corpora(self) -> dict[Path, Corpus]:
        """The corpus of each fold by the folder of its run; empty for a corpus without folds."""
        return {fold.layout.folder: fold.corpus for fold in self.folds}

    @cached_property
    def tokens(self) -> "TokenCache":
        """Token ids of the corpus, made once per tokenizer."""
        from distill.teachers.token_cache import TokenCache

        return TokenCache(self.layout.folder, self.recipe.corpus.max_tokens, self.reads)

    @property
    def reads(self) -> Input:
        """The kind of input that one row of the corpus is."""
        return self.corpus.turns or corpus_spec(self.recipe.corpus).reads

    @cached_property
    def sample(self) -> "Sample":
        """Texts of the corpus that tell how tokenizers read it."""
        from distill.training.reading import Sample

        return Sample(self.corpus, self.recipe.corpus.max_tokens)

    def controls(self) -> "TrainingControls":
        """Return what surrounds each training of this run."""
        from distill.training.callback import Resources
        from distill.training.session import TrainingControls
        from distill.training.tracking import Trackers, open_trackers

        def trackers(folder: Path) -> Trackers:
            if not self.recipe.track.names:
                return Trackers()
            training = folder.relative_to(self.layout.folder).as_posix().replace(PARTIAL, "")
            return open_trackers(self.recipe.track.names, self.layout.track, training)

        seconds = 60 * self.recipe.checkpoint_minutes
        resources = Resources(**dict(self.recipe.training))
        return TrainingControls(self.reporter, self.stop, seconds, self.on_epoch_end, trackers, resources)

    def freeze(self, values: Mapping[str, Any], heading: str = "") -> None:
        """Continue with a recipe in which open values are named, and write it into the run's folder.

        Args:
            values: by their keys such as `student.layers`.
            heading: lines of comment above the recipe.
        """
        self.recipe = with_values(self.recipe, dict(values), self.recipe.name)
        write_text(self.layout.recipe, f"{heading}{self.recipe.to_toml()}")

    def stage(
        self,
        name: str,
        folder: Path,
        inputs: Mapping[str, Any],
        work: Callable[[Path], None],
        *,
        resumable: bool = False,
        extra_outputs: tuple[Path, ...] = (),
        editable: tuple[Path, ...] = (),
    ) -> None:
        """Execute one stage, or find it done, and say so.

        Raises:
            Interrupted: a stop was asked for.
            ResourceError: the disk or the memory ran out.
        """
        stage = Stage(
            name,
            folder,
            inputs,
            _version(name),
            work,
            resumable=resumable,
            extra_outputs=extra_outputs,
            editable=editable,
        )
        try:
            record = execute(stage)
        except KeyboardInterrupt:
            raise Interrupted(name) from None
        except Exception as error:
            if self.stop.asked:  # a library turned the interrupt into an error of its own
                raise Interrupted(name) from error
            shortage = stage_shortage(error, name, self.layout.folder)
            if shortage is not None:
                raise shortage from error
            raise
        self.stop.check()  # a library may have swallowed the interrupt
        self.records[name] = record
        self.reporter.say(
            f"{self.prefix}{name}: {'already done' if record.skipped else f'{record.seconds:.1f} s'}"
        )

    def earlier(self, name: str, folder: Path, inputs: Mapping[str, Any]) -> StageRecord | None:
        """Return the record of a stage that an earlier command executed; see `earlier_record`."""
        return earlier_record(name, folder, inputs, _version(name))

    def fold_digest(self, *names: str) -> dict[str, str]:
        """Return the hashes of stages of every fold, as inputs of what pools them; nothing without folds."""
        return {f"{fold.prefix}{name}": fold.records[name].digest for fold in self.folds for name in names}

    def digest(self, *names: str) -> dict[str, str]:
        """Return the hashes of earlier stages' outputs, as inputs of a later one."""
        return {name: self.records[name].digest for name in names}


def _version(name: str) -> int:
    return VERSIONS[_STAGE_NAME.sub("", name).split("/")[0]]
