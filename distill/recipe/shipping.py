"""The recipe's tables of what ships: [decisions], [export], [bench], [budget]."""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from distill.export.int8.ranges import RangeMethod
from distill.export.precision import Precision, Variant
from distill.recipe.kinds import Calibration
from distill.recipe.section import Fraction, Section

VariantName = Literal[
    "fp32",
    "int8-dynamic",
    "int8-static",
    "int8-weights",
    "int8-dynamic-qat",
    "int8-static-qat",
    "int8-weights-qat",
]

TableBits = Literal[4, 5, 6, 8]

# the key of [decisions] for each metric that can have a floor
FLOOR_KEYS = {
    "recall": "recall_floor",
    "precision": "precision_floor",
    "share at or above": "never_below",
}


class DecisionsRecipe(Section):
    """[decisions]: how raw logits become decisions; all of it is fitted on validation."""

    later: ClassVar[tuple[str, ...]] = ("never_below",)

    calibration: Calibration | None = Field(
        None,
        description="Method of calibration; by default platt-per-label for multi-label and temperature for "
        "single-label.",
    )
    calibration_shrink: float = Field(
        20.0,
        ge=0,
        description="Number of positives at which a label's own scale and bias count half (platt-per-label).",
    )
    threshold_towards: Literal["common", "expected-f1"] = Field(
        "common",
        description="Value that thresholds are shrunk towards: the best common threshold, or half the expected "
        "F1.",
    )
    threshold_shrink: float = Field(
        20.0, ge=0, description="Number of positives at which a label's own threshold counts half."
    )
    recall_floor: dict[str, Fraction] = Field(
        {}, description="Labels whose threshold is lowered until validation has this recall."
    )
    precision_floor: dict[str, Fraction] = Field(
        {}, description="Labels whose threshold is moved until validation has this precision."
    )
    never_below: dict[str, Fraction] = Field(
        {},
        description="Levels of an ordinal task: of the validation rows at or above one, at least this share is "
        "decided at or above it.",
    )
    abstain_below: Fraction | None = Field(
        None,
        description="Confidence (probability of being exactly right) below which a text is handed over to a "
        "person.",
    )
    abstain_coverage: Fraction | None = Field(
        None, description="Share of validation that is answered; chooses abstain_below."
    )

    @property
    def floors(self) -> dict[str, dict[str, float]]:
        """Return the floors that are set: for each metric its labels and their least values."""
        tables = {metric: getattr(self, key) for metric, key in FLOOR_KEYS.items()}
        return {metric: table for metric, table in tables.items() if table}

    @model_validator(mode="after")
    def _one_of_two(self) -> "DecisionsRecipe":
        both = sorted(set(self.recall_floor) & set(self.precision_floor))
        if both:
            raise ValueError(f"label {both[0]!r} has a recall_floor and a precision_floor; keep one of them")
        if self.abstain_below is not None and self.abstain_coverage is not None:
            raise ValueError("abstain_below and abstain_coverage exclude each other; keep one of them")
        return self


class ExportRecipe(Section):
    """[export]: which variants may ship, in order of preference, and the bounds of their gate."""

    later: ClassVar[tuple[str, ...]] = ("calibrator", "table_bits", "confidence", "allow_worse_than_baseline")

    precision: Annotated[list[VariantName], Field(min_length=1)] | Literal["auto"] = Field(
        ["int8-dynamic"],
        description="Variants in order of preference: the first that passes its gate ships. -qat: the student is "
        "trained for that precision; auto: the fastest on this CPU of those that pass. A [budget] that chooses "
        "the student writes its own list here.",
    )
    calibrator: RangeMethod = Field(
        "mse",
        description="Range of activations in int8-static: least squared error, all values, or 99.99 % of them.",
    )
    table_bits: TableBits = Field(
        8,
        description="Bits per number in the embedding tables of int8 variants; fewer make the file smaller and "
        "flip more decisions.",
    )
    max_label_flip_rate: float = Field(
        0.002, ge=0, le=1, description="Upper bound on flipped decisions per (row, label)."
    )
    max_row_flip_rate: float = Field(
        0.05, ge=0, le=1, description="Upper bound on the share of rows with a flipped decision."
    )
    max_macro_f1_drop: float = Field(
        0.005,
        ge=0,
        le=1,
        description="Upper bound on the drop of the headline metric (macro-F1; quadratic weighted kappa for "
        "ordinal) against the PyTorch student.",
    )
    max_recall_drop: float = Field(
        0.05,
        ge=0,
        le=1,
        description="Upper bound on the drop in recall of labels with min_recall_rows validation rows.",
    )
    min_recall_rows: int = Field(
        50, ge=1, description="Number of validation rows that a label needs to be bounded by max_recall_drop."
    )
    confidence: float = Field(
        0.95,
        ge=0.5,
        lt=1,
        description="Confidence with which validation rows must show that a rate or a drop is above its bound "
        "before the gate refuses a variant; one exactly at a bound passes with this probability at every size.",
    )
    allow_worse_than_baseline: bool = Field(
        False,
        description="Exit with status 0 although the bundle is worse than TF-IDF on test rows, or gives a label "
        "to every one of them; the bundle is written in any case.",
    )

    @property
    def bounds(self) -> dict[str, Any]:
        """The gate's bounds by key."""
        return self.model_dump(mode="json", exclude={"precision", *self.later}) | self.unusual("confidence")

    def unusual(self, *keys: str) -> dict[str, object]:
        """Return those of the keys that are not at their default."""
        return self.model_dump(mode="json", include=set(keys), exclude_defaults=True)

    @property
    def shippable(self) -> tuple[Variant, ...]:
        """The variants that may ship, in order of preference; those that need no further training for `auto`."""
        if self.precision == "auto":
            return tuple(map(Variant, Precision))
        return tuple(map(Variant.parse, self.precision))

    @property
    def trained_as_int8(self) -> tuple[Variant, ...]:
        """The variants whose student is trained for their precision."""
        return tuple(variant for variant in self.shippable if variant.qat)


class BenchRecipe(Section):
    """[bench]: how long the run's own bench measures."""

    texts: int = Field(200, ge=10, description="Number of test texts that are timed, one at a time on one thread.")
    rounds: int = Field(3, ge=1, description="Number of interleaved rounds over everything that is timed.")


class BudgetRecipe(Section):
    """[budget]: what the bundle may cost on this machine; with any bound set the student is chosen by it."""

    p95_ms: float | None = Field(
        None,
        gt=0,
        le=1e6,
        description="Upper bound on p95 latency for single texts, string in to decision out, in milliseconds.",
    )
    size_mb: float | None = Field(
        None, gt=0, le=1e6, description="Upper bound on the size of the whole bundle, in MB (10^6 bytes)."
    )
    rss_mb: float | None = Field(
        None,
        gt=0,
        le=1e6,
        description="Upper bound on peak memory of a fresh process that answers one text, in MB (10^6 bytes).",
    )
    threads: int = Field(1, ge=1, le=1024, description="Number of onnxruntime threads for p95_ms.")
    choose: bool = Field(
        True,
        description="Choose family, shape and precision by a plan; false keeps the student and holds its bundle "
        "to the bounds.",
    )

    @property
    def asked(self) -> bool:
        """Return whether any bound is set."""
        return any(bound is not None for bound in (self.p95_ms, self.size_mb, self.rss_mb))
