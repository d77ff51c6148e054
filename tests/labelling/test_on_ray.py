"""Labels by actors of Ray: the bytes of the local engine, and nothing of a text in what Ray keeps."""

import shutil
import socket
import sys
from contextlib import nullcontext
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import pytest

from distill.export.runtime.errors import DistillError, InputError, MissingExtraError
from distill.labelling import on_ray
from distill.labelling.on_ray import LabelWork, RaySettings, label_on_ray
from distill.recipe.load import load_recipe
from distill.runs.progress import Reporter
from distill.teachers.store import SHARD_ROWS, missing_shards
from tests.support.finished import execute
from tests.support.labelled_run import files_of, label_locally, write_run

QUIET = Reporter(quiet=True)

# not importorskip: Ray must be told where to listen before it is imported
WITH_RAY = pytest.mark.skipif(find_spec("ray") is None, reason="the extra scale is not installed")


@pytest.mark.slow
@WITH_RAY
def test_two_actors_write_the_bytes_of_the_local_engine(tmp_path: Path) -> None:
    rows = 2 * SHARD_ROWS + 5
    work = write_run(tmp_path / "run", rows)
    expected = label_locally(work, tmp_path / "local")
    label_on_ray(work, rows, RaySettings(actors=2, address="local"), QUIET)
    assert files_of(work.folder) == expected
    assert len(expected) == 3


@pytest.mark.slow
@WITH_RAY
def test_a_local_ray_listens_on_the_loopback_interface_alone() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        asking.connect(("192.0.2.1", 9))  # sends nothing
        own = asking.getsockname()[0]
    with on_ray._ray(RaySettings(actors=1, address="local")) as ray:
        host, _, port = ray.get_runtime_context().gcs_address.rpartition(":")
        assert host == on_ray.LOOPBACK
        socket.create_connection((host, int(port)), 10).close()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((own, int(port)), 10).close()


def test_a_ray_that_was_imported_before_it_was_told_where_to_listen_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ended: list[bool] = []
    context = SimpleNamespace(gcs_address="192.0.2.1:6379")
    early = SimpleNamespace(
        init=lambda *_, **__: None,
        shutdown=lambda: ended.append(True),
        get_runtime_context=lambda: context,
    )
    monkeypatch.setitem(sys.modules, "ray", early)
    for name in ("RAY_USAGE_STATS_ENABLED", "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"):
        monkeypatch.setenv(name, "0")  # so that what is set now goes again
    with (
        pytest.raises(DistillError, match=r"other addresses than 127\.0\.0\.1\. Set RAY_ENABLE"),
        on_ray._ray(RaySettings(actors=1, address="local")),
    ):
        pytest.fail("it must not be used")
    assert ended == [True]
    context.gcs_address = "127.0.0.1:6379"
    with on_ray._ray(RaySettings(actors=1, address="local")) as ray:
        assert ray is early


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


class FakeActor:
    """An actor of this process, whose answers are there at once."""

    def __init__(self, work: LabelWork, threads: int) -> None:
        self._actor = on_ray._Actor(work, threads)
        self.label = SimpleNamespace(remote=self._actor.label)


def fake_ray(cores: int, made: list[FakeActor]) -> SimpleNamespace:
    """As much of Ray as labelling calls."""

    def remote(*args: Any) -> FakeActor:
        assert len(made) < cores, "an actor more than there are processors would wait for ever"
        made.append(FakeActor(*args))
        return made[-1]

    return SimpleNamespace(
        cluster_resources=lambda: {"CPU": float(cores)},
        remote=lambda **_: lambda _: SimpleNamespace(remote=remote),
        wait=lambda busy, num_returns: (busy[:num_returns], busy[num_returns:]),
        get=lambda done: done,
        exceptions=SimpleNamespace(RayActorError=ConnectionError, RayError=OSError),
    )


@pytest.fixture
def actors(monkeypatch: pytest.MonkeyPatch) -> list[FakeActor]:
    """The actors that are made: of two processors."""
    made: list[FakeActor] = []
    monkeypatch.setattr(on_ray, "need", lambda *_: None)
    monkeypatch.setattr(on_ray, "_ray", lambda settings: nullcontext(fake_ray(2, made)))
    return made


def test_no_more_actors_than_processors_label_all_shards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, actors: list[FakeActor]
) -> None:
    monkeypatch.setattr("distill.teachers.store.SHARD_ROWS", 8)
    work = write_run(tmp_path / "run", 30)
    expected = label_locally(work, tmp_path / "local")
    label_on_ray(work, 30, RaySettings(actors=4, address="local"), QUIET)
    assert files_of(work.folder) == expected
    assert len(actors) == 2


def test_of_an_error_its_type_alone_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, actors: list[FakeActor]
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise KeyError("the text of a row")

    work = write_run(tmp_path / "run", 20)
    for place in ("label_shard", "open_labeller"):
        monkeypatch.setattr(on_ray, place, fail)
        actors.clear()
        with pytest.raises(DistillError) as failed:
            label_on_ray(work, 20, RaySettings(2, "local"), QUIET)
        assert "An actor of Ray failed (KeyError). Use label.engine = 'local'" in str(failed.value)
        assert "row" not in str(failed.value)


def test_a_run_labels_on_ray(runs: Path, tmp_path: Path, actors: list[FakeActor]) -> None:
    shutil.copytree(runs, tmp_path / "smoke")
    shutil.rmtree(tmp_path / "smoke/labels")
    with mock.patch("distill.pipeline.needs.need"):
        run = execute(tmp_path / "smoke", "label.engine=ray", until="label")
    assert actors
    for split in ("train", "transfer"):
        ours, local = (
            [path.read_bytes() for path in sorted(folder.glob("part-*"))]
            for folder in (run.layout.labels(split), runs / "labels" / split)
        )
        assert ours == local != []


def test_a_missing_ray_is_known_before_anything_is_trained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("distill.files.extras.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"\[scale\]"):
        execute(tmp_path / "run", "label.engine=ray")
    assert not (tmp_path / "run").exists()


def test_a_language_model_is_asked_from_this_process() -> None:
    with pytest.raises(InputError, match="the verbaliser is asked from this process"):
        load_recipe("smoke", ["label.engine=ray", "teacher.kind=verbaliser", "teacher.model=somebody/causal"])


def test_an_address_is_for_ray() -> None:
    with pytest.raises(InputError, match=r"label: The key address is for engine = 'ray'"):
        load_recipe("smoke", ["label.address=ray://host:1"])
