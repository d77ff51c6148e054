"""A kind of task is whole or is not there: each floor's dict has it, and hardly anything asks which kind it is."""

import ast
from typing import get_args

import pytest

from distill.corpora.targets import CODECS
from distill.evaluation.evaluators import EVALUATORS
from distill.export.runtime.deciding.tasks import TASKS
from distill.objectives.task_loss import LOSSES
from distill.recipe.kinds import KINDS
from distill.recipe.sources import CorpusRecipe
from tests.house import ROOT, TASK, modules_of, places


def test_every_floor_knows_the_same_kinds() -> None:
    kinds = list(TASKS)
    assert [list(floor) for floor in (CODECS, EVALUATORS, LOSSES)] == [kinds] * 3
    assert set(KINDS) == set(kinds)
    assert set(get_args(CorpusRecipe.model_fields["task"].annotation)) == set(kinds)
    assert all(task.kind == kind for kind, task in TASKS.items())
    assert all(losses.kind == kind for kind, losses in LOSSES.items())


def test_no_class_of_a_kind_can_have_heirs() -> None:
    for floor in (TASKS, CODECS, EVALUATORS, LOSSES):
        for implementation in floor.values():
            kind = implementation if isinstance(implementation, type) else type(implementation)
            assert getattr(kind, "__final__", False), kind


# what others are made of: a table of the recipe, which pydantic makes, and the tree of exceptions
ROOTS = ("Section", "DistillError", "LabelError")


def test_no_implementation_has_heirs() -> None:
    """Interfaces are protocols, and whatever is none is what it is."""
    classes = [
        node for path in modules_of(ROOT).values() for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ClassDef)
    ]  # fmt: skip
    named = {node.name: {ast.unparse(base).partition("[")[0] for base in node.bases} for node in classes}
    interfaces = {name for name, bases in named.items() if "Protocol" in bases}
    assert len(named) > 200
    assert interfaces
    heirs = {name: bases & named.keys() - interfaces - set(ROOTS) for name, bases in named.items()}
    assert {name: bases for name, bases in heirs.items() if bases} == {}


def test_hardly_a_place_asks_for_the_kind() -> None:
    found = list(places(ROOT, TASK))
    assert len(found) < 6, "\n".join(found)


@pytest.mark.parametrize(
    ("line", "asks"),
    [
        ('if corpus.task.kind == "ordinal":', True),
        ('NAMES = {"several": "multi_label"}', True),
        ("multi = split.targets.ndim == 2", True),
        ("if manifest.thresholds is None:", True),
        ('if (manifest.activation === "softmax") {', True),
        ('task: Literal["single_label", "multi_label", "ordinal"] = Field(', False),
        ("losses = LOSSES[task.kind]", False),
        ("if task.manifest_version != TAGGED_VERSION:", False),
    ],
)
def test_what_counts_as_asking(line: str, asks: bool) -> None:
    assert bool(TASK.search(line)) is asks
