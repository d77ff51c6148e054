"""The recipe's table of the machine's share in a training: [training]."""

from pydantic import Field

from distill.recipe.section import Section
from distill.recipe.sources import TeacherRecipe
from distill.recipe.student import ObjectiveRecipe, StudentRecipe


class TrainingRecipe(Section):
    """[training]: how teacher and student use the machine; neither steps nor batches depend on it."""

    processes: int = Field(
        1,
        ge=1,
        le=64,
        description="Number of processes that share each batch, one per GPU where there are GPUs: the same steps "
        "as with one.",
    )
    rows_per_pass: int | None = Field(
        None,
        ge=1,
        le=4096,
        description="Most rows of a batch that a process reads at once, for little memory: the gradients of "
        "several passes make one step.",
    )
    gradient_checkpointing: bool = Field(
        False,
        description="Compute the states of each layer again in the backward pass: less memory, more time.",
    )

    def check_beside(self, teacher: TeacherRecipe, student: StudentRecipe, objective: ObjectiveRecipe) -> None:
        """Refuse values that other tables of a recipe do not allow.

        Raises:
            ValueError: a batch has fewer rows than there are processes, or a term reads all rows of a batch.
        """
        trained = {"student": student.batch_size}
        if teacher.kind == "classifier" and teacher.checkpoint is None:
            trained["teacher"] = teacher.batch_size
        for name, rows in trained.items():
            if self.processes > rows:
                raise ValueError(
                    f"training.processes is {self.processes}, but a batch has {name}.batch_size = {rows} rows. "
                    "Use at most that many."
                )
        if objective.intra_class_weight and (self.processes > 1 or self.rows_per_pass is not None):
            key = "processes" if self.processes > 1 else "rows_per_pass"
            raise ValueError(
                f"objective.intra_class_weight compares all rows of a batch, which training.{key} splits. Set the "
                "former to 0, or remove the latter."
            )
