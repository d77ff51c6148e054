"""Base models: found, downloaded once, known by their hashes, refused where they are another or a pickle."""

import hashlib
import json
import shutil
import subprocess
from pathlib import Path

import huggingface_hub
import pytest

from distill.export.runtime.errors import InputError
from distill.pipeline.state import Run
from distill.runs.fingerprints import portable_recipe, recipe_hash
from distill.teachers.checkpoints import load_config, save_classifier
from distill.teachers.sources import MINILM, MINILM_SHA256, resolve_model
from tests.support.finished import execute
from tests.support.tiny_models import bert_tokenizer, multi_label_task, tiny_classifier

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model's folder as it might be published, with what nobody should read."""
    folder = tmp_path_factory.mktemp("published") / "tiny"
    tokenizer = bert_tokenizer()
    save_classifier(tiny_classifier(vocabulary=len(tokenizer)), tokenizer, folder)
    (folder / "head.safetensors").unlink()
    (folder / "pytorch_model.bin").write_bytes(b"a pickle")
    (folder / "README.md").write_text("about it")
    (folder / "onnx").mkdir()
    (folder / "onnx/config.json").write_text("{}")
    return folder


class FakeHub:
    """Stands in for `snapshot_download`: copies what is asked for out of a folder, and keeps count."""

    def __init__(self, published: Path, cache: Path) -> None:
        self.published, self.cache = published, cache
        self.asked: list[dict[str, object]] = []
        self.reachable = True

    def __call__(self, identifier: str, *, local_files_only: bool = False, **wanted: object) -> str:
        self.asked.append({"identifier": identifier, "local_files_only": local_files_only, **wanted})
        target = self.cache / "snapshots" / COMMIT
        if local_files_only and target.is_dir():
            return str(target)
        if local_files_only or not self.reachable:
            raise ConnectionError("no hub")
        names = [
            path.relative_to(self.published).as_posix() for path in self.published.rglob("*") if path.is_file()
        ]
        patterns = {key: wanted[key] for key in ("allow_patterns", "ignore_patterns")}
        for name in huggingface_hub.utils.filter_repo_objects(names, **patterns):  # type: ignore[arg-type]
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(self.published / name, target / name)
        return str(target)


