"""[teacher.peft]: each method has defaults of its own, and nothing that it does not use."""

import pytest

from distill.export.runtime.errors import InputError
from distill.recipe.load import load_recipe


def test_the_resolved_recipe_says_what_was_done() -> None:
    recipe = load_recipe("smoke", ["teacher.freeze=none", "teacher.peft.method=prompt"])
    peft = recipe.teacher.peft
    assert peft is not None
    assert (peft.tokens, peft.learning_rate, peft.rank) == (20, 3e-2, None)
    assert recipe.teacher.rates()["body_learning_rate"] == 3e-2
    assert "[teacher.peft]" in recipe.to_toml()
    assert "peft" not in load_recipe("smoke", []).teacher.counted()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            ["teacher.freeze=none", "teacher.peft.rank=4", "teacher.peft.method=bitfit"],
            "The key rank is for 'lora'",
        ),
        (["teacher.freeze=body", "teacher.peft.method=lora"], "freeze is 'body'. Remove one of them"),
        (["teacher.freeze=none", "teacher.peft.method=lora", "teacher.checkpoint=x"], "A checkpoint is already"),
        (["teacher.freeze=none", "teacher.peft.method=dora"], "Input should be .lora., .bitfit."),
        (
            [
                *("teacher.freeze=none", "teacher.peft.method=prompt", "augmentation.rows=0"),
                "corpus.context={conversation='talk'}",
            ],
            "teacher.peft.method is 'prompt'",
        ),
        (["teacher.freeze=none", "teacher.peft.method=lora", "teacher.kind=endpoint"], "which learns nothing"),
    ],
)
def test_what_does_not_go_together_is_refused(settings: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        load_recipe("smoke", settings)
