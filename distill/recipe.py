"""The recipe: strict, frozen models of the TOML file that describes a job; its errors teach."""

import difflib
import tomllib
from importlib import resources
from pathlib import Path
from typing import Any

import tomli_w
from pydantic import (
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import ErrorDetails

from distill.recipe_section import Section, Seed
from distill.recipe_shipping import BenchRecipe, BudgetRecipe, Calibration, DecisionsRecipe, ExportRecipe
from distill.recipe_sources import AugmentationRecipe, CorpusRecipe, TeacherRecipe
from distill.recipe_student import (
    FEATURE_WEIGHTS,
    SINGLE_LABEL_WEIGHTS,
    WITH_LAYERS,
    LayerSearchRecipe,
    ObjectiveRecipe,
    QatRecipe,
    SearchRecipe,
    StudentRecipe,
)
from export.packing import whole_rows
from export.runtime.errors import InputError


class Recipe(Section):
    """A whole job."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", description="names the run's folder")
    seed: Seed = Field(13, description="of every source of randomness")
    seeds: list[Seed] = Field(
        [], description="one student (and twin) for each, the best on validation ships; none: one, with seed"
    )
    checkpoint_minutes: float = Field(
        5.0, gt=0, description="between checkpoints of a training: what a killed run may lose"
    )
    corpus: CorpusRecipe
    teacher: TeacherRecipe = TeacherRecipe()
    augmentation: AugmentationRecipe = AugmentationRecipe()
    student: StudentRecipe = StudentRecipe()
    layer_search: LayerSearchRecipe = LayerSearchRecipe()
    objective: ObjectiveRecipe = ObjectiveRecipe()
    decisions: DecisionsRecipe = DecisionsRecipe()
    qat: QatRecipe = QatRecipe()
    export: ExportRecipe = ExportRecipe()
    bench: BenchRecipe = BenchRecipe()
    budget: BudgetRecipe = BudgetRecipe()
    search: SearchRecipe = SearchRecipe()

    @model_validator(mode="after")
    def _space(self) -> "Recipe":
        known = sorted(key for key in _known_keys() if key.startswith(("student.", "objective.")))
        for key in self.search.space:
            if key not in known:
                near = difflib.get_close_matches(key, known, n=1)
                hint = f"did you mean {near[0]}?" if near else "only keys of student and objective can be searched"
                raise ValueError(f"search.space has {key!r}; {hint}")
        return self

    @model_validator(mode="after")
    def _static_is_not_trained_as_int8(self) -> "Recipe":
        aware = self.export.trained_as_int8
        if self.student.kind == "static" and aware:
            raise ValueError(
                f"export.precision has {aware[0]!r}, and a static student is quantized after its training alone; "
                f"use {aware[0].removesuffix('-qat')!r}"
            )
        return self

    @model_validator(mode="after")
    def _tables_of_few_bits(self) -> "Recipe":
        bits, student = self.export.table_bits, self.student
        if bits == 8:
            return self
        aware = self.export.trained_as_int8
        if aware:
            raise ValueError(
                f"export.table_bits is {bits}, and {aware[0]} trains tables of 8 bits; set it to 8, "
                f"or use {aware[0].removesuffix('-qat')!r}"
            )
        if student.kind != "layers" and student.width % whole_rows(bits):
            raise ValueError(
                f"export.table_bits is {bits}, and rows of student.width = {student.width} numbers do not fill "
                f"whole bytes; choose a multiple of {whole_rows(bits)}, or set export.table_bits to 8"
            )
        return self

    @model_validator(mode="after")
    def _what_a_budget_chooses(self) -> "Recipe":
        if not (self.budget.asked and self.budget.choose):
            return self
        if self.student.vocabulary_bytes is not None:
            raise ValueError(
                "student.vocabulary_bytes is for one width, and a [budget] chooses among several; use "
                "student.vocabulary_coverage, or set budget.choose to false"
            )
        aware = self.export.trained_as_int8
        if aware:
            raise ValueError(
                f"export.precision has {aware[0]!r}, and a [budget] chooses a precision among those that need no "
                "more training; leave it out, or set budget.choose to false"
            )
        return self

    @model_validator(mode="after")
    def _seeds(self) -> "Recipe":
        if len(set(self.seeds)) < len(self.seeds):
            raise ValueError("seeds must differ: name each once")
        return self

    @model_validator(mode="before")
    @classmethod
    def _choose_calibration(cls, data: Any) -> Any:
        """Write the task's own default out, so that the resolved recipe says what was done."""
        if not isinstance(data, dict) or not isinstance(data.get("corpus"), dict):
            return data
        decisions = data.get("decisions", {})
        if not isinstance(decisions, dict) or decisions.get("calibration") is not None:
            return data
        chosen = default_calibration(data["corpus"].get("task"))
        return {**data, "decisions": {**decisions, "calibration": chosen}}

    @model_validator(mode="after")
    def _decided_by_argmax(self) -> "Recipe":
        if self.corpus.task == "multi_label":
            return self
        for key in ("recall_floor", "precision_floor"):
            if getattr(self.decisions, key):
                raise ValueError(
                    f"decisions.{key} moves thresholds, and a single_label task is decided by the highest score; "
                    "remove it"
                )
        if self.decisions.calibration not in ("temperature", "none"):
            raise ValueError(
                f"decisions.calibration is {self.decisions.calibration!r}, which is for multi_label tasks; "
                "choose temperature or none"
            )
        return self

    @field_validator("objective")
    @classmethod
    def _possible_terms(cls, objective: ObjectiveRecipe, info: ValidationInfo) -> ObjectiveRecipe:
        corpus, student = info.data.get("corpus"), info.data.get("student")
        for name, why in SINGLE_LABEL_WEIGHTS.items():
            if getattr(objective, name) and corpus is not None and corpus.task != "single_label":
                raise ValueError(f"{name} is for single_label corpora: it {why}; set it to 0")
        if objective.reads_teacher and student is not None and student.kind not in WITH_LAYERS:
            on = next(name for name in FEATURE_WEIGHTS if getattr(objective, name))
            raise ValueError(f"{on} needs a student with layers ({', '.join(WITH_LAYERS)}); set it to 0")
        return objective

    def to_toml(self) -> str:
        """The resolved recipe, every default written out; reading it again gives an equal recipe."""
        return tomli_w.dumps(self.model_dump(mode="json", exclude_none=True))


def default_calibration(task: str | None) -> Calibration:
    """What calibrates best: one temperature for single-label, for multi-label Platt scaling a label."""
    return "temperature" if task == "single_label" else "platt-per-label"


def packaged_recipes() -> list[str]:
    """Names of the recipes that the package carries."""
    folder = resources.files("distill") / "recipes"
    return sorted(entry.name.removesuffix(".toml") for entry in folder.iterdir() if entry.name.endswith(".toml"))


def with_values(recipe: Recipe, values: dict[str, Any], where: str) -> Recipe:
    """A recipe with some values exchanged, by their keys such as `student.epochs`; checked as a whole.

    Raises:
        InputError: a value is out of its bounds, or does not go with the others.
    """
    data = recipe.model_dump(mode="json", exclude_none=True)
    for key, value in values.items():
        table, _, name = key.partition(".")
        data[table][name] = value
    return parse_recipe(data, where)


def load_recipe(name: str, overrides: list[str] | None = None) -> Recipe:
    """A recipe by file or packaged name, with `key.path=value` overrides.

    Raises:
        InputError: no such recipe, broken TOML, an unknown key, a value out of its bounds.
    """
    path = Path(name)
    if path.is_file():
        text, where = _read(path), str(path)
    elif name in packaged_recipes():
        text, where = (resources.files("distill") / "recipes" / f"{name}.toml").read_text("utf-8"), name
    else:
        near = difflib.get_close_matches(name, packaged_recipes(), n=1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise InputError(
            f"{name}: no such file and no packaged recipe; {hint}the packaged ones are "
            f"{', '.join(packaged_recipes())}"
        )
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{where}: not valid TOML: {error}") from error
    for override in overrides or []:
        _apply(data, override)
    return parse_recipe(data, where)


def parse_recipe(data: dict[str, Any], where: str) -> Recipe:
    """Validate parsed TOML; `where` opens the complaint."""
    try:
        return Recipe.model_validate(data)
    except ValidationError as error:
        raise InputError(f"{where}: {_explain(error, data)}") from None


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read as UTF-8 text; check the file") from error


def _apply(data: dict[str, Any], override: str) -> None:
    """Set one `table.key=value`; the value is TOML, or else a plain string."""
    key, equals, value = override.partition("=")
    parts = [part.strip() for part in key.split(".")]
    if not equals or not all(parts):
        raise InputError(f"--set {override!r}: must be KEY=VALUE, for instance student.layers=[0,3,5]")
    try:
        parsed = tomllib.loads(f"value = {value.strip()}")["value"]
    except tomllib.TOMLDecodeError:
        parsed = value.strip()
    table = data
    for part in parts[:-1]:
        table = table.setdefault(part, {})
        if not isinstance(table, dict):
            raise InputError(f"--set {override!r}: {part!r} is a value, not a table")
    table[parts[-1]] = parsed


def _explain(error: ValidationError, data: dict[str, Any]) -> str:
    """Pydantic's complaints about the first wrong key as a sentence with key, value, bound and remedy."""
    first = error.errors()[0]
    key = _key_of(first)
    if not key:  # of the recipe as a whole
        return _message(first)
    same = [one for one in error.errors() if _key_of(one) == key]  # one for each member of a union
    others = error.error_count() - len(same)
    more = f" (and {others} more)" if others else ""
    if first["type"] == "extra_forbidden":
        near = difflib.get_close_matches(key, sorted(_known_keys()), n=1, cutoff=0.5)
        return f"unknown key {key}" + (f"; did you mean {near[0]}?" if near else "; remove it") + more
    if first["type"] == "missing" and key == ".".join(map(str, first["loc"])):
        return f"key {key} is missing; add it{more}"
    if not key:  # about values that do not go together
        return f"{'; '.join(dict.fromkeys(map(_message, same)))}{more}"
    value: Any = data
    for part in key.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    shown = "" if isinstance(value, dict) else f" is {value!r};"
    return f"{key}{shown} {', or '.join(dict.fromkeys(map(_message, same)))}{more}"


def _key_of(complaint: ErrorDetails) -> str:
    """The recipe's key that a complaint is about: a union adds its member's name to the path, a list a place."""
    known = _known_keys()
    path = [str(part) for part in complaint["loc"]]
    while len(path) > 1 and ".".join(path) not in known and complaint["type"] != "extra_forbidden":
        path.pop()
    return ".".join(path)


def _message(complaint: ErrorDetails) -> str:
    if complaint["type"] == "missing":
        return "it has too few values"
    message = complaint["msg"].removeprefix("Value error, ")
    return message[0].lower() + message[1:]


def _known_keys() -> set[str]:
    keys = set()
    for name, field in Recipe.model_fields.items():
        keys.add(name)
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, Section):
            keys |= {f"{name}.{key}" for key in inner.model_fields}
    return keys
