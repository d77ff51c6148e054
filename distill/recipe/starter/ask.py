"""Questions of a starter recipe's author about what is unclear, asked on a terminal."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeVar

from distill.corpora.guessing.labels import PROPOSED, LabelGuess
from distill.corpora.guessing.rows import label_order
from distill.corpora.reading.rows import listed
from distill.recipe.kinds import KINDS

Choice = TypeVar("Choice")

# a question, and its answers with the likeliest first; returns the place of the answer that was chosen
Ask = Callable[[str, Sequence[str]], int]


def chosen(ask: Ask | None, question: str, choices: list[Choice], name: Callable[[Choice], str]) -> list[Choice]:
    """Return the choices with the one that was asked for first."""
    if ask is None or len(choices) < 2:
        return choices
    at = ask(question, [name(choice) for choice in choices])
    return [choices[at], *choices[:at], *choices[at + 1 :]]


def levels_of(label: LabelGuess) -> list[str] | None:
    """Return the labels in their order where they look like levels of one scale."""
    return None if label.several else label_order(listed(label.columns), label.tokens)


def asked_task(ask: Ask | None, label: LabelGuess) -> tuple[LabelGuess, str]:
    """Return the labels as they are to be read, and the kind of task.

    It is asked where rows with one label each may have several elsewhere, where joined names may be one name, and
    where labels look like levels.
    """
    kinds = [label.task]
    if len(label.columns) > 1 or (label.several and label.delimiter not in (None, ",")):
        kinds.append(PROPOSED[not label.several])
    if len(label.columns) > 1 and label.several:
        kinds = [label.task]  # some rows have none, or several
    levels = levels_of(label)
    meanings = {kind: KINDS[kind].meaning for kind in kinds}
    if levels is not None:
        kind = next(name for name, keys in KINDS.items() if keys.ordered)
        meanings[kind] = f"{KINDS[kind].meaning}, in the order {listed(levels)}"
        kinds.append(kind)
    task = chosen(ask, "Which kind of task is it?", kinds, lambda kind: f"{kind}: {meanings[kind]}")[0]
    return replace(label, several=task == PROPOSED[True]), task
