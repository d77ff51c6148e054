"""The recipe's tables of what a student learns from: [corpus], [teacher], [augmentation]."""

from typing import Annotated, Literal

from pydantic import Field, StrictInt, model_validator

from distill.corpora.assembly.read import CorpusSpec
from distill.recipe.section import RATES, Fraction, Rate, Section, Seed

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]

Way = Literal["join", "cut", "cross", "drop", "mask", "substitute"]


class CorpusRecipe(Section):
    """[corpus]: where the rows are and how to read them."""

    source: str = Field("sample", description="hub:ID[:config][@revision], a file, a folder of splits, or sample")
    task: Literal["single_label", "multi_label"] = Field(description="one label a row, or any number")
    text: str | list[str] = Field("text", description="column, or several that are joined")
    joiner: str = Field("\n", description="what stands between joined columns")
    labels: str | Annotated[list[str], Field(min_length=2)] = Field(
        "labels", description="column of names, 0-based ids, lists or delimited strings; or columns of 0 and 1"
    )
    label_names: list[str] | str | None = Field(None, description="in logit order, or a file with one a line")
    delimiter: str | None = Field(",", description="splits a string of several labels")
    missing: list[str] | None = Field(
        None, description="values of the labels column that mean none: such rows are left out and counted"
    )
    label_form: Literal["names", "ids", "vector"] | None = Field(
        None, description="what a label cell is where it could be read in two ways"
    )
    columns: list[str] | None = Field(None, description="names the fields of a csv or tsv without a header")
    encoding: str | None = Field(None, description="of text files, such as gb18030 or cp1252; none: UTF-8")
    quoting: bool | None = Field(
        None, description="whether quotation marks around a field are the file's; none: in csv, and checked"
    )
    where: dict[str, str | list[str]] | None = Field(None, description="keep rows with these column values")
    group: str | None = Field(None, description="column whose rows stay in one split (conversation, client)")
    group_scope: Literal["split", "source"] = Field(
        "split", description="where one group id means one group: inside a published split, or in the whole source"
    )
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
    checkpoint: str | Annotated[list[str], Field(min_length=1)] | None = Field(
        None, description="the same, but already fine-tuned for these labels; a list is an ensemble"
    )
    sha256: Sha256 | list[Sha256] | None = Field(
        None, description="pins model or checkpoint, or each of a list: the hash that `distill check` prints"
    )
    seeds: list[Seed] = Field([], description="fine-tune one teacher for each, an ensemble; none: one, with seed")
    average: Literal["logits", "probabilities"] = Field("logits", description="what an ensemble averages")
    fit_temperature: bool = Field(
        False, description="divide each teacher's logits by the temperature that is best on validation"
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

    def rates(self) -> dict[str, float]:
        """Return AdamW's learning rates and weight decay by their keys."""
        return self.model_dump(include=set(RATES))

    @model_validator(mode="after")
    def _members(self) -> "TeacherRecipe":
        checkpoints = self.checkpoint if isinstance(self.checkpoint, list) else []
        if self.checkpoint is not None and self.seeds:
            raise ValueError("seeds are of teachers that are fine-tuned, and a checkpoint is not: remove one")
        if len(set(self.seeds)) < len(self.seeds) or len(set(checkpoints)) < len(checkpoints):
            raise ValueError("an ensemble needs members that differ: name each seed and checkpoint once")
        if isinstance(self.sha256, list) and len(self.sha256) != len(checkpoints):
            raise ValueError("a list of sha256 pins a list of checkpoints: one for each, in their order")
        return self


class AugmentationRecipe(Section):
    """[augmentation]: texts made out of the train rows, labelled by the teacher, for the student alone."""

    rows: int = Field(0, ge=0, le=10_000_000, description="texts to make; 0 makes none")
    ways: list[Way] = Field(
        ["join", "cut", "cross", "drop", "mask"],
        min_length=1,
        description="join two rows, cut a part, cross two, drop or mask words, substitute by masked_model",
    )
    share: Fraction = Field(0.3, description="of a row's words that are dropped, masked or substituted, at most")
    masked_model: str | None = Field(
        None, description="masked language model for substitute: ORG/NAME[@REVISION] on the hub, or a folder"
    )

    @model_validator(mode="after")
    def _model(self) -> "AugmentationRecipe":
        if "substitute" in self.ways and self.masked_model is None:
            raise ValueError(
                "substitute needs augmentation.masked_model; name one, or take substitute out of ways"
            )
        return self


def corpus_spec(recipe: CorpusRecipe) -> CorpusSpec:
    """The recipe's [corpus] as what the readers take."""
    values = recipe.model_dump(exclude={"max_tokens", "licence", "rows"})
    values["text"] = (recipe.text,) if isinstance(recipe.text, str) else tuple(recipe.text)
    for key in ("columns", "row_id", "label_names", "labels", "missing"):
        if isinstance(values[key], list):
            values[key] = tuple(values[key])
    return CorpusSpec(**values)
