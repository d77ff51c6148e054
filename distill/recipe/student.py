"""The recipe's tables of the student and its training: [student], [layer_search], [objective], [qat], [search]."""

from typing import Annotated, Any, Literal

from pydantic import Field, StrictFloat, StrictInt, model_validator

from distill.recipe.section import RATES, Rate, Section
from distill.students.families import FAMILIES, StudentFamily

Weight = Annotated[float, Field(ge=0, le=1000)]

LayerPair = tuple[Annotated[StrictInt, Field(ge=0)], Annotated[StrictInt, Field(ge=0)]]

# For each term of [objective] beside soft and hard: its weight, then the other keys that it depends on.
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

# The reason why only some kinds of task have a term; `kinds.KINDS` lists the kinds. Each completes a message.
WEIGHTS_OF_KINDS = {
    "decoupled_weight": "sets one target against all others",
    "standardised_weight": "removes how many labels a row has",
}


class StudentRecipe(Section):
    """[student]: the compact network."""

    kind: Literal["layers", "compact", "static"] = Field(
        "layers",
        description="Family of the network: layers copied from the teacher, a compact encoder of its own shape, "
        "or token vectors without attention.",
    )
    base: str | None = Field(
        None,
        description="Encoder that the student starts from in place of the teacher: ORG/NAME[@REVISION] on the "
        "hub, or a folder; by default the teacher, and the packaged MiniLM where no layer of the teacher can be "
        "copied.",
    )
    layers: Literal["auto"] | list[Annotated[int, Field(ge=0)]] = Field(
        [1, 3, 5],
        description="Layers copied from the teacher, 0-based; auto: the best `depth` of them by a short run "
        "(layers).",
    )
    depth: int = Field(2, ge=1, le=48, description="Number of layers (compact, and layers = auto).")
    width: int = Field(128, ge=8, le=4096, description="Hidden size (compact, static).")
    start: Literal["matrices", "embeddings"] = Field(
        "matrices",
        description="Weights that start from the teacher: all of them, projected; or the embedding tables alone "
        "(compact).",
    )
    feed_forward: int | None = Field(
        None,
        ge=8,
        le=65536,
        description="Number of neurons that each feed-forward block keeps, those that write most on train texts; "
        "by default all of the teacher's (layers).",
    )
    heads: int = Field(4, ge=1, le=64, description="Number of attention heads (compact).")
    window_channels: int = Field(
        128,
        ge=0,
        le=4096,
        description="Number of channels of a convolution over three tokens; 0 leaves it out (static).",
    )
    hash_buckets: int = Field(
        8192,
        ge=0,
        le=2**20,
        description="Number of rows in each table of hashed n-grams, a power of two; 0 leaves the tables out "
        "(static).",
    )
    ngrams: int = Field(2, ge=2, le=3, description="Number of tokens in the longest hashed n-gram (static).")
    hidden: int = Field(512, ge=8, le=4096, description="Width of the hidden layer before the head (static).")
    table_bits: Literal[4, 5, 6] | None = Field(
        None,
        description="Bits per number to which token vectors are rounded while the student learns, so that a wide "
        "table of few bits costs no decisions; the same number as export.table_bits (static).",
    )
    dropout: float = Field(0.1, ge=0, lt=1, description="Dropout before the head.")
    context_dropout: float | None = Field(
        None,
        ge=0,
        lt=1,
        description="Share of the rows of a corpus of conversations that are learned without their context in "
        "each epoch, so that the bundle also decides a turn that has none; 0.2 by default.",
    )
    trim_vocabulary: bool = Field(True, description="Keep only the vocabulary pieces that the corpus needs.")
    min_piece_groups: int = Field(
        5, ge=1, description="Minimum number of groups (or rows) that contain a kept piece."
    )
    keep_words: Literal["crisis"] | None = Field(
        None,
        description="Keep the pieces of the packaged words of crisis and counselling, so that the student splits "
        "none of them further than the teacher does, however rare they are in the corpus.",
    )
    general_pieces: int | None = Field(
        None,
        ge=1,
        description="Number of the teacher's most frequent pieces that are kept whether the corpus has them or "
        "not, so that a student from few rows reads words that none of them has; by default none.",
    )
    vocabulary_bytes: int | None = Field(
        None,
        ge=1,
        description="Upper bound on the size of the kept pieces' vectors in int8, in bytes; the most frequent "
        "pieces stay.",
    )
    vocabulary_coverage: Rate | None = Field(
        None,
        description="Share of the corpus's tokens that the kept pieces must cover; only the most frequent pieces "
        "stay.",
    )
    epochs: int = Field(4, ge=1, le=10000, description="Passes over the train rows and the transfer set.")
    batch_size: int = Field(32, ge=1, le=4096, description="Rows per step.")
    body_learning_rate: Rate = Field(1e-4, description="AdamW's learning rate for the body.")
    head_learning_rate: Rate = Field(1e-3, description="AdamW's learning rate for the head.")
    weight_decay: float = Field(0.01, ge=0, le=1, description="AdamW's weight decay; biases and norms have none.")
    warmup: float = Field(0.1, ge=0, lt=1, description="Share of the steps with a rising learning rate.")
    patience: int = Field(
        1000, ge=1, description="Epochs without a better validation score before training stops."
    )

    @property
    def family(self) -> StudentFamily:
        """The student's family, with its shape."""
        return FAMILIES[self.kind].of(dict(self))

    def rates(self) -> dict[str, float]:
        """Return AdamW's learning rates and weight decay by their keys."""
        return self.model_dump(include=set(RATES))

    @model_validator(mode="after")
    def _trimmed(self) -> "StudentRecipe":
        for key in ("general_pieces", "vocabulary_bytes", "vocabulary_coverage"):
            if getattr(self, key) is not None and not self.trim_vocabulary:
                raise ValueError(
                    f"{key} needs trim_vocabulary, which is false. Set trim_vocabulary to true, or remove {key}."
                )
        return self

    @model_validator(mode="after")
    def _shape(self) -> "StudentRecipe":
        if isinstance(self.layers, list) and (not self.layers or sorted(set(self.layers)) != self.layers):
            raise ValueError("The layers must be ascending. Name at least one, and each once.")
        if self.hash_buckets & (self.hash_buckets - 1):
            raise ValueError(f"hash_buckets {self.hash_buckets} must be a power of two, for instance 8192, or 0.")
        self.family.check_values()
        return self


