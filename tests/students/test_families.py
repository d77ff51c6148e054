"""Student families: each is whole, or it is not there; a recipe is checked without torch."""

import subprocess
import sys
from dataclasses import fields, is_dataclass
from typing import get_args

import pytest

from distill.planning.retention import expected_retention
from distill.recipe.load import load_recipe
from distill.recipe.student import StudentRecipe
from distill.students.families import FAMILIES, StudentFamily, all_candidates
from distill.students.shape import Dimensions

MINILM = Dimensions(6, 384, 1536)


def test_recipe_families_and_retentions_name_the_same_kinds() -> None:
    assert tuple(FAMILIES) == get_args(StudentRecipe.model_fields["kind"].annotation)
    for kind, family in FAMILIES.items():
        assert family.kind == kind
        shape = Dimensions(0 if not family.has_layers else 2, 64, 256)
        assert 0 < expected_retention(kind, shape, MINILM, is_narrow=True) < 1


@pytest.mark.parametrize("kind", list(FAMILIES))
def test_a_family_is_final_and_has_all_that_the_interface_has(kind: str) -> None:
    family = FAMILIES[kind]
    assert is_dataclass(family)
    assert family.__bases__ == (object,)
    assert getattr(family, "__final__", False)
    wanted = {name for name in vars(StudentFamily) if not name.startswith("_")} | set(
        StudentFamily.__annotations__
    )
    assert wanted <= set(dir(family)) | {field.name for field in fields(family)}  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", list(FAMILIES))
def test_its_values_make_the_same_student_again(kind: str) -> None:
    for student in (StudentRecipe(kind=kind), StudentRecipe(kind=kind, layers="auto")):
        again = student.model_validate({**dict(student), **student.family.values})
        assert again.family == student.family
        assert {one.name for one in all_candidates(kind, dict(student), MINILM)} >= {student.family.name}


def test_a_recipe_is_checked_without_torch() -> None:
    code = "import sys, distill.recipe.load as r; r.load_recipe('smoke'); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
    assert load_recipe("smoke").student.family.kind == "compact"
