"""Pickles become safetensors in a process of their own, or are refused without being executed."""

import json
import os
import pickle
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from distill.export.runtime.errors import InputError
from distill.teachers import convert
from distill.teachers.checkpoints import build_classifier
from distill.teachers.convert import convert_model
from distill.teachers.encoder import Pooling
from distill.teachers.sources import resolve_model
from distill.teachers.unpickle import Refused, rewrite
from tests.support.command import run_cli
from tests.support.tiny_models import multi_label_task, tiny_classifier


class Hostile:
    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.mark),)


def unsafely(path: Path, value: object) -> None:
    path.write_bytes(pickle.dumps(value))


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A body as of 2019: its weights as a pickle, two of them tied."""
    folder = tmp_path / "old"
    encoder = tiny_classifier().encoder
    encoder.save_pretrained(folder, safe_serialization=True)
    tensors = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    tensors["cls.predictions.decoder.weight"] = tensors["embeddings.word_embeddings.weight"]
    torch.save(tensors, folder / "pytorch_model.bin")
    return folder


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Convert inside this process, because importing torch takes seconds."""

    def converted(part: convert.Part, target: Path, prefix: str) -> list[str]:
        try:
            return rewrite(part.source, target, prefix)
        except Refused as refused:
            raise InputError(f"{part.source}: {refused}") from refused

    monkeypatch.setattr(convert, "_converted", converted)


def test_the_verb_converts_in_its_own_process_and_the_model_loads(model: Path) -> None:
    with pytest.raises(InputError, match=f"Run `distill convert {model}` first"):
        resolve_model(str(model))
    done = run_cli("convert", str(model))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.strip() == str(model / "model.safetensors")
    expected = torch.load(model / "pytorch_model.bin", weights_only=True)
    found = load_file(resolve_model(str(model)).folder / "model.safetensors")
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], tensor) for name, tensor in expected.items())
    build_classifier(model, multi_label_task(), Pooling.MEAN, 0.0)
    assert not list(model.glob("*.partial"))
    again = run_cli("convert", str(model))
    assert again.returncode == 2
    assert "already has model.safetensors. Replace it with --overwrite" in again.stderr


def test_a_hostile_pickle_is_refused_in_one_sentence_and_never_executed(model: Path, tmp_path: Path) -> None:
    mark = tmp_path / "executed"
    unsafely(model / "pytorch_model.bin", {"a": Hostile(mark)})
    done = run_cli("convert", str(model))
    assert done.returncode == 2
    assert "is not a whole file of tensors alone, and was not opened further" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert not mark.exists()
    assert not list(model.glob("model*"))
    pickle.loads((model / "pytorch_model.bin").read_bytes())  # the file is what it is said to be
    assert mark.exists()


@pytest.mark.parametrize("cut", [0, 1, 100, 2000, -1])
@pytest.mark.usefixtures("here")
def test_a_pickle_that_was_cut(cut: int, model: Path) -> None:
    path = model / "pytorch_model.bin"
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(InputError, match="is not a whole file of tensors alone"):
        convert_model(model)


@pytest.mark.parametrize(
    "value", [[1], {}, {"a": 1}, {1: torch.ones(2)}, {"a": torch.ones(2).to_sparse()}, "text"]
)
@pytest.mark.usefixtures("here")
def test_what_holds_no_tensors_by_name(value: object, model: Path) -> None:
    torch.save(value, model / "pytorch_model.bin")
    with pytest.raises(InputError, match="does not hold tensors by name alone"):
        convert_model(model)


@pytest.mark.parametrize("wrapper", ["state_dict", "model_state_dict", "model"])
@pytest.mark.usefixtures("here")
def test_weights_beside_other_things(wrapper: str, model: Path) -> None:
    part = torch.arange(12.0).reshape(3, 4)
    torch.save({"epoch": 3, wrapper: {"a": part[1:].T, "b": part}}, model / "pytorch_model.bin")
    (path,) = convert_model(model)
    assert torch.equal(load_file(path)["a"], part[1:].T)


