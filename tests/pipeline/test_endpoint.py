"""A model behind a server as the teacher, the whole way: from questions to a static student and its bundle."""

import json
from pathlib import Path

import pytest

from distill.artifacts.comparison import read_comparison
from distill.export.runtime import load
from distill.teachers.checkpoints import save_classifier
from tests.support.command import run_cli
from tests.support.fake_openai import FakeModel, fake_openai
from tests.support.tiny_causal import save
from tests.support.tiny_models import bert_tokenizer, tiny_classifier

pytestmark = pytest.mark.slow

WORDS = {"joy": ("happy", "glad"), "sadness": ("sad", "alone"), "fear": ("afraid", "scared")}
KEY = "a-key-that-nobody-may-see"
FILLERS = ("today", "at home", "in the garden", "on the train", "with my sister", "after work", "again", "all day")
SETTINGS = """
[student]
kind = "static"
width = 32
window_channels = 16
hash_buckets = 0
hidden = 32
epochs = 4
batch_size = 16
head_learning_rate = 5e-3
body_learning_rate = 5e-3

[export]
precision = ["int8-weights"]
max_label_flip_rate = 0.2
max_row_flip_rate = 0.5
max_macro_f1_drop = 0.2
max_recall_drop = 1.0
allow_worse_than_baseline = true

[bench]
texts = 10
rounds = 1
"""


def rows() -> list[str]:
    places = [f"{first} and {second}" for first in FILLERS for second in FILLERS if first != second]
    texts = [
        f"i feel {word} {place}\t{label}" for place in places for label, words in WORDS.items() for word in words
    ]
    return ["text\tlabels", *texts]


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, FakeModel]:
    folder = tmp_path_factory.mktemp("endpoint")
    (folder / "rows.tsv").write_text("\n".join(rows()) + "\n")
    tokenizer = bert_tokenizer([line.partition("\t")[0] for line in rows()])
    save_classifier(tiny_classifier(vocabulary=len(tokenizer)), tokenizer, folder / "base")
    settings = SETTINGS.replace("[student]", f'[student]\nbase = "{folder / "base"}"')
    model = FakeModel(WORDS, {"cut": 0.02, "429": 0.02, "broken": 0.02, "nan": 0.02})
    with fake_openai(model) as url:
        recipe = (
            f'name = "asked"\n[corpus]\nsource = "{folder / "rows.tsv"}"\ntask = "single_label"\nmax_tokens = 16\n'
            f'[teacher]\nkind = "endpoint"\nepochs = 1\nfreeze = "body"\n[verbaliser]\ncompared_rows = 40\n'
            f'[endpoint]\nmodel = "fake"\nkey_env = "A_KEY"\nurl = "{url}"\n{settings}'
        )
        (folder / "asked.toml").write_text(recipe)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("A_KEY", KEY)
            done = run_cli("run", str(folder / "asked.toml"), "--runs", str(folder / "runs"))
    assert done.returncode == 0, done.stderr
    assert "i feel" not in done.stderr + done.stdout
    assert {headers["Authorization"] for headers in model.headers} == {f"Bearer {KEY}"}
    return folder / "runs/asked", model


def test_a_student_learns_from_answers(asked: tuple[Path, FakeModel]) -> None:
    run, model = asked
    report = json.loads((run / "report.json").read_text())
    quality = {each["name"]: each["test"]["macro_f1"] for each in report["models"]}
    assert quality["teacher"] > 0.95
    assert quality["student"] > 0.9
    classifier = load(run / "bundle")
    place = f"{FILLERS[0]} and {FILLERS[1]}"
    found = classifier.predict([f"i feel {WORDS[label][0]} {place}" for label in ("joy", "fear")])
    assert [prediction.labels for prediction in found] == [("joy",), ("fear",)]
    assert classifier.manifest.provenance["teacher"] == "fake"
    assert classifier.manifest.provenance["student_base"] == "base"
    comparison = read_comparison(run / "comparison")
    assert [model.name for model in comparison.models] == ["language model", "TF-IDF", "fine-tuned encoder"]
    assert comparison.models[0].headline > 0.95
    assert comparison.train_rows == 40
    # nothing that was answered whole is asked again, and all rows were asked about
    assert max(model.answered.values()) == 1
    texts = {request["messages"][-1]["content"] for request in model.requests}
    assert len(texts) == len(rows()) - 1 + 3


