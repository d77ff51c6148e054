"""The recipe's [track]: trackers that show the curves of trainings."""

from pydantic import Field

from distill.recipe.section import Section


class TrackRecipe(Section):
    """[track]: trackers that each training reports its numbers to, and no text; none by default."""

    tensorboard: bool = Field(False, description="Write the curves for TensorBoard, into `track/` of the run.")
    mlflow: bool = Field(
        False, description="Write them for MLflow: into `track/` of the run, or to MLFLOW_TRACKING_URI."
    )
    wandb: bool = Field(
        False,
        description="Write them for Weights & Biases: offline into `track/` of the run, unless WANDB_MODE says "
        "otherwise.",
    )

    @property
    def names(self) -> tuple[str, ...]:
        """The trackers that are asked for."""
        return tuple(name for name in type(self).model_fields if getattr(self, name))
