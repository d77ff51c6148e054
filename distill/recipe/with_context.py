"""Keys of a recipe that go together with turns of conversations, or do not."""

from distill.recipe.augmentation import AugmentationRecipe
from distill.recipe.sources import CorpusRecipe, TeacherRecipe
from distill.recipe.student import StudentRecipe


def check_context(
    corpus: CorpusRecipe, teacher: TeacherRecipe, augmentation: AugmentationRecipe, student: StudentRecipe
) -> None:
    """Refuse keys that need [corpus.context], and those that it excludes.

    Raises:
        ValueError: one of them is set.
    """
    if corpus.context is None and teacher.pooling == "target":
        raise ValueError(
            "teacher.pooling = 'target' pools the turn that is decided, and corpus.context, which makes rows "
            "of turns, is missing. Use 'mean'."
        )
    if corpus.context is None and student.context_dropout is not None:
        raise ValueError(
            "student.context_dropout leaves out context, and corpus.context, which makes rows of turns, is "
            "missing. Remove the former."
        )
    peft = teacher.peft
    if corpus.context is not None and peft is not None and peft.method == "prompt":
        raise ValueError(
            "teacher.peft.method is 'prompt', and the turns of corpus.context have a template of their own. "
            "Use 'lora'."
        )
    if corpus.context is not None and augmentation.written:
        raise ValueError(
            f"augmentation.ways has {' and '.join(augmentation.written)}, which ask for single texts, but "
            "corpus.context reads turns of conversations. Use the other ways, which change turns of whole "
            "conversations."
        )
