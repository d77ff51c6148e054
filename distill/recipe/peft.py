"""The recipe's table of a teacher that learns few weights: [teacher.peft]."""

from typing import Any, Literal

from pydantic import Field, model_validator

from distill.recipe.section import Rate, Section
from distill.teachers.tuning.methods import TUNINGS
from distill.teachers.tuning.tuning import Tuning

SIZES = ("rank", "bottleneck", "tokens")


class PeftRecipe(Section):
    """[teacher.peft]: fine-tune few weights of the teacher's body, and its head; without it, all of them."""

    method: Literal["lora", "bitfit", "adapter", "prompt"] = Field(
        "lora",
        description="Weights that learn: lora, narrow matrices beside every linear map; bitfit, the biases; "
        "adapter, small maps behind each sublayer; prompt, rows of new pieces before every text.",
    )
    rank: int | None = Field(None, ge=1, le=1024, description="Rank of the matrices of lora; 16 by default.")
    bottleneck: int | None = Field(
        None, ge=1, le=4096, description="Width inside the maps of adapter; 48 by default."
    )
    tokens: int | None = Field(None, ge=1, le=256, description="Number of pieces of prompt; 20 by default.")
    learning_rate: Rate | None = Field(
        None,
        description="AdamW's learning rate for these weights; by default 5e-4 for lora and adapter, 1e-3 for "
        "bitfit, 3e-2 for prompt.",
    )

    @property
    def tuning(self) -> Tuning:
        """The method with its size."""
        return TUNINGS[self.method].of({name: getattr(self, name) for name in SIZES})

    @property
    def rate(self) -> float:
        """The learning rate of the method's weights."""
        return TUNINGS[self.method].learning_rate if self.learning_rate is None else self.learning_rate

    @model_validator(mode="before")
    @classmethod
    def _choose(cls, data: Any) -> Any:
        """Fill in the method's own defaults, so that the resolved recipe says what was done."""
        method = TUNINGS.get(str(data.get("method", "lora"))) if isinstance(data, dict) else None
        if method is None:
            return data
        usual: dict[str, object] = {"method": method.method, "learning_rate": method.learning_rate}
        if method.option is not None:
            usual[method.option] = method.usual
        return {**usual, **{name: value for name, value in data.items() if value is not None}}

    @model_validator(mode="after")
    def _own_size(self) -> "PeftRecipe":
        option = TUNINGS[self.method].option
        for name in SIZES:
            if getattr(self, name) is not None and name != option:
                user = next(method for method, tuning in TUNINGS.items() if tuning.option == name)
                raise ValueError(f"The key {name} is for {user!r}, and method is {self.method!r}. Remove it.")
        return self

    def check_beside(self, kind: str, checkpoint: object, freeze: object) -> None:
        """Refuse keys of [teacher] that ask for something else.

        Raises:
            ValueError: the teacher learns nothing, or its weights that learn are named twice.
        """
        if kind != "classifier":
            raise ValueError(f"There is a [teacher.peft], and kind is {kind!r}, which learns nothing. Remove it.")
        if checkpoint is not None:
            raise ValueError("A checkpoint is already fine-tuned. Remove it, or [teacher.peft].")
        if freeze != "none":
            raise ValueError(
                f"The weights that learn are those of [teacher.peft], and freeze is {freeze!r}. Remove one of "
                "them."
            )
