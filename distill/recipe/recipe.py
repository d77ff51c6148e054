"""The recipe: strict, frozen models of the TOML file that describes a run; errors say how to correct it."""

import difflib
from typing import Any

import tomli_w
from pydantic import (
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from distill.corpora.assembly.spec import SEGMENTS
from distill.export.runtime.errors import InputError
from distill.recipe.augmentation import AugmentationRecipe
from distill.recipe.budget import BenchRecipe, BudgetRecipe
from distill.recipe.complaints import explain
from distill.recipe.floors import FLOOR_KEYS
from distill.recipe.kinds import KINDS
from distill.recipe.label import LabelRecipe
from distill.recipe.labels_needed import keys_that_need_labels
from distill.recipe.llm import USUAL_ENDING, USUAL_PROMPT, EndpointRecipe, VerbaliserRecipe
from distill.recipe.section import Section, Seed, section_of
from distill.recipe.shipping import DecisionsRecipe, ExportRecipe
from distill.recipe.sources import CorpusRecipe, TeacherRecipe
from distill.recipe.student import (
    FEATURE_WEIGHTS,
    WEIGHTS_OF_KINDS,
    LayerSearchRecipe,
    ObjectiveRecipe,
    QatRecipe,
    SearchRecipe,
    StudentRecipe,
)
from distill.recipe.table_bits import check_table_bits
from distill.recipe.track import TrackRecipe
from distill.recipe.training import TrainingRecipe
from distill.recipe.with_context import check_context
from distill.students.families import FAMILIES

# begins a message about a recipe that has no file
IN_PYTHON = "Recipe: "


class Recipe(Section):
    """A complete recipe.

    Raises:
        InputError: a key is unknown or missing, or a value is out of its bounds.
    """

    name: str = Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", description="Name of the recipe and of its run's folder."
    )
    seed: Seed = Field(13, description="Seed of every random number generator.")
    seeds: list[Seed] = Field(
        [],
        description="Train one student (and twin) per seed and ship the best on validation; without any, one with "
        "`seed`.",
    )
    checkpoint_minutes: float = Field(
        5.0, gt=0, description="Minutes between checkpoints of a training: what a killed run may lose."
    )
    corpus: CorpusRecipe
    teacher: TeacherRecipe = TeacherRecipe()
    verbaliser: VerbaliserRecipe | None = None
    endpoint: EndpointRecipe | None = None
    augmentation: AugmentationRecipe = AugmentationRecipe()
    label: LabelRecipe = LabelRecipe()
    student: StudentRecipe = StudentRecipe()
    layer_search: LayerSearchRecipe = LayerSearchRecipe()
    objective: ObjectiveRecipe = ObjectiveRecipe()
    training: TrainingRecipe = TrainingRecipe()
    decisions: DecisionsRecipe = DecisionsRecipe()
    qat: QatRecipe = QatRecipe()
    export: ExportRecipe = ExportRecipe()
    bench: BenchRecipe = BenchRecipe()
    budget: BudgetRecipe = BudgetRecipe()
    search: SearchRecipe = SearchRecipe()
    track: TrackRecipe = TrackRecipe()

    def __init__(self, /, **data: Any) -> None:
        try:
            super().__init__(**data)
        except ValidationError as error:
            raise InputError(f"{IN_PYTHON}{explain(error, data, known_keys())}") from None

    @model_validator(mode="after")
    def _space(self) -> "Recipe":
        known = sorted(key for key in known_keys() if key.startswith(("student.", "objective.")))
        for key in self.search.space:
            if key not in known:
                near = difflib.get_close_matches(key, known, n=1)
                hint = f"Did you mean {near[0]}?" if near else "Name keys of student and objective alone."
                raise ValueError(f"search.space has {key!r}. {hint}")
        return self

    @model_validator(mode="after")
    def _shared_work(self) -> "Recipe":
        self.training.check_beside(self.teacher, self.student, self.objective)
        return self

    @model_validator(mode="after")
    def _trained_as_int8(self) -> "Recipe":
        aware = self.export.trained_as_int8
        if aware and not self.student.family.trains_as_int8:
            raise ValueError(
                f"export.precision has {aware[0].name!r}, but a {self.student.kind} student is only quantized "
                f"after training. Use {aware[0].plain.name!r}."
            )
        return self

    @model_validator(mode="after")
    def _tables_of_few_bits(self) -> "Recipe":
        family = self.student.family
        check_table_bits(self.export, family.values.get("table_bits"), family.width)
        return self

    @model_validator(mode="after")
    def _what_a_budget_chooses(self) -> "Recipe":
        if not (self.budget.asked and self.budget.choose):
            return self
        if self.student.vocabulary_bytes is not None:
            raise ValueError(
                "student.vocabulary_bytes applies to one width, but a [budget] chooses among several. Use "
                "student.vocabulary_coverage, or set budget.choose to false."
            )
        aware = self.export.trained_as_int8
        if aware:
            raise ValueError(
                f"export.precision has {aware[0].name!r}, but a [budget] chooses among the precisions that need "
                "no further training. Remove it, or set budget.choose to false."
            )
        return self

    @model_validator(mode="after")
    def _read_with_context(self) -> "Recipe":
        check_context(self.corpus, self.teacher, self.augmentation, self.student)
        return self

    @model_validator(mode="after")
    def _made_of_texts(self) -> "Recipe":
        if self.augmentation.rows and self.corpus.joiner == SEGMENTS:
            raise ValueError(
                f"augmentation.rows makes texts, but corpus.joiner = '{SEGMENTS}' reads pairs. Set the former to "
                "0."
            )
        return self

    @model_validator(mode="after")
    def _seeds(self) -> "Recipe":
        if len(set(self.seeds)) < len(self.seeds):
            raise ValueError("The seeds must differ. List each once.")
        return self

    @model_validator(mode="before")
    @classmethod
    def _choose_calibration(cls, data: Any) -> Any:
        """Fill in the task's default, so that the resolved recipe says what was done."""
        if not isinstance(data, dict) or not isinstance(data.get("corpus"), dict):
            return data
        decisions = data.get("decisions", {})
        if not isinstance(decisions, dict) or decisions.get("calibration") is not None:
            return data
        kind = KINDS.get(str(data["corpus"].get("task")))
        if kind is None:
            return data
        return {**data, "decisions": {**decisions, "calibration": kind.calibrations[0]}}

    @model_validator(mode="before")
    @classmethod
    def _choose_what_is_asked(cls, data: Any) -> Any:
        """Fill in what a language model as the teacher needs, so that the resolved recipe says what was done."""
        if not isinstance(data, dict) or not isinstance(data.get("teacher"), dict):
            return data
        if data["teacher"].get("kind", "classifier") == "classifier":
            return data
        kind_of_teacher = data["teacher"]["kind"]
        asked, student = data.get("verbaliser", {}), data.get("student", {})
        if not isinstance(asked, dict) or not isinstance(student, dict):
            return data
        task = data["corpus"].get("task") if isinstance(data.get("corpus"), dict) else None
        kind = KINDS.get(str(task))
        prior = asked.get("calibration") or (kind.prior if kind else None)
        base = student.get("base") or TeacherRecipe().model
        prompt = asked.get("prompt") or (USUAL_ENDING if kind_of_teacher == "verbaliser" else USUAL_PROMPT)
        asked = {**asked, "prompt": prompt, "calibration": prior}
        return {**data, "verbaliser": asked, "student": {**student, "base": base}}

    @model_validator(mode="before")
    @classmethod
    def _learn_from_the_teacher_alone(cls, data: Any) -> Any:
        """Fill in the objective of a corpus without labels, so that the resolved recipe says what was done."""
        if not isinstance(data, dict) or not isinstance(data.get("corpus"), dict):
            return data
        objective = data.get("objective", {})
        if data["corpus"].get("labels") is not False or not isinstance(objective, dict):
            return data
        return {**data, "objective": {"soft_weight": 1.0, **objective}}

    @model_validator(mode="after")
    def _without_labels(self) -> "Recipe":
        if self.corpus.labels is not False:
            return self
        needs = keys_that_need_labels(self.corpus, self.teacher, self.verbaliser, self.objective, self.decisions)
        for key, needed in needs.items():
            if needed:
                raise ValueError(
                    f"corpus.labels is false, but {key} as it is set needs labelled rows. Change it, or name the "
                    "column of the labels."
                )
        return self

    @model_validator(mode="after")
    def _who_is_asked(self) -> "Recipe":
        kind, written = self.teacher.kind, self.augmentation.written
        asks = [f"augmentation.ways has {way}" for way in written]
        asks += ["teacher.kind is endpoint"] * (kind == "endpoint")
        if asks and self.endpoint is None:
            raise ValueError(f"{asks[0]}, but there is no [endpoint]. Add it with its model.")
        for name, is_read in (("verbaliser", kind != "classifier"), ("endpoint", bool(asks))):
            if getattr(self, name) is not None and not is_read:
                raise ValueError(f"Nothing reads [{name}], because teacher.kind is {kind!r}. Remove one of them.")
        if self.label.engine != "local" and kind != "classifier":
            raise ValueError(
                f"label.engine is {self.label.engine!r}, but the {kind} is asked from this process. "
                "Set it to 'local'."
            )
        if self.objective.reads_teacher and self.student.base is not None:
            raise ValueError(
                "The objective matches the teacher's hidden states, but student.base starts the student from "
                "another encoder. Set the weights of [objective] that need them to 0."
            )
        return self

    @model_validator(mode="after")
    def _decided_as_the_task_is(self) -> "Recipe":
        task, kind = self.corpus.task, KINDS[self.corpus.task]
        if kind.ordered and self.corpus.label_names is None:
            raise ValueError(
                f"corpus.label_names is missing, but {task} labels have an order. List them, lowest first."
            )
        for metric in self.decisions.floors:
            key = FLOOR_KEYS[metric]
            if key not in kind.floors:
                takers = [name for name, other in KINDS.items() if key in other.floors]
                own = [other for other in FLOOR_KEYS.values() if other in kind.floors]
                remedy = f"A {task} task takes {' or '.join(own) or 'no floor'}."
                raise ValueError(f"decisions.{key} is for {' and '.join(takers)} tasks. {remedy}")
        if self.decisions.out_of_domain_share and kind.ordered:
            raise ValueError(
                f"decisions.out_of_domain_share needs logits, which the graph of an {task} student does not give. "
                "Set it to 0."
            )
        chosen = self.decisions.calibration
        if chosen is not None and chosen not in kind.calibrations:
            others = [name for name, other in KINDS.items() if chosen in other.calibrations]
            raise ValueError(
                f"decisions.calibration is {chosen!r}, which is for {' and '.join(others)} tasks. Choose "
                f"{' or '.join(kind.calibrations)}."
            )
        return self

    @field_validator("objective")
    @classmethod
    def _possible_terms(cls, objective: ObjectiveRecipe, info: ValidationInfo) -> ObjectiveRecipe:
        corpus, student = info.data.get("corpus"), info.data.get("student")
        for name, why in WEIGHTS_OF_KINDS.items():
            if getattr(objective, name) and corpus is not None and name not in KINDS[corpus.task].weights:
                others = " and ".join(other for other, kind in KINDS.items() if name in kind.weights)
                raise ValueError(f"{name} is for {others} corpora: it {why}. Set it to 0.")
        if objective.reads_teacher and student is not None and not student.family.has_layers:
            on = next(name for name in FEATURE_WEIGHTS if getattr(objective, name))
            with_layers = ", ".join(kind for kind, family in FAMILIES.items() if family.has_layers)
            raise ValueError(f"{on} needs a student with layers ({with_layers}). Set it to 0.")
        return objective

    def to_toml(self) -> str:
        """Return the recipe as TOML with every default written out; reading it again returns an equal recipe."""
        return tomli_w.dumps(self.model_dump(mode="json", exclude_none=True))


def known_keys() -> set[str]:
    """Return every key that a recipe may have, such as `student.epochs`."""
    keys = set()
    for name, field in Recipe.model_fields.items():
        keys.add(name)
        inner = section_of(field)
        if inner is not None:
            keys |= {f"{name}.{key}" for key in inner.model_fields}
    return keys
