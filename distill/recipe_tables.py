"""The tables of a recipe: strict, frozen models, each key with its bounds and what it means."""

from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StrictFloat,
    StrictInt,
    model_validator,
)

Fraction = Annotated[float, Field(gt=0, lt=1)]
Rate = Annotated[float, Field(gt=0, le=1)]
Count = Annotated[int, Field(ge=1)]
Seed = Annotated[int, Field(ge=0, le=2**31 - 1)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Way = Literal["join", "cut", "cross", "drop", "mask", "substitute"]
Calibration = Literal["temperature", "platt", "platt-per-label", "none"]
Weight = Annotated[float, Field(ge=0, le=1000)]
LayerPair = tuple[Annotated[StrictInt, Field(ge=0)], Annotated[StrictInt, Field(ge=0)]]
Precision = Literal[
    "fp32",
    "int8-dynamic",
    "int8-static",
    "int8-weights",
    "int8-dynamic-qat",
    "int8-static-qat",
    "int8-weights-qat",
]

# of each term of [objective] beside soft and hard: its weight, then the other keys that it depends on
TERMS = (
    ("decoupled_weight", "decoupled_alpha", "decoupled_beta"),
    ("standardised_weight",),
    ("inter_class_weight",),
    ("intra_class_weight",),
    ("hidden_weight", "layer_map"),
    ("relation_weight", "relation_heads", "relation_layer"),
    ("embedding_weight",),
)
WITH_LAYERS = ("layers", "compact")  # kinds of student
FEATURE_WEIGHTS = ("hidden_weight", "relation_weight", "embedding_weight")
SINGLE_LABEL_WEIGHTS = {
    "decoupled_weight": "sets one target against all others",
    "standardised_weight": "takes out how many labels a row has",
}


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


class StudentRecipe(Section):
    """[student]: the compact network."""

    kind: Literal["layers", "compact", "static"] = Field(
        "layers", description="the teacher's layers, an own shape, or token vectors without attention"
    )
    layers: Literal["auto"] | list[Annotated[int, Field(ge=0)]] = Field(
        [1, 3, 5], description="of the teacher, 0-based; auto: the best `depth` of them by a short run (layers)"
    )
    depth: int = Field(2, ge=1, le=48, description="how many layers (compact, and layers = auto)")
    width: int = Field(128, ge=8, le=4096, description="hidden size (compact, static)")
    start: Literal["matrices", "embeddings"] = Field(
        "matrices",
        description="what starts from the teacher: all, projected; or the tables alone (compact)",
    )
    heads: int = Field(4, ge=1, le=64, description="attention heads (compact)")
    window_channels: int = Field(
        128, ge=0, le=4096, description="of a convolution over three tokens, 0: none (static)"
    )
    hash_buckets: int = Field(
        8192, ge=0, le=2**20, description="rows of each table of n-grams, a power of two, 0: none (static)"
    )
    ngrams: int = Field(2, ge=2, le=3, description="tokens in the longest hashed n-gram (static)")
    hidden: int = Field(512, ge=8, le=4096, description="width of the hidden layer before the head (static)")
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
        listed = [] if isinstance(self.layers, str) else self.layers
        if self.layers != "auto" and (not listed or sorted(set(listed)) != listed):
            raise ValueError("layers must be ascending, each once, at least one")
        if self.hash_buckets & (self.hash_buckets - 1):
            raise ValueError(f"hash_buckets {self.hash_buckets} must be a power of two, for instance 8192, or 0")
        if self.kind == "static" and self.ngrams > 2 and not self.hash_buckets:
            raise ValueError(f"ngrams {self.ngrams} needs hash_buckets, for instance 8192; it is 0")
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
    decoupled_weight: Weight = Field(0.0, description="of decoupled KD (single_label); 0 leaves a term out")
    decoupled_alpha: Weight = Field(1.0, description="of its part between the row's label and all others")
    decoupled_beta: Weight = Field(8.0, description="of its part among the others")
    standardised_weight: Weight = Field(0.0, description="of the KL of z-scored logits (single_label)")
    inter_class_weight: Weight = Field(0.0, description="of DIST's correlation over the labels of a row")
    intra_class_weight: Weight = Field(0.0, description="of DIST's correlation over the rows of a batch, a label")
    hidden_weight: Weight = Field(0.0, description="of matching the teacher's hidden states through a projection")
    layer_map: Literal["auto"] | Annotated[list[LayerPair], Field(min_length=1)] = Field(
        "auto", description="for hidden_weight: pairs of a student's and a teacher's layer, 0-based; auto: evenly"
    )
    relation_weight: Weight = Field(0.0, description="of matching the last layer's self-attention relations")
    relation_heads: int = Field(
        16, ge=1, le=256, description="parts that queries, keys and values are split into (relation_weight)"
    )
    relation_layer: int | None = Field(
        None, ge=0, description="the teacher's layer for relation_weight, 0-based; its last one if not set"
    )
    embedding_weight: Weight = Field(0.0, description="of matching the embedding layer through a projection")

    @property
    def reads_teacher(self) -> bool:
        """Whether a term needs more of the teacher than its logits, token by token."""
        return any(getattr(self, name) for name in FEATURE_WEIGHTS)

    def terms(self) -> dict[str, Any]:
        """The keys of the terms beside soft and hard that are on, and what each depends on; empty without any."""
        keys = self.model_dump(mode="json")
        on = [names for names in TERMS if keys[names[0]]]
        return {name: keys[name] for names in on for name in names}


class DecisionsRecipe(Section):
    """[decisions]: how raw logits become decisions; all of it is fitted on validation."""

    calibration: Calibration | None = Field(
        None, description="by default platt-per-label for multi-label, the one temperature for single-label"
    )
    calibration_shrink: float = Field(
        20.0, ge=0, description="positives at which a label's own scale and bias count half (platt-per-label)"
    )
    threshold_towards: Literal["common", "expected-f1"] = Field(
        "common",
        description="what thresholds are drawn towards: the best common one, or half the expected F1",
    )
    threshold_shrink: float = Field(
        20.0, ge=0, description="positives at which a label's own threshold counts half"
    )
    recall_floor: dict[str, Fraction] = Field(
        {}, description="labels whose threshold is lowered until validation has this recall"
    )
    precision_floor: dict[str, Fraction] = Field(
        {}, description="labels whose threshold is moved until validation has this precision"
    )
    abstain_below: Fraction | None = Field(
        None, description="confidence (probability of being exactly right) below which to hand over to a person"
    )
    abstain_coverage: Fraction | None = Field(
        None, description="the same, but chosen so that this share of validation is answered"
    )

    @property
    def has_floors(self) -> bool:
        """Whether any label has one."""
        return bool(self.recall_floor or self.precision_floor)

    @model_validator(mode="after")
    def _one_of_two(self) -> "DecisionsRecipe":
        both = sorted(set(self.recall_floor) & set(self.precision_floor))
        if both:
            raise ValueError(f"label {both[0]!r} has a recall_floor and a precision_floor; keep one of them")
        if self.abstain_below is not None and self.abstain_coverage is not None:
            raise ValueError("abstain_below and abstain_coverage exclude each other; keep one of them")
        return self


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


class BenchRecipe(Section):
    """[bench]: how long the run's own bench measures."""

    texts: int = Field(200, ge=10, description="test texts, single, on one thread")
    rounds: int = Field(3, ge=1, description="turns of all candidates")


class Span(Section):
    """Numbers from `low` to `high`, whole ones where both are whole; `log` for what counts by factors."""

    low: StrictInt | StrictFloat = Field(description="the smallest")
    high: StrictInt | StrictFloat = Field(description="the largest")
    log: bool = Field(False, description="spread evenly over orders of magnitude")

    @model_validator(mode="after")
    def _order(self) -> "Span":
        if not self.low < self.high or (self.log and self.low <= 0):
            raise ValueError("low must be below high, and above 0 with log")
        return self


class SearchRecipe(Section):
    """[search]: which values `distill search` tries, and how often; no other command reads it."""

    trials: int = Field(20, ge=1, le=100_000, description="students to train, those of earlier commands included")
    space: dict[str, Annotated[list[Any], Field(min_length=1)] | Span] = Field(
        {},
        description="key of [student] or [objective] = a list to choose from, or { low, high, log } to draw from",
    )
