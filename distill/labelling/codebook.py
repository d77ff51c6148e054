"""The codebook: how a language model is told what the labels are and what rows of each look like."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from distill.corpora.corpus import Split, label_matrix
from distill.corpora.reading.scrub import scrub
from distill.corpora.targets import CODECS
from distill.export.runtime.deciding.task import Task
from distill.export.runtime.errors import InputError
from distill.export.runtime.reading.rows import Row, Window, segments_of
from distill.recipe.labels_needed import check_named
from distill.recipe.llm import PLACE, VerbaliserRecipe


@dataclass(frozen=True)
class Shot:
    """A train row that a prompt shows: its text, and the ids of its labels."""

    text: str
    labels: tuple[int, ...]


@dataclass(frozen=True)
class Codebook:
    """The labels as a model reads them, the prompt of a text, and rows that are shown with their labels.

    `words` are the words for each label, `definitions` a sentence for each, empty where the recipe has none.
    """

    task: Task
    prompt: str
    words: tuple[tuple[str, ...], ...]
    definitions: tuple[str, ...]
    shots: tuple[Shot, ...] = ()

    @property
    def several(self) -> bool:
        """Return whether a row may have several labels."""
        return CODECS[self.task.kind].several

    def masked(self) -> "Codebook":
        """Return the codebook with personal data masked in the rows and definitions that it shows."""
        shots = tuple(replace(shot, text=scrub(shot.text)[0]) for shot in self.shots)
        return replace(self, shots=shots, definitions=tuple(scrub(text)[0] for text in self.definitions))

    def described(self, label: int) -> str:
        """Return a label's first word, with its definition where it has one."""
        word, definition = self.words[label][0], self.definitions[label]
        return f"{word}: {definition}" if definition else word

    def shown(self, text: str) -> str:
        """Return the prompt with a text in it."""
        return self.prompt.replace(PLACE, text)


def codebook_of(recipe: VerbaliserRecipe, task: Task, train: Split, seed: int) -> Codebook:
    """Return the codebook of a recipe.

    Args:
        recipe: the words, definitions and prompt, and the number of shots per label.
        task: the corpus's.
        train: the rows from which shots are drawn.
        seed: of that draw.

    Raises:
        InputError: a key names a label that the corpus does not have, two labels have the same word, or train has
            too few rows of a label.
    """
    for name, table in (("words", recipe.words), ("definitions", recipe.definitions)):
        check_named(name, table, task.labels)
    words = tuple(tuple(recipe.words.get(label) or (plain(label),)) for label in task.labels)
    _require_different(task, words)
    definitions = tuple(recipe.definitions.get(label, "").strip() for label in task.labels)
    return Codebook(task, recipe.prompt, words, definitions, draw_shots(train, task, recipe.shots, seed))


def plain(label: str) -> str:
    """Return a label's name as a word: blanks in place of underscores."""
    return label.replace("_", " ").strip() or label


def text_of(row: Row) -> str:
    """Return a row as one text; the texts of a pair are its lines.

    Of a conversation each line is a turn behind its speaker's name, and the last one is the turn that is decided.
    """
    if isinstance(row, Window):
        return "\n".join(f"{turn.speaker}: {turn.text}".strip() for turn in (*row.context, row.target))
    return "\n".join(segments_of(row))


def draw_shots(train: Split, task: Task, count: int, seed: int) -> tuple[Shot, ...]:
    """Return `count` train rows of each label, drawn by the seed and mixed.

    Raises:
        InputError: a label has fewer train rows.
    """
    if not count:
        return ()
    gold, draw = label_matrix(train, task), np.random.default_rng(seed)
    chosen: list[int] = []
    for label, name in enumerate(task.labels):
        rows = np.setdiff1d(np.flatnonzero(gold[:, label]), chosen)
        if len(rows) < count:
            raise InputError(f"`shots` is {count}, but train has {len(rows)} rows of {name!r} to show. Lower it.")
        chosen.extend(int(row) for row in draw.choice(rows, count, replace=False))
    mixed = [chosen[place] for place in draw.permutation(len(chosen))]
    return tuple(Shot(text_of(train.texts[row]), tuple(np.flatnonzero(gold[row]).tolist())) for row in mixed)


def _require_different(task: Task, words: Sequence[Sequence[str]]) -> None:
    seen: Mapping[str, str] = {}
    for label, own in zip(task.labels, words, strict=True):
        for word in own:
            if word in seen:
                raise InputError(
                    f"`words`: {word!r} stands for {seen[word]!r} and for {label!r}. Give each its own words."
                )
            seen = {**seen, word: label}
