"""The recipe's tables of what ships: [decisions], [export]."""

from typing import Annotated, Any, ClassVar, Literal, get_args

from pydantic import Field, ValidationInfo, field_validator, model_validator

from distill.export.int8.ranges import RangeMethod
from distill.export.precision import Precision, Variant
from distill.export.runtime.manifest.promises import PRECISION
from distill.recipe.floors import FLOOR_KEYS, CertifiedFloor, Floor, check_floor
from distill.recipe.kinds import Calibration
from distill.recipe.section import Fraction, Line, Section

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


class DecisionsRecipe(Section):
    """[decisions]: how raw logits become decisions; all of it is fitted on validation."""

    later: ClassVar[tuple[str, ...]] = (
        "never_below",
        "certify_share",
        "confidence",
        "answer_when_right",
        "sets",
        "sets_per_label",
        "unreadable_share",
        "hand_over_truncated",
        "hand_over_words",
        "out_of_domain_share",
    )

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
    recall_floor: dict[str, Floor] = Field(
        {},
        description="Labels whose threshold is lowered until validation has this recall, which is not certified; "
        "with `at_least` and `confidence`, until new texts have it with this confidence.",
    )
    precision_floor: dict[str, Fraction] = Field(
        {}, description="Labels whose threshold is moved until validation has this precision."
    )
    never_below: dict[str, Floor] = Field(
        {},
        description="Levels of an ordinal task: of the validation rows at or above one, at least this share is "
        "decided at or above it, which is not certified; with `at_least` and `confidence`, of new texts.",
    )
    certify_share: Fraction = Field(
        0.5,
        description="Share of validation, by group, on which certified floors, sets and answer_when_right stand; "
        "thresholds are tuned on the rest, and on all of it where nothing is certified.",
    )
    confidence: Fraction = Field(0.9, description="Confidence with which answer_when_right holds.")
    abstain_below: Fraction | None = Field(
        None,
        description="Confidence (probability of being exactly right) below which a text is handed over to a "
        "person.",
    )
    abstain_coverage: Fraction | None = Field(
        None, description="Share of validation that is answered; chooses abstain_below."
    )
    answer_when_right: Fraction | None = Field(
        None,
        description="Share of the answered texts that is decided exactly right, with `confidence`; chooses "
        "abstain_below.",
    )
    sets: Fraction | None = Field(
        None,
        description="Share of the texts of a label whose set of possible labels holds it, which makes such sets. "
        "Per label for multi_label, on average over labels otherwise.",
    )
    sets_per_label: bool = Field(
        False,
        description="Sets of single_label and ordinal tasks hold each label with 50 rows that certify (more above "
        "a share of 0.98) as often as `sets` says, not only the average one; they are larger.",
    )
    unreadable_share: float = Field(
        0.005,
        ge=0,
        lt=1,
        description="Upper bound on the share of validation that is not decided because at least half of a text "
        "carries no meaning to the student; 0 decides every text.",
    )
    hand_over_truncated: bool = Field(
        False, description="Hand texts that are cut at max_tokens over to a person, with their decision."
    )
    hand_over_words: str | None = Field(
        None,
        description="Hand texts with one of these words over to a person, with their decision: `crisis`, the "
        "packaged lists in six languages, or a file with a word or a phrase per line and comments after `# `.",
    )

    out_of_domain_share: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="Share of validation with the lowest energy of its logits, handed over with its decision.",
    )

    @field_validator("recall_floor", "precision_floor", "never_below", mode="before")
    @classmethod
    def _floor_per_label(cls, value: object, info: ValidationInfo) -> object:
        """Refuse what is not a floor in one sentence, instead of one for each form that it could have."""
        if not isinstance(value, dict):
            raise ValueError("This must be a table of labels, such as { sadness = 0.9 }.")
        for label, floor in value.items():
            check_floor(label, floor, certifiable=info.field_name != FLOOR_KEYS[PRECISION])
        return value

    @property
    def fitted(self) -> dict[str, object]:
        """Return what scores and decisions depend on, for fingerprints; other keys change the bundle alone."""
        found = self.counted({"unreadable_share", "hand_over_truncated", "hand_over_words", "out_of_domain_share"})
        if self.sets is not None:  # before, a group was a trial for each of its labels
            found["trials_of_sets"] = "one per group"
        if self.floors:  # before, the shipped threshold was applied to what it does not decide alone
            found["workload"] = "as decided"
        return found

    @property
    def floors(self) -> dict[str, dict[str, Floor]]:
        """Return the floors that are set: for each metric its labels and their least values."""
        tables = {metric: getattr(self, key) for metric, key in FLOOR_KEYS.items()}
        return {metric: table for metric, table in tables.items() if table}

    @property
    def certified_floors(self) -> int:
        """Return the number of floors with a confidence."""
        every = [floor for table in self.floors.values() for floor in table.values()]
        return sum(isinstance(floor, CertifiedFloor) for floor in every)

    @property
    def certifying_share(self) -> float | None:
        """Return the share of validation that certifies; None where nothing is certified."""
        asked = self.certified_floors or self.sets is not None or self.answer_when_right is not None
        return self.certify_share if asked else None

    @model_validator(mode="after")
    def _one_of_two(self) -> "DecisionsRecipe":
        both = sorted(set(self.recall_floor) & set(self.precision_floor))
        if both:
            raise ValueError(f"Label {both[0]!r} has a recall_floor and a precision_floor. Keep one of them.")
        rules = ("abstain_below", "abstain_coverage", "answer_when_right")
        rivals = [key for key in rules if getattr(self, key) is not None]
        if len(rivals) > 1:
            raise ValueError(f"{' and '.join(rivals)} exclude each other. Keep one of them.")
        return self

    @model_validator(mode="after")
    def _is_read(self) -> "DecisionsRecipe":
        """Refuse a key that nothing reads: a floor is not certified by the confidence of something else."""
        readers = {
            "confidence": (
                self.answer_when_right,
                "answer_when_right; a floor has its own (at_least, confidence)",
            ),
            "certify_share": (self.certifying_share, "certified floors, sets and answer_when_right"),
            "sets_per_label": (self.sets, "sets"),
        }
        for key, (reader, named) in readers.items():
            if reader is None and getattr(self, key) != type(self).model_fields[key].default:
                raise ValueError(f"Nothing reads {key}, which is for {named}. Remove it, or add one of those.")
        return self


class ExportRecipe(Section):
    """[export]: which variants may ship, in order of preference, and the bounds of their gate."""

    later: ClassVar[tuple[str, ...]] = (
        "calibrator",
        "table_bits",
        "confidence",
        "allow_worse_than_baseline",
        "max_bias_amplification",
        "contact",
    )

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
        description="Exit with status 0 although the bundle is worse than TF-IDF on test rows, gives a label to "
        "every one of them, or decides none; the bundle is written in any case.",
    )

    max_bias_amplification: float | None = Field(
        None,
        ge=0,
        le=1,
        description="Upper bound on what the bundle adds to its teacher's differences between identity terms, per "
        "axis of the packaged ones, as its interval shows; makes the audit a part of the run. Off by default.",
    )

    contact: Line | None = Field(
        None,
        description="Contact for questions and errors, such as an address or a page, for the model card.",
    )

    @field_validator("precision", mode="before")
    @classmethod
    def _listed(cls, value: object) -> object:
        """Refuse one name where a list of them is expected, with the names that there are."""
        if isinstance(value, str) and value != "auto":
            raise ValueError(
                f"The precision must be auto, or a list of any of {', '.join(get_args(VariantName))}."
            )
        return value

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
