"""Needs of a recipe beside its corpus and packages that every run imports, known before hours are spent."""

from distill.files.extras import need
from distill.recipe.recipe import Recipe
from distill.training.tracking import require_trackers
from distill.variants.word_forms import forms_of


def require_asked(recipe: Recipe) -> None:
    """Check that trackers, Ray, GPUs and a list of words are there for a recipe that names them.

    Raises:
        MissingExtraError: a package is not installed.
        InputError: there are fewer GPUs than processes, or the list of words cannot be used.
    """
    if recipe.decisions.hand_over_words is not None:
        forms_of(recipe.decisions.hand_over_words)
    require_trackers(recipe.track.names)
    if recipe.label.engine == "ray":
        need("scale", "ray")
    if recipe.training.processes > 1:
        from distill.training.gpus import require_gpus

        require_gpus(recipe.training.processes)
