"""The teachers of a recipe: one, or the members of an ensemble."""

from dataclasses import dataclass
from typing import Literal

from distill.recipe.recipe import Recipe


@dataclass(frozen=True)
class Member:
    """One teacher: `source` is what `resolve_teacher` takes, `is_finetuned` whether it is used as it is."""

    index: int
    source: str
    is_finetuned: bool
    pin: str | None
    seed: int


def members_of(recipe: Recipe) -> tuple[Member, ...]:
    """Return the teachers of a recipe; the student starts from the first if it has no base of its own."""
    teacher, seed = recipe.teacher, recipe.seed
    if recipe.endpoint is not None and teacher.kind == "endpoint":
        return (Member(0, recipe.endpoint.model, True, None, seed),)
    if teacher.kind == "verbaliser":
        pin = teacher.sha256 if isinstance(teacher.sha256, str) else None
        return (Member(0, teacher.model, True, pin, seed),)
    if teacher.checkpoint is None:
        pin = teacher.sha256 if isinstance(teacher.sha256, str) else None
        seeds = teacher.seeds or [seed]
        return tuple(
            Member(index, teacher.model, False, pin, member_seed) for index, member_seed in enumerate(seeds)
        )
    sources = [teacher.checkpoint] if isinstance(teacher.checkpoint, str) else teacher.checkpoint
    pins = teacher.sha256 if isinstance(teacher.sha256, list) else [teacher.sha256] * len(sources)
    return tuple(
        Member(index, source, True, pin, seed)
        for index, (source, pin) in enumerate(zip(sources, pins, strict=True))
    )


def start_of(recipe: Recipe) -> tuple[str, str | None]:
    """Return the encoder that the student starts from, as `resolve_model` takes it, and the hash that pins it."""
    if recipe.student.base is not None:
        return recipe.student.base, None
    first = members_of(recipe)[0]
    return first.source, first.pin


def reader_of(recipe: Recipe) -> Literal["model", "base"]:
    """Return the argument that names what the student starts from: the teacher's model, or its own base."""
    return "model" if recipe.student.base is None else "base"


def reference_name(recipe: Recipe) -> str:
    """Return the name of the model that the student is measured against: the teacher, or the ensemble."""
    return "ensemble" if len(members_of(recipe)) > 1 else "teacher"


def averaging(recipe: Recipe) -> dict[str, object]:
    """Return the keys that decide how the teachers' logits become soft labels."""
    return recipe.teacher.model_dump(mode="json", include={"average", "fit_temperature"})
