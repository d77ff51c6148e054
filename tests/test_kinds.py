"""A kind of task is whole or is not there: every floor's dict has it, and nothing else asks which kind it is."""

import re
from typing import get_args

from distill.corpora.targets import CODECS
from distill.evaluation.evaluators import EVALUATORS
from distill.export.runtime.tasks import TASKS
from distill.objectives.task_loss import LOSSES
from distill.recipe.kinds import KINDS
from distill.recipe.sources import CorpusRecipe
from tests.support.command import ROOT

NAMES = "|".join(TASKS)
# a place that branches: it compares a task, its kind, or something else with a kind's name, or counts the axes of
# targets, which is the same question in other words
BRANCH = re.compile(
    rf"""task(\.kind)?\s*(==|!=|\bis\b|\bin\b)\s*[A-Z"'(]"""
    rf"""|(==|!=|\bis\b|\bin\b)\s*\(?["']({NAMES})["']|["']({NAMES})["']\s*(==|!=|\bis\b|\bin\b)"""
    r"""|targets\.ndim\s*[=!]=\s*\d|===\s*["'](softmax|sigmoid)["']|manifest\.thresholds\s*\?"""
)
PRODUCT = ("distill", "corpora", "export", "students", "teachers", "docs/browser")


def test_every_floor_knows_the_same_kinds() -> None:
    kinds = list(TASKS)
    assert [list(floor) for floor in (CODECS, EVALUATORS, LOSSES)] == [kinds] * 3
    assert set(KINDS) == set(kinds)
    assert set(get_args(CorpusRecipe.model_fields["task"].annotation)) == set(kinds)
    assert all(task.kind == kind for kind, task in TASKS.items())
    assert all(losses.kind == kind for kind, losses in LOSSES.items())


def test_hardly_a_place_branches_on_the_kind() -> None:
    places = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for folder in PRODUCT
        for path in sorted((ROOT / folder).rglob("*"))
        if path.suffix in (".py", ".js")
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if BRANCH.search(line)
    ]
    assert len(places) < 6, "\n".join(places)
