"""The teacher's layers that a student gets are measured where the recipe says auto."""

import json
import shutil
import tomllib
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from distill.artifacts.ranking import RANKING_FILE, read_ranking
from distill.artifacts.records import to_dict, write_record
from distill.export.runtime.errors import InputError
from distill.pipeline.choice import choose
from distill.pipeline.choices import layers_choice
from distill.pipeline.state import Run
from distill.recipe.load import load_recipe
from distill.runs.layout import RunLayout
from distill.runs.progress import Reporter
from distill.runs.stage import UNFINISHED, StageRecord
from distill.students.layers import FEW_CANDIDATES, candidate_layers
from tests.support.command import run_cli
from tests.support.finished import reopen

AUTO = [
    "student.kind=layers",
    "student.layers=auto",
    "student.depth=2",
    "student.epochs=1",
    "layer_search.rows=40",
]


def settings(*more: str) -> list[str]:
    return [part for value in (*AUTO, *more) for part in ("--set", value)]


@given(st.integers(1, 24), st.integers(1, 24))
def test_candidates_can_be_made_and_none_comes_twice(depth: int, count: int) -> None:
    if count > depth:
        with pytest.raises(InputError, match=f"1 to {depth}"):
            candidate_layers(depth, count)
        return
    found = candidate_layers(depth, count)
    assert len(found) == len(set(found)) <= max(FEW_CANDIDATES, 7)
    for layers in found:
        assert len(layers) == count
        assert sorted(set(layers)) == list(layers)
        assert 0 <= layers[0] <= layers[-1] < depth


def test_candidates_are_the_usual_choices() -> None:
    assert set(candidate_layers(6, 3)) == {
        (1, 3, 5), (0, 2, 4), (0, 2, 5), (0, 1, 2), (3, 4, 5), (0, 4, 5), (0, 1, 5),
    }  # fmt: skip
    assert candidate_layers(3, 2) == [(0, 1), (0, 2), (1, 2)]


