"""The teachers of a run: one, or the members of an ensemble."""

from dataclasses import dataclass
from typing import Any

from distill.recipe.recipe import Recipe


@dataclass(frozen=True)
class Member:
    """One teacher: `source` is what `resolve_model` takes, `tuned` whether it is taken over as it is."""

    index: int
    source: str
    tuned: bool
    pin: str | None
    seed: int


def members_of(recipe: Recipe) -> tuple[Member, ...]:
    """The teachers that a recipe wants, the one that the student starts from first."""
    teacher, seed = recipe.teacher, recipe.seed
    if teacher.checkpoint is None:
        pin = teacher.sha256 if isinstance(teacher.sha256, str) else None
        seeds = teacher.seeds or [seed]
        return tuple(Member(index, teacher.model, False, pin, one) for index, one in enumerate(seeds))
    sources = [teacher.checkpoint] if isinstance(teacher.checkpoint, str) else teacher.checkpoint
    pins = teacher.sha256 if isinstance(teacher.sha256, list) else [teacher.sha256] * len(sources)
    return tuple(
        Member(index, source, True, pin, seed)
        for index, (source, pin) in enumerate(zip(sources, pins, strict=True))
    )


def averaging(recipe: Recipe) -> dict[str, Any]:
    """How the teachers' logits become what the student learns."""
    return recipe.teacher.model_dump(mode="json", include={"average", "fit_temperature"})
