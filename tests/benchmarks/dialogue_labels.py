"""Labels of earlier turns as context: gold, and a student's own decisions, out of fold; static students.

`python -m tests.benchmarks.dialogue_labels RECIPE OTHER [KEY=VALUE ...]` prints macro-F1 on the recipe's test
split. OTHER is a recipe of the same corpus with the labels of the other speaker, which are given as gold alone. A
student learns from decisions of students that did not see the rows (four parts of the conversations of train); on
test it gets gold labels, those of the student without labels, or its own, turn by turn as a running system has
them. docs/results/dialogue.md has its numbers.
"""

import sys
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from sklearn.metrics import f1_score

from distill.corpora.assembly.read import read_corpus
from distill.corpora.corpus import Split
from distill.corpora.storage.windows import Windows
from distill.export.runtime.reading.inputs import Turn, Turns, Window
from distill.recipe.load import load_recipe
from distill.recipe.sources import corpus_spec
from distill.teachers.sources import resolve_model
from tests.benchmarks.dialogue import windows_of
from tests.benchmarks.dialogue_static import learned

PARTS = 4

DROPOUT = 0.2

Labels = Mapping[int, str]  # by the place of a turn


def with_labels(window: Window, place: int, labels: Labels, first: int, form: str) -> Window:
    """Return a window whose speakers carry labels: each turn of context its own, or the target the last one's."""
    if form == "turns":
        start = place - len(window.context)
        context = [
            Turn(f"{turn.speaker} {labels.get(start + at, '')}".strip(), turn.text)
            for at, turn in enumerate(window.context)
        ]
        return Window(window.target, tuple(context))
    before = next((labels[at] for at in range(place - 1, first - 1, -1) if at in labels), "")
    return Window(Turn(f"{window.target.speaker} {before}".strip(), window.target.text), window.context)


def all_with_labels(windows: Windows, rows: Any, labels: Labels, form: str) -> list[Window]:
    return [
        with_labels(windows[row], place := int(windows.places[row]), labels, int(windows.log.starts[place]), form)
        for row in rows
    ]


def labelled(reads: Turns, names: Any) -> Turns:
    """Return the input with a role for each speaker after each label."""
    pieces = dict(reads.roles)
    for speaker, piece in reads.roles.items():
        for number, name in enumerate(names):
            if len(pieces) < 20:
                pieces[f"{speaker} {name}"] = f"{piece[:-1]}{number}]"
    return replace(reads, roles=pieces, decides=tuple(pieces))


def gold_of(split: Split, names: Any) -> dict[int, str]:
    assert split.targets is not None
    labels = [names[target] for target in np.asarray(split.targets).tolist()]
    return dict(zip(windows_of(split).places.tolist(), labels, strict=True))


def turn_by_turn(student: Any, split: Split, names: Any, form: str) -> Any:
    """Return decisions of all rows, each with the student's own decisions on earlier turns as labels."""
    windows, own = windows_of(split), dict[int, str]()
    starts = windows.log.starts[windows.places]
    order = np.argsort(windows.places)
    step = np.zeros(len(order), dtype=int)
    counts: dict[int, int] = {}
    for row in order.tolist():
        step[row] = counts.get(int(starts[row]), 0)
        counts[int(starts[row])] = step[row] + 1
    decided = np.zeros(len(order), dtype=int)
    for number in range(step.max() + 1):
        rows = np.flatnonzero(step == number)
        decided[rows] = student(all_with_labels(windows, rows, own, form)).argmax(axis=1)
        own |= {int(windows.places[row]): names[decided[row]] for row in rows}
    return decided


def main(recipe: str, other: str, *overrides: str) -> None:
    loaded = load_recipe(recipe, list(overrides))
    base, tokens, seed = resolve_model(loaded.teacher.model), loaded.corpus.max_tokens, loaded.seed
    corpus, _ = read_corpus(corpus_spec(loaded.corpus), seed=seed)
    assert corpus.turns is not None
    names, reads = corpus.task.labels, corpus.turns
    gold = np.asarray(corpus.test.targets)

    def show(name: str, found: Any) -> None:
        print(f"{name}: {f1_score(gold, found, average='macro'):.3f}", flush=True)

    def student(rows: Any, read: Turns, labels: Labels | None = None, form: str = "") -> Any:
        parts = {}
        for name, split, chosen in (
            ("train", corpus.train, rows),
            ("validation", corpus.validation, np.arange(len(corpus.validation))),
        ):
            windows = windows_of(split)
            texts = windows.at(chosen) if labels is None else all_with_labels(windows, chosen, labels, form)
            parts[name] = texts, np.asarray(split.targets)[chosen]
        return learned(corpus, base, read, tokens, seed, DROPOUT, parts)

    everything = np.arange(len(corpus.train))
    first = student(everything, reads)
    show("no labels", first(corpus.test.texts).argmax(axis=1))
    conversations = windows_of(corpus.train).log.starts[windows_of(corpus.train).places]
    part = np.random.default_rng(seed).permutation(np.unique(conversations))
    own: dict[int, str] = {}
    for number in range(PARTS):
        held = np.isin(conversations, part[number::PARTS])
        without = student(np.flatnonzero(~held), reads)
        windows = windows_of(corpus.train).at(np.flatnonzero(held))
        own |= zip(windows.places.tolist(), [names[one] for one in without(windows).argmax(axis=1)], strict=True)
    for split in (corpus.validation, corpus.test):
        windows = windows_of(split)
        own |= zip(windows.places.tolist(), [names[one] for one in first(windows).argmax(axis=1)], strict=True)
    truth = {place: name for _, split in corpus.splits() for place, name in gold_of(split, names).items()}
    agree = np.mean([own[place] == name for place, name in truth.items()])
    print(f"own labels that are right: {agree:.3f}")
    test = np.arange(len(corpus.test))
    for form in ("target", "turns"):
        marked = labelled(reads, names)
        for taught, labels in (("gold", truth), ("own", own)):
            found = student(everything, marked, labels, form)
            for given, shown in (("gold", truth), ("first", own)):
                rows = all_with_labels(windows_of(corpus.test), test, shown, form)
                show(f"{form}, taught {taught}, given {given}", found(rows).argmax(axis=1))
            show(f"{form}, taught {taught}, turn by turn", turn_by_turn(found, corpus.test, names, form))
    beside = load_recipe(other, list(overrides))
    others, _ = read_corpus(corpus_spec(beside.corpus), seed=seed)
    assert len(windows_of(others.train).log) == len(windows_of(corpus.train).log)
    theirs = others.task.labels
    said = {place: name for _, split in others.splits() for place, name in gold_of(split, theirs).items()}
    marked = labelled(reads, theirs)
    found = student(everything, marked, said, "turns")
    rows = all_with_labels(windows_of(corpus.test), test, said, "turns")
    show("turns, the other speaker's gold labels", found(rows).argmax(axis=1))


if __name__ == "__main__":
    main(*sys.argv[1:])