@pytest.fixture(scope="module")
def searched(small_teacher: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The smoke run of a small teacher with its layers left open."""
    folder = tmp_path_factory.mktemp("searched")
    done = run_cli("run", "smoke", "--runs", str(folder), *settings(small_teacher))
    assert done.returncode == 0, done.stderr
    return folder / "smoke"


def test_every_candidate_is_ranked_and_the_best_becomes_the_student(searched: Path) -> None:
    ranking = read_ranking(searched / "layers").ranking
    assert {candidate.layers for candidate in ranking} == set(candidate_layers(3, 2))
    divergences = [candidate.divergence for candidate in ranking]
    assert divergences == sorted(divergences)
    assert len(set(divergences)) > 1
    assert all(0 <= candidate.scores["macro_f1"] <= 1 for candidate in ranking)
    recipe = tomllib.loads((searched / "recipe.toml").read_text())
    assert recipe["student"]["layers"] == list(ranking[0].layers)
    report = json.loads((searched / "report.json").read_text())
    assert report["layer_search"] == [to_dict(candidate) for candidate in ranking]
    assert report["recipe"]["student"]["layers"] == list(ranking[0].layers)
    assert "Layer search" in (searched / "report.html").read_text()
    assert json.loads((searched / "student/config.json").read_text())["num_hidden_layers"] == 2


def test_the_resolved_recipe_searches_nothing_and_gives_the_same_bundle(searched: Path, tmp_path: Path) -> None:
    shutil.copytree(searched, tmp_path / "smoke")
    for name in ("layers", "student", "bundle"):
        shutil.rmtree(tmp_path / "smoke" / name)
    done = run_cli("export", str(searched / "recipe.toml"), "--runs", str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "smoke/layers").exists()
    for path in (searched / "bundle").rglob("*.*"):
        if path.name == "README.md":  # what the run measured is in it
            continue
        assert (
            path.read_bytes() == (tmp_path / "smoke/bundle" / path.relative_to(searched / "bundle")).read_bytes()
        )


def test_a_second_run_has_nothing_to_do(searched: Path, small_teacher: str) -> None:
    done = run_cli("run", "smoke", "--runs", str(searched.parent), *settings(small_teacher))
    assert done.returncode == 0, done.stderr
    stages = [line for line in done.stderr.splitlines() if not line.startswith(" ")]
    assert any(line.startswith("layers:") for line in stages)
    assert [line for line in stages if not line.endswith("already done")] == []


def test_checkpoints_of_candidates_are_not_kept_until_the_end(searched: Path) -> None:
    assert not list((searched / "layers").rglob("*.safetensors"))


@pytest.mark.parametrize(
    "setting",
    [
        "objective.intra_class_weight=1.0",
        "objective.temperature=3.0",
        "teacher.fit_temperature=true",
        "layer_search.epochs=2",
        "student.batch_size=8",
        "seed=14",
    ],
)
def test_all_that_a_ranking_depends_on_is_in_its_fingerprint(
    setting: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain, changed = (inputs_of_ranking([*AUTO, *more], tmp_path, monkeypatch) for more in ([], [setting]))
    assert plain != changed
    assert plain == inputs_of_ranking([*AUTO, "student.epochs=9"], tmp_path, monkeypatch)


@pytest.mark.parametrize("how", ["logits", "probabilities"])
def test_a_ranking_depends_on_every_teacher_and_their_average(
    how: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = inputs_of_ranking([*AUTO, "teacher.seeds=[1,2]", f"teacher.average={how}"], tmp_path, monkeypatch)
    assert {"labels/train", "labels/validation", "labels-2/train", "labels-2/validation"} <= found.keys()
    assert found["averaging"]["average"] == how


def inputs_of_ranking(overrides: list[str], folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the stage is told of a run whose earlier stages are done; it is not executed."""
    run, told = Run(load_recipe("smoke", overrides), RunLayout(folder), Reporter(quiet=True)), {}
    parts = [f"labels{number}/{split}" for number in ("", "-2") for split in ("train", "validation", "test")]
    for name in ("corpus", "teacher", *parts):
        run.records[name] = StageRecord(name, {name: name}, 0.0, skipped=True)
    monkeypatch.setattr(Run, "stage", lambda _run, _name, _folder, inputs, _work, **_: told.update(inputs))
    (folder / "layers").mkdir(exist_ok=True)
    best = {"layers": [0, 1], "divergence": 0.1, "macro_f1": 0.5, "steps": 9}
    (folder / "layers" / RANKING_FILE).write_text(json.dumps({"ranking": [best]}))
    choose(run, layers_choice(run))
    assert run.recipe.student.layers == [0, 1]
    return told


def test_candidates_learn_what_their_student_will(searched: Path, tmp_path: Path) -> None:
    """Terms beyond logits are part of it; and whatever was drawn before, a candidate starts the same."""
    rankings = []
    for number, more in enumerate(([], ["objective.hidden_weight=9.0"], ["objective.hidden_weight=9.0"])):
        place = tmp_path / str(number)
        place.mkdir()
        torch.rand(number + 1)
        layers_choice(reopen(searched, *AUTO, "student.depth=3", *more)).measure(place)
        rankings.append(read_ranking(place))
    assert rankings[0] != rankings[1] == rankings[2]


def test_a_search_goes_on_with_the_next_candidate_and_ends_in_the_same_ranking(
    searched: Path, tmp_path: Path
) -> None:
    last = candidate_layers(3, 2)[-1]
    for layers in candidate_layers(3, 2)[:-1]:
        place = tmp_path / UNFINISHED / "-".join(map(str, layers))
        place.mkdir(parents=True)
        ranking = read_ranking(searched / "layers").ranking
        known = next(candidate for candidate in ranking if candidate.layers == layers)
        write_record(known, place / "result.json")
    layers_choice(reopen(searched, *AUTO)).measure(tmp_path)
    assert (tmp_path / UNFINISHED / "-".join(map(str, last)) / "metrics.jsonl").is_file()
    assert (tmp_path / RANKING_FILE).read_bytes() == (searched / "layers" / RANKING_FILE).read_bytes()


def test_more_layers_than_the_teacher_has_are_refused_before_anything_is_trained(tmp_path: Path) -> None:
    done = run_cli("run", "smoke", "--runs", str(tmp_path), *settings(), "--set", "student.depth=7")
    assert done.returncode == 2
    assert "student.depth is 7; the teacher has 6 layers" in done.stderr