class LayerSearchRecipe(Section):
    """[layer_search]: the short run that ranks candidates where `student.layers` is auto."""

    rows: int = Field(
        8000, ge=10, description="Number of train rows to learn from, and of validation rows to rank by."
    )
    epochs: int = Field(1, ge=1, le=1000, description="Passes over these train rows.")


class ObjectiveRecipe(Section):
    """[objective]: the loss that the student minimises."""

    temperature: float = Field(
        2.0, gt=0, le=100, description="Temperature that softens the teacher's and the student's logits alike."
    )
    soft_weight: float = Field(
        0.7, ge=0, le=1, description="Weight of the soft term; the hard term gets the rest."
    )
    compare: bool = Field(
        True, description="Also train the twin, which sees labelled rows only and has soft weight 0."
    )
    decoupled_weight: Weight = Field(0.0, description="Weight of decoupled KD (single_label only); 0 disables it.")
    decoupled_alpha: Weight = Field(
        1.0, description="Weight, within decoupled KD, of the part between the row's label and all others."
    )
    decoupled_beta: Weight = Field(
        8.0, description="Weight, within decoupled KD, of the part among the other labels."
    )
    standardised_weight: Weight = Field(
        0.0, description="Weight of the KL divergence of z-scored logits (single_label only); 0 disables it."
    )
    inter_class_weight: Weight = Field(
        0.0, description="Weight of DIST's correlation over the labels of a row; 0 disables it."
    )
    intra_class_weight: Weight = Field(
        0.0, description="Weight of DIST's correlation per label over the rows of a batch; 0 disables it."
    )
    hidden_weight: Weight = Field(
        0.0,
        description="Weight of matching the teacher's hidden states through a projection; 0 disables it.",
    )
    layer_map: Literal["auto"] | Annotated[list[LayerPair], Field(min_length=1)] = Field(
        "auto",
        description="Pairs of a student's layer and a teacher's layer for hidden_weight, 0-based; auto spreads "
        "them evenly.",
    )
    relation_weight: Weight = Field(
        0.0, description="Weight of matching the last layer's self-attention relations; 0 disables it."
    )
    relation_heads: int = Field(
        16,
        ge=1,
        le=256,
        description="Number of parts that queries, keys and values are split into for relation_weight.",
    )
    relation_layer: int | None = Field(
        None, ge=0, description="Layer of the teacher for relation_weight, 0-based; by default its last one."
    )
    embedding_weight: Weight = Field(
        0.0, description="Weight of matching the embedding layer through a projection; 0 disables it."
    )

    @property
    def reads_teacher(self) -> bool:
        """Return whether a term needs the teacher's states of every token, beside its logits."""
        return any(getattr(self, name) for name in FEATURE_WEIGHTS)

    def terms(self) -> dict[str, object]:
        """Return the enabled terms beside soft and hard, with the keys that each depends on; empty without any."""
        keys = self.model_dump(mode="json")
        on = [names for names in TERMS if keys[names[0]]]
        return {name: keys[name] for names in on for name in names}


class QatRecipe(Section):
    """[qat]: the student's last phase, trained as the int8 form that ships; all else is as in [student]."""

    epochs: int = Field(1, ge=1, le=1000, description="Passes over the train rows and the transfer set.")
    body_learning_rate: Rate = Field(2e-5, description="AdamW's learning rate for the body.")
    head_learning_rate: Rate = Field(2e-5, description="AdamW's learning rate for the head.")


class Span(Section):
    """Numbers from `low` to `high`, whole where both bounds are whole; `log` for values that vary by factors."""

    low: StrictInt | StrictFloat = Field(description="Smallest value.")
    high: StrictInt | StrictFloat = Field(description="Largest value.")
    log: bool = Field(False, description="Spread values evenly over orders of magnitude.")

    @model_validator(mode="after")
    def _order(self) -> "Span":
        if not self.low < self.high or (self.log and self.low <= 0):
            raise ValueError("The low end must be below high, and above 0 with log. Change one of them.")
        return self


class SearchRecipe(Section):
    """[search]: the values that `distill search` tries, and its number of trials; no other command reads it."""

    trials: int = Field(
        20, ge=1, le=100_000, description="Number of students to train, including those of earlier commands."
    )
    space: dict[str, Annotated[list[Any], Field(min_length=1)] | Span] = Field(
        {},
        description="Search space: a key of [student] or [objective] = a list to choose from, or "
        "{ low, high, log } to draw from.",
    )
