"""A run under way: its stages are executed one after the other, or found done."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from distill.files.atomic import write_text
from distill.recipe.load import with_values
from distill.runs.context import Job
from distill.runs.interrupts import Interrupted
from distill.runs.shortage import stage_shortage
from distill.runs.stage import Stage, StageRecord, earlier_record, execute

# raised when a stage's code comes to give other results
VERSIONS = {
    "corpus": 2,
    "plan": 3,
    "augmented": 1,
    "teacher": 3,
    "ensemble": 1,
    "quality": 2,
    "labels": 4,
    "layers": 1,
    "student": 2,
    "twin": 2,
    "qat": 1,
    "export": 5,
    "precision": 1,
    "bundle": 3,
    "bench": 5,
    "report": 7,
}

# of one of several: a student's seed before a stage's name, a teacher's number behind it
_STAGE_NAME = re.compile(r"^seeds/\d+/|-\d+(?=/|$)")


@dataclass
class Run:
    """A job under way: the records of the stages so far, by stage name."""

    job: Job
    trains_student: bool
    records: dict[str, StageRecord] = field(default_factory=dict)

    def go_on_with(self, values: dict[str, Any], heading: str = "") -> None:
        """Go on with the recipe whose open values were chosen, and write it into the run's folder.

        Args:
            values: by their keys such as `student.layers`.
            heading: lines of comment above the recipe.
        """
        recipe = with_values(self.job.recipe, values, self.job.recipe.name)
        self.job = replace(self.job, recipe=recipe)
        write_text(self.job.folder / "recipe.toml", f"{heading}{recipe.to_toml()}")

    def stage(
        self,
        name: str,
        folder: Path,
        inputs: Mapping[str, Any],
        work: Callable[[Path], None],
        *,
        resumable: bool = False,
        also: tuple[Path, ...] = (),
        edited: tuple[Path, ...] = (),
    ) -> None:
        """Execute one stage, or find it done, and say so.

        Raises:
            Interrupted: somebody stopped it.
            ResourceError: disk or memory did not suffice.
        """
        stage = Stage(name, folder, inputs, _version(name), work, resumable=resumable, also=also, edited=edited)
        try:
            record = execute(stage)
        except KeyboardInterrupt:
            raise Interrupted(name) from None
        except Exception as error:
            if self.job.stop.asked:  # a library made an error of its own of the interrupt
                raise Interrupted(name) from error
            short = stage_shortage(error, name, self.job.folder)
            if short is not None:
                raise short from error
            raise
        self.job.stop.check()  # a library may have swallowed the interrupt
        self.records[name] = record
        self.job.reporter.say(f"{name}: {'already done' if record.skipped else f'{record.seconds:.1f} s'}")

    def earlier(self, name: str, folder: Path, inputs: Mapping[str, Any]) -> StageRecord | None:
        """The record of a stage that an earlier command executed; see `earlier_record`."""
        return earlier_record(name, folder, inputs, _version(name))

    def digest(self, *names: str) -> dict[str, str]:
        """The hashes of earlier stages' outputs, as inputs of a later one."""
        return {name: self.records[name].digest for name in names}


def _version(name: str) -> int:
    return VERSIONS[_STAGE_NAME.sub("", name).split("/")[0]]
