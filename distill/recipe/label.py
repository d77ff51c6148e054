"""The recipe's table of who labels: [label]."""

from typing import Literal

from pydantic import Field, model_validator

from distill.recipe.section import Section


class LabelRecipe(Section):
    """[label]: the processes in which a classifier labels the texts; the choice changes no label."""

    engine: Literal["local", "ray"] = Field(
        "local",
        description="local: this process; ray: actors of Ray, each of which opens the run's folder and labels "
        "whole shards on CPUs (extra scale).",
    )
    actors: int = Field(2, ge=1, le=4096, description="Number of Ray actors.")
    address: str = Field(
        "local",
        min_length=1,
        description="local: a Ray of its own on this machine, which ends with the command; else a cluster that "
        "has the run's folder at the same path. Anyone who can reach Ray's ports can run code on it.",
    )

    @model_validator(mode="after")
    def _of_ray(self) -> "LabelRecipe":
        if self.engine == "local" and self.address != "local":
            raise ValueError("The key address is for engine = 'ray'. Set engine to 'ray', or remove address.")
        return self