@pytest.fixture
def hub(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeHub:
    fake = FakeHub(model, tmp_path / "cache")
    monkeypatch.setattr(huggingface_hub, "snapshot_download", fake)
    return fake


def test_the_packaged_model_is_the_published_one() -> None:
    source = resolve_model(MINILM)
    assert source.origin == "package"
    assert source.files["model.safetensors"].sha256 == MINILM_SHA256


def test_a_hub_model_is_the_same_model_as_its_folder(hub: FakeHub, model: Path) -> None:
    found = resolve_model("somebody/tiny@v1")
    assert (found.name, found.origin, found.revision, found.commit) == ("somebody/tiny", "hub", "v1", COMMIT)
    assert hub.asked[0]["revision"] == "v1"
    assert found.sha256 == resolve_model(str(model)).sha256
    assert {path.name for path in found.folder.iterdir()} == set(found.files)
    assert not {"pytorch_model.bin", "README.md", "onnx"} & {path.name for path in found.folder.iterdir()}


def test_without_the_hub_its_cache_serves_and_without_both_one_sentence_does(hub: FakeHub) -> None:
    hub.reachable = False
    with pytest.raises(InputError, match=r"somebody/tiny.*ConnectionError.*network, or download"):
        resolve_model("somebody/tiny")
    hub.reachable = True
    expected = resolve_model("somebody/tiny")
    hub.reachable = False
    assert resolve_model("somebody/tiny") == expected
    assert hub.asked[-1]["local_files_only"] is True


@pytest.mark.parametrize("name", ["./nowhere", "/no/where", "a/b/c", "somebody/tiny@", "", "../up"])
def test_what_is_neither_folder_nor_id_never_asks_the_hub(name: str, hub: FakeHub) -> None:
    with pytest.raises(InputError, match="neither a folder nor a hub id"):
        resolve_model(name)
    assert not hub.asked


def test_a_pickle_is_refused_from_a_folder_and_from_the_hub(hub: FakeHub, model: Path, tmp_path: Path) -> None:
    hub.published = tmp_path / "pickled"
    shutil.copytree(model, hub.published)
    (hub.published / "model.safetensors").unlink()
    for name in (str(hub.published), "somebody/pickled"):
        with pytest.raises(InputError, match=r"pickles such as pytorch_model\.bin are never downloaded or opened"):
            resolve_model(name)


def test_the_pin_covers_weights_configuration_and_tokenizer(model: Path, tmp_path: Path) -> None:
    pin = resolve_model(str(model)).sha256
    assert resolve_model(str(model), pin).sha256 == pin
    for name in ("model.safetensors", "config.json", "tokenizer.json"):
        other = tmp_path / name / "tiny"
        shutil.copytree(model, other)
        with (other / name).open("ab") as stream:
            stream.write(b" ")
        found = resolve_model(str(other)).sha256
        with pytest.raises(InputError, match=rf"{found[:12]}.*pins {pin[:12]}"):
            resolve_model(str(other), pin)


@pytest.mark.parametrize(
    ("file", "content", "said"),
    [
        (
            "model.safetensors.index.json",
            '{"weight_map": {"a": "../outside.safetensors"}}',
            "names files",
        ),
        ("model.safetensors.index.json", '{"weight_map": {"a": "sub/x.safetensors"}}', "names files"),
        ("model.safetensors.index.json", '{"weight_map": {"a": 1}}', "names files"),
        ("model.safetensors.index.json", "{}", "names files"),
        ("model.safetensors.index.json", "{", "cannot be read as JSON"),
        ("config.json", '{"transformers_weights": "../outside.safetensors"}', "has transformers_weights"),
        ("config.json", "[]", "is not a JSON object"),
        ("config.json", "\xff", "cannot be read as JSON"),
        ("adapter_config.json", "{}", "has an adapter_config.json"),
    ],
)
def test_weights_that_no_hash_covers_are_refused_with_a_pin_and_without(
    file: str, content: str, said: str, model: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "model"
    shutil.copytree(model, folder)
    (folder / "sub").mkdir()
    for outside in (tmp_path / "outside.safetensors", folder / "sub/x.safetensors"):
        shutil.copy(model / "model.safetensors", outside)
    (folder / file).write_text(content, encoding="latin-1")
    lines = "".join(
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n"
        for path in sorted(folder.iterdir())
        if path.suffix in (".json", ".safetensors", ".txt")
    )
    for pin in (None, hashlib.sha256(lines.encode()).hexdigest()):
        with pytest.raises(InputError, match=said):
            resolve_model(str(folder), pin)


def test_weights_in_pieces_that_are_all_hashed_are_taken(model: Path, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(model, folder)
    (folder / "model.safetensors").rename(folder / "model-00001-of-00001.safetensors")
    index = {"weight_map": {"a": "model-00001-of-00001.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    assert "model-00001-of-00001.safetensors" in resolve_model(str(folder)).files


def test_the_pin_is_what_sha256sum_says_of_the_list_of_hashes(model: Path) -> None:
    source = resolve_model(str(model))
    printed = subprocess.run(
        ["sha256sum", *sorted(source.files)], cwd=model, capture_output=True, check=True
    ).stdout
    assert hashlib.sha256(printed).hexdigest() == source.sha256


def test_code_that_a_model_brings_along_is_neither_run_nor_asked_about(model: Path, tmp_path: Path) -> None:
    folder = tmp_path / "own_code"
    shutil.copytree(model, folder)
    config = json.loads((folder / "config.json").read_text())
    config |= {"model_type": "own", "auto_map": {"AutoConfig": "code.Own", "AutoModel": "code.Own"}}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "code.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\nclass Own: pass\n")
    with pytest.raises(InputError, match="is a model of type 'own'"):
        load_config(folder)
    (folder / "config.json").write_text(json.dumps(config | {"model_type": "bert"}))
    assert load_config(folder).model_type == "bert"
    assert not (tmp_path / "ran").exists()


def test_a_run_records_its_base_model_and_refuses_another(hub: FakeHub, tmp_path: Path) -> None:
    labels = list(multi_label_task().labels)
    rows = [f"{name}\ti feel {name} number {row}" for name in labels for row in range(20)]
    (tmp_path / "rows.tsv").write_text("labels\ttext\n" + "\n".join(rows) + "\n")
    shared = [
        f"corpus.source={tmp_path / 'rows.tsv'}",
        f"corpus.label_names={labels}",
        "teacher.model=somebody/tiny",
    ]

    def teach(*more: str) -> Run:
        return execute(tmp_path / "run", *shared, *more, recipe="smoke", until="teach")

    with pytest.raises(InputError, match=r"pins 000000000000"):
        teach("student.layers=[0]", f"teacher.sha256={'0' * 64}")
    assert not (tmp_path / "run/teacher").exists()
    plain = teach()
    record = json.loads((tmp_path / "run/teacher/source.json").read_text())
    assert (record["name"], record["commit"], record["revision"]) == ("somebody/tiny", COMMIT, None)
    weights = (hub.published / "model.safetensors").read_bytes()
    assert record["files"]["model.safetensors"] == {
        "sha256": hashlib.sha256(weights).hexdigest(),
        "bytes": len(weights),
    }
    # a pin changes no result: nothing is trained again
    pinned = teach(f"teacher.sha256={record['sha256']}")
    assert pinned.records["teacher"].skipped
    assert recipe_hash(pinned.recipe) == recipe_hash(plain.recipe)
    assert "sha256" not in portable_recipe(pinned.recipe)["teacher"]
