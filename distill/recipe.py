"""The recipe: strict, frozen models of the TOML file that describes a job; its errors teach."""

import difflib
import tomllib
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal

import tomli_w
from pydantic import BaseModel, ConfigDict, Field, StrictInt, ValidationError, model_validator
from pydantic_core import ErrorDetails

from export.runtime.errors import InputError

Fraction = Annotated[float, Field(gt=0, lt=1)]
Rate = Annotated[float, Field(gt=0, le=1)]
Count = Annotated[int, Field(ge=1)]
Precision = Literal[
    "fp32",
    "int8-dynamic",
    "int8-static",
    "int8-weights",
    "int8-dynamic-qat",
    "int8-static-qat",
    "int8-weights-qat",
]


class Section(BaseModel):
    """What every table of a recipe keeps to: no unknown key, no change after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class CorpusRecipe(Section):
    """[corpus]: where the rows are and how to read them."""

    source: str = Field("sample", description="hub:ID[:config][@revision], a file, a folder of splits, or sample")
    task: Literal["single_label", "multi_label"] = Field(description="one label a row, or any number")
    text: str | list[str] = Field("text", description="column, or several that are joined")
    joiner: str = Field("\n", description="what stands between joined columns")
    labels: str = Field("labels", description="column of names, 0-based ids, lists or delimited strings")
    label_names: list[str] | str | None = Field(None, description="in logit order, or a file with one a line")
    delimiter: str | None = Field(",", description="splits a string of several labels")
    columns: list[str] | None = Field(None, description="names the fields of a csv or tsv without a header")
    where: dict[str, str | list[str]] | None = Field(None, description="keep rows with these column values")
    group: str | None = Field(None, description="column whose rows stay in one split (conversation, client)")
    row_id: list[str] | None = Field(None, description="columns that identify a row; repeats are annotators")
    one_per_group: bool = Field(False, description="keep the first row of each group")
    min_rows: int = Field(1, ge=1, description="labels with fewer rows are left out with their rows")
    split: tuple[Fraction, Fraction, Fraction] | str = Field(
        (0.8, 0.1, 0.1), description="train, validation, test; or the column that names the split"
    )
    duplicates: Literal["majority", "error", "keep"] = Field("majority", description="rows that repeat a text")
    leaks: Literal["remove", "groups", "keep"] = Field("remove", description="rows that a later split also has")
    on_bad_row: Literal["error", "quarantine"] = Field("error", description="stop, or put aside and count")
    transfer: str | None = Field(None, description="file of texts without labels, one a line or a table")
    scrub: bool = Field(False, description="mask e-mail addresses, links, handles, phone and long numbers first")
    rows: int | None = Field(None, ge=10, description="at most so many rows of each split, spread evenly")
    max_tokens: int = Field(64, ge=4, le=512, description="longer texts are cut, in tokens")
    licence: str | None = Field(None, description="the corpus's licence, for the bundle's record")


class TeacherRecipe(Section):
    """[teacher]: which model to fine-tune and how, or a checkpoint that is already fine-tuned."""

    model: str = Field(
        "sentence-transformers/all-MiniLM-L6-v2",
        description="encoder: ORG/NAME[@REVISION] on the hub, or a folder",
    )
    checkpoint: str | None = Field(None, description="the same, but already fine-tuned for these labels")
    sha256: str | None = Field(
        None,
        pattern=r"^[0-9a-f]{64}$",
        description="pins model or checkpoint: the hash that `distill check` prints",
    )
    pooling: Literal["mean", "first"] = Field("mean", description="how hidden states become one vector")
    epochs: int = Field(3, ge=1, le=1000, description="passes over train")
    batch_size: int = Field(32, ge=1, le=4096, description="rows a step")
    body_learning_rate: Rate = Field(1e-4, description="AdamW's, for the body")
    head_learning_rate: Rate = Field(2e-3, description="AdamW's, for the fresh head")
    weight_decay: float = Field(0.01, ge=0, le=1, description="AdamW's, not on biases and norms")
    warmup: float = Field(0.1, ge=0, lt=1, description="share of the steps with a rising learning rate")
    dropout: float = Field(0.1, ge=0, lt=1, description="before the head")
    patience: int = Field(2, ge=1, description="epochs without a better validation macro-F1 before it stops")
    freeze: Literal["none", "body"] | Annotated[StrictInt, Field(ge=1)] = Field(
        "none", description="none; body: all but the head; n: all but the head and the last n layers"
    )
    class_weights: bool = Field(False, description="weigh rare labels up")


class StudentRecipe(Section):
    """[student]: the compact network."""

    kind: Literal["layers", "compact"] = Field("layers", description="the teacher's layers, or an own shape")
    layers: Literal["auto"] | list[Annotated[int, Field(ge=0)]] = Field(
        [1, 3, 5], description="of the teacher, 0-based; auto: the best `depth` of them by a short run (layers)"
    )
    depth: int = Field(2, ge=1, le=48, description="how many layers (compact, and layers = auto)")
    width: int = Field(128, ge=8, le=4096, description="hidden size (compact)")
    heads: int = Field(4, ge=1, le=64, description="attention heads (compact)")
    dropout: float = Field(0.1, ge=0, lt=1, description="before the head")
    trim_vocabulary: bool = Field(True, description="keep only pieces that the corpus needs")
    min_piece_groups: int = Field(5, ge=1, description="groups (or rows) that a kept piece stands in, at least")
    epochs: int = Field(4, ge=1, le=10000, description="passes over train and the transfer set")
    batch_size: int = Field(32, ge=1, le=4096, description="rows a step")
    body_learning_rate: Rate = Field(1e-4, description="AdamW's, for the body")
    head_learning_rate: Rate = Field(1e-3, description="AdamW's, for the head")
    weight_decay: float = Field(0.01, ge=0, le=1, description="AdamW's, not on biases and norms")
    warmup: float = Field(0.1, ge=0, lt=1, description="share of the steps with a rising learning rate")
    patience: int = Field(1000, ge=1, description="epochs without a better validation macro-F1 before it stops")

    @model_validator(mode="after")
    def _shape(self) -> "StudentRecipe":
        if self.kind == "compact" and self.width % self.heads:
            raise ValueError(f"width {self.width} must be a multiple of heads {self.heads}")
        if isinstance(self.layers, str):
            return self
        if not self.layers or sorted(set(self.layers)) != self.layers:
            raise ValueError("layers must be ascending, each once, at least one")
        return self


class LayerSearchRecipe(Section):
    """[layer_search]: the short run that ranks candidates where `student.layers` is auto."""

    rows: int = Field(8000, ge=10, description="of train to learn from, of validation to judge by")
    epochs: int = Field(1, ge=1, le=1000, description="passes over them")


class ObjectiveRecipe(Section):
    """[objective]: what the student minimises."""

    temperature: float = Field(2.0, gt=0, le=100, description="softens teacher and student alike")
    soft_weight: float = Field(0.7, ge=0, le=1, description="of the soft term; the hard one gets the rest")
    compare: bool = Field(True, description="also train the twin: labelled rows only, soft weight 0")


class QatRecipe(Section):
    """[qat]: a student's last phase, trained as what an int8 form computes; all else is as in [student]."""

    epochs: int = Field(1, ge=1, le=1000, description="passes over train and the transfer set")
    body_learning_rate: Rate = Field(2e-5, description="AdamW's, for the body")
    head_learning_rate: Rate = Field(2e-5, description="AdamW's, for the head")


