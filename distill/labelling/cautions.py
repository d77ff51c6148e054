"""Sentences on how a student was taught that readers of its report and its card must know."""

from distill.labelling.endpoint.address import address_of
from distill.labelling.own_labels import UNKNOWN_QUALITY
from distill.recipe.recipe import Recipe

LEFT = (
    "The texts of the corpus were sent to a server on another machine, which runs the language model; e-mail "
    "addresses, links, handles and long numbers were masked first."
)


def cautions_of(recipe: Recipe) -> tuple[str, ...]:
    """Return the sentences that a recipe gives reason for; none for most."""
    cautions = []
    if recipe.corpus.labels is False:
        cautions.append(UNKNOWN_QUALITY)
    endpoint = recipe.endpoint
    if endpoint is not None and not address_of(endpoint.url, allow_remote=endpoint.allow_remote).is_local:
        cautions.append(LEFT)
    return tuple(cautions)
