"""The recipe's tables of what ships: [decisions], [export], [bench], [budget]."""

from typing import Annotated, Any, Literal

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
FLOOR_KEYS = {"recall": "recall_floor", "precision": "precision_floor"}

# of [export], from after there were bundles: unusual values count, and older recipes keep their hashes
LATER_KEYS = ("calibrator", "table_bits")


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

    precision: Annotated[list[VariantName], Field(min_length=1)] | Literal["auto"] = Field(
        ["int8-dynamic"],
        description="the first that passes ships; -qat: of a student trained as that form; auto: the fastest on "
        "this CPU of those that pass; a [budget] that chooses the student writes its own list here",
    )
    calibrator: RangeMethod = Field(
        "mse",
        description="range of int8-static's activations: the least squared error, all values, or 99.99 % of them",
    )
    table_bits: TableBits = Field(
        8,
        description="of each number in an embedding table of an int8 variant; with fewer the file is smaller, and "
        "more decisions flip",
    )
    max_label_flip_rate: float = Field(0.002, ge=0, le=1, description="flips per (row, label)")
    max_row_flip_rate: float = Field(0.05, ge=0, le=1, description="rows with a flip")
    max_macro_f1_drop: float = Field(0.005, ge=0, le=1, description="against the PyTorch student")
    max_recall_drop: float = Field(0.05, ge=0, le=1, description="of labels with min_recall_rows validation rows")
    min_recall_rows: int = Field(50, ge=1, description="validation rows that a label needs to be judged by recall")

    @property
    def bounds(self) -> dict[str, Any]:
        """The gate's bounds, by key."""
        return self.model_dump(mode="json", exclude={"precision", *LATER_KEYS})

    def unusual(self, *keys: str) -> dict[str, object]:
        """Those of the keys that are not at their default."""
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

    texts: int = Field(200, ge=10, description="test texts, single, on one thread")
    rounds: int = Field(3, ge=1, description="turns of all candidates")


class BudgetRecipe(Section):
    """[budget]: what the bundle may cost on this machine; with any bound set the student is chosen by it."""

    p95_ms: float | None = Field(
        None,
        gt=0,
        le=1e6,
        description="95 % of the test texts, each alone, string in to decision out, take at most",
    )
    size_mb: float | None = Field(
        None, gt=0, le=1e6, description="all files of the bundle together, 10^6 bytes each"
    )
    rss_mb: float | None = Field(
        None, gt=0, le=1e6, description="peak memory of a fresh process that answers one text, 10^6 bytes each"
    )
    threads: int = Field(1, ge=1, le=1024, description="of onnxruntime, for p95_ms")
    choose: bool = Field(
        True,
        description="plan first: kind, shape and precision are the best that fits; false: keep the student, and "
        "hold its bundle to the bounds",
    )

    @property
    def asked(self) -> bool:
        """Whether there is any bound."""
        return any(bound is not None for bound in (self.p95_ms, self.size_mb, self.rss_mb))
