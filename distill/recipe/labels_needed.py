"""Keys of a recipe that need labelled rows."""

from collections.abc import Mapping
from typing import Any


def keys_that_need_labels(recipe: Any) -> Mapping[str, bool]:
    """Return whether each key, as a recipe sets it, needs labelled rows; the recipe is a `Recipe`."""
    asked, policy = recipe.verbaliser, recipe.decisions
    return {
        "teacher.kind": recipe.teacher.kind == "classifier",
        "objective.soft_weight": recipe.objective.soft_weight < 1,
        "verbaliser.shots": asked is not None and asked.shots > 0,
        "verbaliser.calibration": asked is not None and asked.calibration == "affine",
        "corpus.folds": recipe.corpus.folds is not None,
        "teacher.fit_temperature": recipe.teacher.fit_temperature,
        "decisions": bool(policy.floors or policy.certifying_share),
    }