def test_a_second_command_asks_nothing(asked: tuple[Path, FakeModel]) -> None:
    run, _ = asked
    done = run_cli("run", str(run.parents[1] / "asked.toml"), "--runs", str(run.parent))
    assert done.returncode == 0, done.stderr
    assert "scores/train: already done" in done.stderr


def test_another_prior_asks_nothing(asked: tuple[Path, FakeModel]) -> None:
    run, _ = asked
    recipe = str(run.parents[1] / "asked.toml")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("A_KEY", KEY)
        done = run_cli("label", recipe, "--runs", str(run.parent), "--set", "verbaliser.calibration=affine")
    assert done.returncode == 0, done.stderr
    assert "scores/train: already done" in done.stderr
    assert "labels/train: already done" not in done.stderr


def test_no_answer_file_holds_a_text(asked: tuple[Path, FakeModel]) -> None:
    run, _ = asked
    for path in [*run.glob("answers/*"), *run.glob("scores/**/*"), *run.glob("teacher/*")]:
        if path.is_file():
            assert b"i feel" not in path.read_bytes()
    assert not [path for path in run.rglob("*") if path.is_file() and KEY.encode() in path.read_bytes()]


def test_a_causal_model_in_a_folder_teaches_too(asked: tuple[Path, FakeModel], tmp_path: Path) -> None:
    """Its labels reach the student; a model of random weights knows nothing, and nobody says that it does."""
    run, _ = asked
    recipe = str(run.parents[1] / "asked.toml")
    text = (
        Path(recipe).read_text().replace('kind = "endpoint"', f'kind = "verbaliser"\nmodel = "{tmp_path / "llm"}"')
    )
    before, _, rest = text.partition("[endpoint]")
    (tmp_path / "read.toml").write_text(before + rest[rest.index("[student]") :])
    save("llama", tmp_path / "llm")
    done = run_cli(
        "label", str(tmp_path / "read.toml"), "--runs", str(tmp_path / "runs"), "--set", "corpus.rows=60"
    )
    assert done.returncode == 0, done.stderr
    shards = list((tmp_path / "runs/asked/labels/train").glob("*.parquet"))
    assert len(shards) == 1
    again = run_cli(
        "label", str(tmp_path / "read.toml"), "--runs", str(tmp_path / "runs"), "--set", "corpus.rows=60"
    )
    assert "labels/train: already done" in again.stderr


def test_a_corpus_without_labels_teaches_what_the_model_says(
    asked: tuple[Path, FakeModel], tmp_path: Path
) -> None:
    run, _ = asked
    text = (run.parents[1] / "asked.toml").read_text()
    lines = [line.partition("\t")[0] for line in rows()[1:]]
    (tmp_path / "lines.txt").write_text("\n".join(lines) + "\n")
    model = FakeModel(WORDS)
    with fake_openai(model) as url:
        before, _, rest = text.partition("[endpoint]")
        source = before[before.index("source = ") : before.index("task = ")]
        before = before.replace(
            source, f'source = "{tmp_path / "lines.txt"}"\nlabels = false\nlabel_names = {[*WORDS]}\n'
        )
        (tmp_path / "zero.toml").write_text(
            f'{before}[endpoint]\nmodel = "fake"\nurl = "{url}"\n{rest[rest.index("[student]") :]}'
        )
        done = run_cli("run", str(tmp_path / "zero.toml"), "--runs", str(tmp_path / "runs"))
    assert done.returncode == 0, done.stderr
    assert "nothing is known about its quality" in done.stderr
    zero = tmp_path / "runs/asked"
    report = json.loads((zero / "report.json").read_text())
    assert "nothing is known" in report["warnings"][0]
    assert "nothing is known" in (zero / "bundle/README.md").read_text()
    assert report["recipe"]["objective"]["soft_weight"] == 1.0
    reviewed = (zero / "review/to_review.csv").read_text().splitlines()
    assert len(reviewed) == 201
    found = load(zero / "bundle").predict(["i feel glad today", "i feel scared today"])
    assert [prediction.labels for prediction in found] == [("joy",), ("fear",)]
    forgotten = run_cli("forget", str(zero), "--yes")
    assert forgotten.returncode == 0, forgotten.stderr
    assert not [path for name in ("corpus", "answers", "review") for path in zero.glob(name)]
