"""The recipe's table of texts that are made for the student: [augmentation]."""

from typing import Literal, get_args

from pydantic import Field, model_validator

from distill.corpora.augment import Way as DrawnWay
from distill.recipe.section import Fraction, Section

Way = DrawnWay | Literal["rewrite", "write"]

DRAWN: tuple[DrawnWay, ...] = get_args(DrawnWay)

# ways of a language model behind a server
WRITING = ("rewrite", "write")


class AugmentationRecipe(Section):
    """[augmentation]: texts made from the train rows and labelled by the teacher, for the student alone."""

    rows: int = Field(0, ge=0, le=10_000_000, description="Number of texts to make; 0 makes none.")
    ways: list[Way] = Field(
        ["join", "cut", "cross", "drop", "mask"],
        min_length=1,
        description="Ways of making a text: join two rows, cut a part, cross two, drop or mask words, replace "
        "words by near ones of the teacher's table, substitute words by masked_model; rewrite rows or write new "
        "ones by [endpoint].",
    )
    share: Fraction = Field(
        0.3, description="Maximum share of a row's words that are dropped, masked or replaced."
    )
    masked_model: str | None = Field(
        None, description="Masked language model for substitute: ORG/NAME[@REVISION] on the hub, or a folder."
    )

    @property
    def written(self) -> tuple[str, ...]:
        """The ways of a language model that are asked for."""
        return tuple(way for way in WRITING if way in self.ways) if self.rows else ()

    @property
    def written_rows(self) -> int:
        """The number of texts that it writes: its ways' share of all."""
        return self.rows * len(self.written) // len(self.ways)

    @property
    def drawn(self) -> tuple[DrawnWay, ...]:
        """The other ways, in the recipe's order."""
        return tuple(way for asked in self.ways for way in DRAWN if way == asked)

    @model_validator(mode="after")
    def _model(self) -> "AugmentationRecipe":
        if "substitute" in self.ways and self.masked_model is None:
            raise ValueError(
                "The way substitute needs augmentation.masked_model. Name one, or remove substitute from ways."
            )
        return self
