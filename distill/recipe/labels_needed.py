"""Keys of a recipe that need labelled rows, or name labels."""

from collections.abc import Collection, Mapping, Sequence

from distill.export.runtime.errors import InputError
from distill.recipe.llm import VerbaliserRecipe
from distill.recipe.shipping import DecisionsRecipe
from distill.recipe.sources import CorpusRecipe, TeacherRecipe
from distill.recipe.student import ObjectiveRecipe


def keys_that_need_labels(
    corpus: CorpusRecipe,
    teacher: TeacherRecipe,
    asked: VerbaliserRecipe | None,
    objective: ObjectiveRecipe,
    decisions: DecisionsRecipe,
) -> Mapping[str, bool]:
    """Return whether each key, as a recipe sets it, needs labelled rows."""
    return {
        "teacher.kind": teacher.kind == "classifier",
        "objective.soft_weight": objective.soft_weight < 1,
        "verbaliser.shots": asked is not None and asked.shots > 0,
        "verbaliser.calibration": asked is not None and asked.calibration == "affine",
        "corpus.folds": corpus.folds is not None,
        "teacher.fit_temperature": teacher.fit_temperature,
        "decisions": bool(decisions.floors or decisions.certifying_share),
    }


def check_named(key: str, named: Collection[str], labels: Sequence[str]) -> None:
    """Check that the labels that a key names are the corpus's.

    Raises:
        InputError: one of them is not.
    """
    unknown = sorted(set(named) - set(labels))
    if unknown:
        raise InputError(
            f"`{key}` names {unknown[0]!r}, which is not a label of the corpus. Its labels begin with "
            f"{', '.join(labels[:5])}."
        )
