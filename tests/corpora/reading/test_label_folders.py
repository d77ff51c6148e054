"""One text per file in a folder per label, and texts and labels in files of their own."""

import zipfile

import pytest

from distill.corpora.assembly.read import read_corpus
from distill.corpora.assembly.spec import CorpusSpec
from distill.corpora.reading.places.provenance import local_record
from distill.corpora.reading.places.source import open_source
from distill.export.runtime.errors import InputError
from distill.recipe.starter.propose import propose_recipe

MOODS = ("anger", "joy")


def folders(base, name="line", count=12):
    for number in range(count):
        folder = base / MOODS[number % 2]
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{number}.txt").write_text(f"some people sang {name} no {number}\nand more\n")
    return base


def rows_of(path, split="train"):
    return [row.fields for row in open_source(str(path)).by_split[split].rows]


def test_a_folder_per_label(tmp_path):
    folders(tmp_path)
    rows = rows_of(tmp_path)
    assert len(rows) == 12
    assert rows[0] == {"text": "some people sang line no 0\nand more", "label": "anger"}
    assert 'labels = "label"' in propose_recipe(tmp_path)


@pytest.mark.parametrize("packed", [False, True])
def test_a_folder_per_label_and_split(tmp_path, packed):
    source = tmp_path / "all" / "published"
    for split in ("train", "test"):
        folders(source / split, split)
        (source / split / "urls_pos.txt").write_text("a list\n")
    (source / "train" / "unsup").mkdir()
    (source / "train" / "unsup" / "0.txt").write_text("nobody read this")
    (source / "README.txt").write_text("about it")
    if packed:
        with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
            for path in sorted(source.rglob("*.txt")):
                archive.write(path, path.relative_to(source.parent))
        source = tmp_path / "a.zip"
    tables = open_source(str(source)).by_split
    assert {split: len(list(table.rows)) for split, table in tables.items()} == {
        "train": 12, "test": 12, "transfer": 1,
    }  # fmt: skip
    spec = CorpusSpec(str(source), "single_label", ("text",), "label", split=(0.5, 0.25, 0.25))
    corpus, _ = read_corpus(spec, seed=1)
    assert corpus.task.labels == MOODS
    assert (len(corpus.test), len(corpus.transfer)) == (12, 1)


def test_lists_of_texts_in_folders_are_no_texts(tmp_path):
    for mood in MOODS:
        (tmp_path / mood).mkdir()
        (tmp_path / mood / "all.txt").write_text("one\ntwo\n")
    with pytest.raises(InputError, match=r"several folders of data \(anger, joy\)"):
        open_source(str(tmp_path))


def test_a_broken_text_is_a_bad_row_and_another_encoding_is_proposed(tmp_path):
    folders(tmp_path, count=60)
    (tmp_path / "joy" / "1.txt").write_bytes(b"caf\xe9")
    spec = CorpusSpec(str(tmp_path), "single_label", ("text",), "label", on_bad_row="quarantine")
    assert len(read_corpus(spec, seed=1)[1]) == 1
    for number in range(60):
        path = tmp_path / MOODS[number % 2] / f"{number}.txt"
        path.write_bytes(f"déjà vu, très fâché, no {number}".encode("cp1252"))
    assert 'encoding = "cp1252"' in propose_recipe(tmp_path)


def test_files_of_one_name_are_recorded_apart(tmp_path):
    folders(tmp_path)
    files = sorted(tmp_path.rglob("*.txt"))
    (tmp_path / "joy" / "0.txt").write_text("another text")
    record = local_record(str(tmp_path), [*files, tmp_path / "joy" / "0.txt"])
    assert {"anger/0.txt", "joy/0.txt"} <= record["files"].keys()


@pytest.mark.parametrize(
    "names", [("train_text.txt", "train_labels.txt"), ("dialogues_text.txt", "dialogues_emotion.txt")]
)
def test_texts_and_labels_in_files_of_their_own_are_refused(tmp_path, names):
    for name in names:
        (tmp_path / name).write_text("one\ntwo\n")
    with pytest.raises(InputError, match="Texts and labels are in files of their own, line by line. Paste them"):
        open_source(str(tmp_path))
