"""What every table of a recipe is: a strict, frozen model; and the kinds of number that several have."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Fraction = Annotated[float, Field(gt=0, lt=1)]

Rate = Annotated[float, Field(gt=0, le=1)]

Seed = Annotated[int, Field(ge=0, le=2**31 - 1)]


RATES = frozenset({"body_learning_rate", "head_learning_rate", "weight_decay"})


class Section(BaseModel):
    """What every table of a recipe keeps to: no unknown key, no change after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
