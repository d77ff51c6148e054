"""The recipe's tables of what learns and how: [student], [layer_search], [objective], [qat], [search]."""

from typing import Annotated, Any, Literal

from pydantic import Field, StrictFloat, StrictInt, model_validator

from distill.recipe.section import RATES, Rate, Section
from distill.students.families import FAMILIES, StudentFamily

Weight = Annotated[float, Field(ge=0, le=1000)]

LayerPair = tuple[Annotated[StrictInt, Field(ge=0)], Annotated[StrictInt, Field(ge=0)]]

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

FEATURE_WEIGHTS = ("hidden_weight", "relation_weight", "embedding_weight")

# why only some kinds of task have a term: `kinds.KINDS` says which
WEIGHTS_OF_KINDS = {
    "decoupled_weight": "sets one target against all others",
    "standardised_weight": "takes out how many labels a row has",
}


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
    vocabulary_bytes: int | None = Field(
        None, ge=1, description="of them only the most frequent: what their vectors may weigh in int8, at most"
    )
    vocabulary_coverage: Rate | None = Field(
        None, description="of them only the most frequent: the share of the corpus's tokens that they must be"
    )
    epochs: int = Field(4, ge=1, le=10000, description="passes over train and the transfer set")
    batch_size: int = Field(32, ge=1, le=4096, description="rows a step")
    body_learning_rate: Rate = Field(1e-4, description="AdamW's, for the body")
    head_learning_rate: Rate = Field(1e-3, description="AdamW's, for the head")
    weight_decay: float = Field(0.01, ge=0, le=1, description="AdamW's, not on biases and norms")
    warmup: float = Field(0.1, ge=0, lt=1, description="share of the steps with a rising learning rate")
    patience: int = Field(1000, ge=1, description="epochs without a better validation macro-F1 before it stops")

    @property
    def family(self) -> StudentFamily:
        """The student's family, with its shape."""
        return FAMILIES[self.kind].of(dict(self))

    def rates(self) -> dict[str, float]:
        """Return AdamW's learning rates and weight decay by their keys."""
        return self.model_dump(include=set(RATES))

    @model_validator(mode="after")
    def _trimmed(self) -> "StudentRecipe":
        for key in ("vocabulary_bytes", "vocabulary_coverage"):
            if getattr(self, key) is not None and not self.trim_vocabulary:
                raise ValueError(f"{key} says what trim_vocabulary keeps, which is false; set it, or remove {key}")
        return self

    @model_validator(mode="after")
    def _shape(self) -> "StudentRecipe":
        if isinstance(self.layers, list) and (not self.layers or sorted(set(self.layers)) != self.layers):
            raise ValueError("layers must be ascending, each once, at least one")
        if self.hash_buckets & (self.hash_buckets - 1):
            raise ValueError(f"hash_buckets {self.hash_buckets} must be a power of two, for instance 8192, or 0")
        self.family.check_values()
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

    def terms(self) -> dict[str, object]:
        """The keys of the terms beside soft and hard that are on, and what each depends on; empty without any."""
        keys = self.model_dump(mode="json")
        on = [names for names in TERMS if keys[names[0]]]
        return {name: keys[name] for names in on for name in names}


class QatRecipe(Section):
    """[qat]: a student's last phase, trained as what an int8 form computes; all else is as in [student]."""

    epochs: int = Field(1, ge=1, le=1000, description="passes over train and the transfer set")
    body_learning_rate: Rate = Field(2e-5, description="AdamW's, for the body")
    head_learning_rate: Rate = Field(2e-5, description="AdamW's, for the head")


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