class ExportRecipe(Section):
    """[export]: which variants may ship, in order of preference, and the bounds of their gate."""

    precision: list[Precision] = Field(
        ["int8-dynamic"],
        min_length=1,
        description="the first that passes ships; -qat: of a student trained as that form",
    )
    max_label_flip_rate: float = Field(0.002, ge=0, le=1, description="flips per (row, label)")
    max_row_flip_rate: float = Field(0.05, ge=0, le=1, description="rows with a flip")
    max_macro_f1_drop: float = Field(0.005, ge=0, le=1, description="against the PyTorch student")
    max_recall_drop: float = Field(0.05, ge=0, le=1, description="of labels with min_recall_rows validation rows")
    min_recall_rows: int = Field(50, ge=1, description="validation rows that a label needs to be judged by recall")
    threshold_shrink: float = Field(
        20.0, ge=0, description="positives at which a label's own threshold counts half"
    )


class BenchRecipe(Section):
    """[bench]: how long the run's own bench measures."""

    texts: int = Field(200, ge=10, description="test texts, single, on one thread")
    rounds: int = Field(3, ge=1, description="turns of all candidates")


class Recipe(Section):
    """A whole job."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", description="names the run's folder")
    seed: int = Field(13, ge=0, le=2**31 - 1, description="of every source of randomness")
    checkpoint_minutes: float = Field(
        5.0, gt=0, description="between checkpoints of a training: what a killed run may lose"
    )
    corpus: CorpusRecipe
    teacher: TeacherRecipe = TeacherRecipe()
    student: StudentRecipe = StudentRecipe()
    layer_search: LayerSearchRecipe = LayerSearchRecipe()
    objective: ObjectiveRecipe = ObjectiveRecipe()
    qat: QatRecipe = QatRecipe()
    export: ExportRecipe = ExportRecipe()
    bench: BenchRecipe = BenchRecipe()

    def to_toml(self) -> str:
        """The resolved recipe, every default written out; reading it again gives an equal recipe."""
        return tomli_w.dumps(self.model_dump(mode="json", exclude_none=True))


def packaged_recipes() -> list[str]:
    """Names of the recipes that the package carries."""
    folder = resources.files("distill") / "recipes"
    return sorted(entry.name.removesuffix(".toml") for entry in folder.iterdir() if entry.name.endswith(".toml"))


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
    same = [one for one in error.errors() if _key_of(one) == key]  # one for each member of a union
    others = error.error_count() - len(same)
    more = f" (and {others} more)" if others else ""
    if first["type"] == "extra_forbidden":
        near = difflib.get_close_matches(key, sorted(_known_keys()), n=1, cutoff=0.5)
        return f"unknown key {key}" + (f"; did you mean {near[0]}?" if near else "; remove it") + more
    if first["type"] == "missing" and key == ".".join(map(str, first["loc"])):
        return f"key {key} is missing; add it{more}"
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
