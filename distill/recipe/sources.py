"""The recipe's tables of what a student learns from: [corpus] and [teacher]."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, StrictInt, model_validator

from distill.corpora.assembly.context import Context
from distill.corpora.assembly.read import CorpusSpec
from distill.export.runtime.reading.inputs import Truncate
from distill.recipe.peft import PeftRecipe
from distill.recipe.section import RATES, Fraction, Line, Rate, Section, Seed

# keys of [corpus] that the bundle tells people, and that change no row
OF_NO_ROW = ("licence", "language", "label_meanings")

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class TruncateRecipe(Section):
    """The rule for cutting a pair that is longer than `max_tokens`."""

    column: str | None = Field(None, description="Column that is cut first, by default the longer one.")
    side: Literal["end", "start"] = Field("end", description="Side of a text at which tokens are cut.")


class ContextRecipe(Section):
    """[corpus.context]: rows are turns of conversations, each read with the turns before it."""

    speaker: str = Field("speaker", description="Column of the speaker.")
    conversation: str | None = Field(
        None,
        description="Column that tells conversations apart; not needed where turns are elements of nested lists.",
    )
    order: str | None = Field(
        None, description="Column of numbers or dates that puts turns in order; by default the order of the rows."
    )
    turns: int = Field(5, ge=1, le=100, description="Maximum number of turns before the one that is decided.")
    roles: dict[str, str] | None = Field(
        None,
        description="Mark of each speaker in the vocabulary, such as { client = 'C', therapist = 'T' }; by "
        "default every speaker's name.",
    )
    predict: Literal["this", "next", "conversation"] = Field(
        "this",
        description="What is decided: a turn that was said, the next one before it is said, or the whole "
        "conversation by its last turn and those before it.",
    )


class CorpusRecipe(Section):
    """[corpus]: the source of the rows and how to read them."""

    later: ClassVar[tuple[str, ...]] = (
        "language",
        *("encoding", "quoting", "missing", "label_form", "group_scope"),
        *("merge_test", "folds", "fold", "truncate", "context", "subgroup", "label_meanings"),
    )

    source: str = Field(
        "sample",
        description="Source of the rows: hub:ID[:config][@revision], a file, a folder of splits, or sample.",
    )
    task: Literal["single_label", "multi_label", "ordinal"] = Field(
        description="Kind of labels: exactly one per row, any number, or one of ordered levels.",
    )
    text: str | list[str] = Field("text", description="Column of the text, or several columns that are joined.")
    joiner: str = Field(
        "\n", description="Text between joined columns; segments reads two columns as a pair, each by itself."
    )
    truncate: str | TruncateRecipe | None = Field(
        None,
        description="Column of a pair that is cut first, or { column, side }; by default the longer, at its end.",
    )
    labels: Literal[False] | str | Annotated[list[str], Field(min_length=2)] = Field(
        "labels",
        description="Column of names, 0-based ids, lists or delimited strings; or several columns of 0 and 1; "
        "false where no row has a label, and a language model teaches.",
    )
    label_names: list[str] | str | None = Field(
        None, description="Names of the labels in logit order, or a file with one name per line."
    )
    label_meanings: dict[str, Line] | None = Field(
        None,
        description="Meaning of each label for the model card: label = one sentence on when it applies. It is "
        "published, so it quotes no text of the corpus.",
    )
    delimiter: str | None = Field(",", description="Character that splits a string of several labels.")
    missing: list[str] | None = Field(
        None,
        description="Values of the labels column that mean no label; rows with them are left out and counted.",
    )
    label_form: Literal["names", "ids", "vector"] | None = Field(
        None, description="Form of the label cells where they could be read in two ways."
    )
    columns: list[str] | None = Field(
        None,
        description="Names of the fields of a csv or tsv without a header, or of the cells of JSON lists.",
    )
    encoding: str | None = Field(
        None, description="Encoding of text files, such as gb18030 or cp1252; UTF-8 by default."
    )
    quoting: bool | None = Field(
        None, description="Whether quotation marks around a field belong to the file; by default in csv, checked."
    )
    where: dict[str, str | list[str]] | None = Field(None, description="Column values of the rows that are kept.")
    group: str | None = Field(None, description="Column whose rows stay in one split (conversation, client).")
    group_scope: Literal["split", "source"] = Field(
        "split", description="Scope of a group id: one published split, or the whole source."
    )
    row_id: list[str] | None = Field(
        None, description="Columns that identify a row; repeats are several annotators of it."
    )
    subgroup: str | Annotated[list[str], Field(min_length=1)] | None = Field(
        None,
        description="Columns, such as age or site: recall, false positives and calibration of test rows per "
        "value, in report and card; no model reads them.",
    )
    one_per_group: bool = Field(False, description="Keep only the first row of each group.")
    context: ContextRecipe | None = Field(
        None,
        description="Table of conversations, whose rows are turns: speaker, conversation, order, turns, roles.",
    )
    min_rows: int = Field(
        1, ge=1, description="Minimum number of rows per label; rarer labels are left out with their rows."
    )
    split: tuple[Fraction, Fraction, Fraction] | str = Field(
        (0.8, 0.1, 0.1), description="Shares of train, validation and test, or the column that names the split."
    )
    folds: int | None = Field(
        None,
        ge=2,
        le=20,
        description="Number of parts, each of which is the test split once, for small corpora; the student that "
        "ships learns from all rows.",
    )
    fold: int | None = Field(
        None, ge=0, description="The part that is the test split, counted from 0; a run with `folds` sets it."
    )
    duplicates: Literal["majority", "error", "keep"] = Field(
        "majority", description="Treatment of rows that repeat a text: merge by majority, stop, or keep."
    )
    merge_test: bool = Field(
        False, description="Whether rows of a published test split that repeat a text are merged too."
    )
    leaks: Literal["remove", "groups", "keep"] = Field(
        "remove",
        description="Treatment of rows that a later split also has: remove, remove their groups, or keep.",
    )
    on_bad_row: Literal["error", "quarantine"] = Field(
        "error", description="Treatment of rows that cannot be read: stop, or put them aside and count them."
    )
    transfer: str | None = Field(None, description="File of texts without labels: one text per line, or a table.")
    scrub: bool = Field(
        False, description="Mask e-mail addresses, links, handles, phone numbers and long numbers first."
    )
    rows: int | None = Field(
        None, ge=10, description="Maximum number of train rows, spread evenly; the other splits stay whole."
    )
    max_tokens: int = Field(64, ge=4, le=512, description="Length at which texts are cut, in tokens.")
    licence: str | None = Field(None, description="Licence of the corpus, for the bundle's provenance.")
    language: str | None = Field(
        None,
        pattern=r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$",
        description="Language code of the texts for the model card, such as en or zh.",
    )


class TeacherRecipe(Section):
    """[teacher]: the model to fine-tune and how, or a checkpoint that is already fine-tuned."""

    later: ClassVar[tuple[str, ...]] = ("label_order", "max_unknown", "kind", "peft")

    kind: Literal["classifier", "verbaliser", "endpoint"] = Field(
        "classifier",
        description="Kind of teacher: classifier, a body with a head; verbaliser, a causal language model "
        "that scores words; endpoint, a language model behind a server.",
    )
    model: str = Field(
        "sentence-transformers/all-MiniLM-L6-v2",
        description="Encoder or decoder to fine-tune: ORG/NAME[@REVISION] on the hub, or a folder; for verbaliser "
        "a causal language model. A decoder may be one GGUF file.",
    )
    checkpoint: str | Annotated[list[str], Field(min_length=1)] | None = Field(
        None,
        description="Model that is already fine-tuned for these labels, used instead of `model`; a list is an "
        "ensemble.",
    )
    label_order: Literal["named", "corpus"] = Field(
        "named",
        description="Order of the logits of a checkpoint whose labels have no names (LABEL_0, ...): named refuses "
        "it, corpus takes the order of the corpus's labels.",
    )
    max_unknown: Rate = Field(
        0.2,
        description="Maximum share of tokens that the teacher does not know, in each script that makes up over "
        "5 % of the corpus; 1 only warns.",
    )
    sha256: Sha256 | list[Sha256] | None = Field(
        None, description="Hash that pins model or checkpoint, or each of a list, as `distill check` prints it."
    )
    seeds: list[Seed] = Field(
        [], description="Fine-tune one teacher per seed, as an ensemble; without any, one teacher with `seed`."
    )
    average: Literal["logits", "probabilities"] = Field(
        "logits", description="Quantity that an ensemble averages."
    )
    fit_temperature: bool = Field(
        False, description="Divide each teacher's logits by the temperature that is best on validation."
    )
    pooling: Literal["mean", "first", "target", "last"] = Field(
        "mean",
        description="Pooling of hidden states into one vector: of all tokens, the first, those of the turn that "
        "is decided (corpus.context), or the last (decoders).",
    )
    epochs: int = Field(3, ge=1, le=1000, description="Passes over the train rows.")
    batch_size: int = Field(32, ge=1, le=4096, description="Rows per step.")
    body_learning_rate: Rate = Field(1e-4, description="AdamW's learning rate for the encoder.")
    head_learning_rate: Rate = Field(2e-3, description="AdamW's learning rate for the fresh head.")
    weight_decay: float = Field(0.01, ge=0, le=1, description="AdamW's weight decay; biases and norms have none.")
    warmup: float = Field(0.1, ge=0, lt=1, description="Share of the steps with a rising learning rate.")
    dropout: float = Field(0.1, ge=0, lt=1, description="Dropout before the head.")
    patience: int = Field(2, ge=1, description="Epochs without a better validation score before training stops.")
    freeze: Literal["none", "body"] | Annotated[StrictInt, Field(ge=1)] = Field(
        "none",
        description="Weights that stay fixed: none; body: all but the head; n: all but the head and the last n "
        "layers.",
    )
    class_weights: bool = Field(False, description="Weight rare labels up.")
    peft: PeftRecipe | None = Field(
        None, description="Table of a teacher that learns few weights: method, rank, bottleneck, tokens."
    )

    @property
    def start_pooling(self) -> Literal["mean", "first", "target"]:
        """Pooling of the encoder that a student starts from; the last token is for decoders, which none does."""
        return "mean" if self.pooling == "last" else self.pooling

    def rates(self) -> dict[str, float]:
        """Return AdamW's learning rates and weight decay by their keys."""
        rates: dict[str, float] = self.model_dump(include=set(RATES))
        return rates if self.peft is None else {**rates, "body_learning_rate": self.peft.rate}

    @model_validator(mode="after")
    def _members(self) -> "TeacherRecipe":
        if self.kind != "classifier" and (self.checkpoint is not None or self.seeds):
            raise ValueError(
                f"The keys checkpoint and seeds are for classifiers, and kind is {self.kind!r}. Remove them."
            )
        if self.kind == "verbaliser" and self.model == type(self).model_fields["model"].default:
            raise ValueError("A verbaliser needs a causal language model. Name one as model.")
        if self.kind == "endpoint" and self.sha256 is not None:
            raise ValueError("The weights of an endpoint are its server's, which sha256 cannot pin. Remove it.")
        checkpoints = self.checkpoint if isinstance(self.checkpoint, list) else []
        if self.checkpoint is not None and self.seeds:
            raise ValueError(
                "Seeds are for teachers to fine-tune, but a checkpoint already is. Remove one of the two."
            )
        if len(set(self.seeds)) < len(self.seeds) or len(set(checkpoints)) < len(checkpoints):
            raise ValueError("The members of an ensemble must differ. List each seed and checkpoint once.")
        if isinstance(self.sha256, list) and len(self.sha256) != len(checkpoints):
            raise ValueError(
                "A list of sha256 pins a list of checkpoints. Give one per checkpoint, in their order."
            )
        return self

    @model_validator(mode="after")
    def _few_weights(self) -> "TeacherRecipe":
        if self.peft is not None:
            self.peft.check_beside(self.kind, self.checkpoint, self.freeze)
        return self


def corpus_spec(recipe: CorpusRecipe) -> CorpusSpec:
    """Return the settings of the readers that a recipe's [corpus] describes."""
    values = recipe.model_dump(exclude={*OF_NO_ROW, "max_tokens", "rows", "truncate", "context"})
    values["text"] = (recipe.text,) if isinstance(recipe.text, str) else tuple(recipe.text)
    values["labels"] = () if recipe.labels is False else recipe.labels
    values["subgroup"] = [recipe.subgroup] if isinstance(recipe.subgroup, str) else recipe.subgroup or []
    for key in ("columns", "row_id", "label_names", "labels", "missing", "subgroup"):
        if isinstance(values[key], list):
            values[key] = tuple(values[key])
    context = None if recipe.context is None else Context(**dict(recipe.context))
    return CorpusSpec(**values, truncate=_truncate(recipe.truncate), context=context)


def _truncate(value: str | TruncateRecipe | None) -> Truncate | None:
    if isinstance(value, TruncateRecipe):
        return Truncate(value.column, value.side)
    return None if value is None else Truncate(value)
