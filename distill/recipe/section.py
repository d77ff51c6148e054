"""The base of every table of a recipe, a strict and frozen model, and the bounded numbers that several have."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Fraction = Annotated[float, Field(gt=0, lt=1)]

Rate = Annotated[float, Field(gt=0, le=1)]

Seed = Annotated[int, Field(ge=0, le=2**31 - 1)]


RATES = frozenset({"body_learning_rate", "head_learning_rate", "weight_decay"})


class Section(BaseModel):
    """Base of every table of a recipe: no unknown key, no change after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