@pytest.mark.usefixtures("here")
def test_pieces_with_their_index(model: Path) -> None:
    tensors = torch.load(model / "pytorch_model.bin", weights_only=True)
    del tensors["cls.predictions.decoder.weight"]
    (model / "pytorch_model.bin").unlink()
    halves = {f"pytorch_model-0000{half + 1}-of-00002.bin": sorted(tensors)[half::2] for half in (0, 1)}
    for file, names in halves.items():
        torch.save({name: tensors[name] for name in names}, model / file)
    weight_map = {name: file for file, names in halves.items() for name in names}
    index = model / "pytorch_model.bin.index.json"
    index.write_text(json.dumps({"weight_map": weight_map}))
    written = convert_model(model)
    assert [path.name for path in written][-1] == "model.safetensors.index.json"
    source = resolve_model(str(model))
    encoder = build_classifier(source.folder, multi_label_task(), Pooling.MEAN, 0.0).encoder
    state = encoder.state_dict()
    assert all(torch.equal(state[name], tensor) for name, tensor in tensors.items())
    for wrong in ({"a": "../x.bin"}, {"a": "missing.bin"}, {}, {"a": 3}):
        index.write_text(json.dumps({"weight_map": wrong}))
        with pytest.raises(InputError, match=r"index\.json: (The index names files|The file is not an index)"):
            convert_model(model, overwrite=True)


@pytest.mark.usefixtures("here")
def test_a_prefix_is_taken_off_and_a_new_folder_is_a_whole_model(model: Path, tmp_path: Path) -> None:
    tensors = torch.load(model / "pytorch_model.bin", weights_only=True)
    (model / "pytorch_model.bin").unlink()
    renamed = {f"student_net.{name}": tensor.clone() for name, tensor in tensors.items()}
    save_file(renamed, model / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(InputError, match="--out NEW --prefix student_net"):
        build_classifier(model, multi_label_task(), Pooling.MEAN, 0.0)
    with pytest.raises(InputError, match="no tensor with that prefix"):
        convert_model(model, out=tmp_path / "new", prefix="student.")
    assert not (tmp_path / "new").exists()
    convert_model(model, out=tmp_path / "new", prefix="student_net.")
    assert {path.name for path in (tmp_path / "new").iterdir()} == {"config.json", "model.safetensors"}
    build_classifier(tmp_path / "new", multi_label_task(), Pooling.MEAN, 0.0)
    with pytest.raises(InputError, match="already exists"):
        convert_model(model, out=tmp_path / "new", prefix="student_net.")


@pytest.mark.usefixtures("here")
def test_only_when_told_is_anything_replaced_and_then_nothing_stale_stays(model: Path) -> None:
    shutil.copy(model / "config.json", model / "model.safetensors.index.json")
    with pytest.raises(InputError, match=r"already has model.safetensors.index.json"):
        convert_model(model)
    convert_model(model, overwrite=True)
    assert [path.name for path in model.glob("model*")] == ["model.safetensors"]


def test_a_folder_without_weights(tmp_path: Path) -> None:
    for folder, said in ((tmp_path, "has neither pytorch_model.bin nor"), (tmp_path / "none", "is not a folder")):
        with pytest.raises(InputError, match=said):
            convert_model(folder)


def test_the_environment_cannot_allow_more_than_weights() -> None:
    assert convert._environment({"TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD": "1", "PATH": "x"}) == {"PATH": "x"}


@pytest.mark.parametrize("many", [False, True])
def test_few_numbers_that_claim_much_room_are_refused(many: bool, tmp_path: Path) -> None:
    numbers = torch.ones(1000)
    claimed = {f"a{i}": numbers[:] for i in range(50)} if many else {"a": torch.ones(1).expand(10**12)}
    torch.save(claimed, tmp_path / "old.bin")
    with pytest.raises(Refused, match="repeat its numbers many times over"):
        rewrite(tmp_path / "old.bin", tmp_path / "new", "")
    assert not (tmp_path / "new").exists()


def test_broken_safetensors_and_a_full_disk_are_named(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"half")
    with pytest.raises(Refused, match="not a whole safetensors file"):
        rewrite(tmp_path / "model.safetensors", tmp_path / "new", "x.")
    torch.save({"a": torch.ones(2)}, tmp_path / "old.bin")
    with pytest.raises(Refused, match="cannot be written"):
        rewrite(tmp_path / "old.bin", tmp_path / "missing" / "new", "")
