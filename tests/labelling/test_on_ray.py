"""Labels by actors of Ray: the bytes of the local engine, and nothing of a text in what Ray keeps."""

from pathlib import Path

import pytest

from distill.export.runtime.errors import InputError, MissingExtraError
from distill.labelling import on_ray
from distill.labelling.on_ray import RaySettings, label_on_ray
from distill.recipe.load import load_recipe
from distill.runs.progress import Reporter
from distill.teachers.store import SHARD_ROWS, missing_shards
from tests.support.labelled_run import files_of, label_locally, write_run

QUIET = Reporter(quiet=True)


@pytest.mark.slow
def test_two_actors_write_the_bytes_of_the_local_engine(tmp_path: Path) -> None:
    pytest.importorskip("ray", reason="the extra scale is not installed")
    rows = 2 * SHARD_ROWS + 5
    work = write_run(tmp_path / "run", rows)
    expected = label_locally(work, tmp_path / "local")
    label_on_ray(work, rows, RaySettings(actors=2, address="local"), QUIET)
    assert files_of(work.folder) == expected
    assert len(expected) == 3


def test_shards_that_are_there_need_no_ray(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    work = write_run(tmp_path / "run", 20)
    label_locally(work, work.folder)
    assert missing_shards(work.folder, 20, work.identity) == []
    monkeypatch.setattr(on_ray, "need", lambda *_: None)
    monkeypatch.setattr(on_ray, "_ray", None)  # whoever calls it fails
    label_on_ray(work, 20, RaySettings(2, "local"), QUIET)


def test_without_the_extra_it_says_which(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("distill.files.extras.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"\[scale\]"):
        label_on_ray(write_run(tmp_path / "run", 20), 20, RaySettings(2, "local"), QUIET)


def test_an_address_is_for_ray() -> None:
    with pytest.raises(InputError, match=r"label: The key address is for engine = 'ray'"):
        load_recipe("smoke", ["label.address=ray://host:1"])
