"""Group ids in published splits: they often start again in each, and then name other groups."""

import json

import pytest

from distill.corpora.assembly.read import CorpusSpec, read_corpus
from distill.export.runtime.errors import InputError


def splits(folder, ids, text=lambda split, row: f"line {split} {row}"):
    for split, rows in (("train", 40), ("dev", 10), ("test", 10)):
        lines = [
            {"text": text(split, row), "labels": "ab"[row % 2], "talk": ids(split, row)} for row in range(rows)
        ]
        (folder / f"{split}.jsonl").write_text("\n".join(map(json.dumps, lines)))
    return folder


def read(source, **more):
    spec = CorpusSpec(str(source), "single_label", ("text",), "labels", group="talk", **more)
    return read_corpus(spec, seed=1)[0]


def sizes(corpus):
    return {name: len(split) for name, split in corpus.splits()}


def test_ids_that_start_again_lose_no_row(tmp_path):
    corpus = read(splits(tmp_path, lambda split, row: row // 2))
    assert sizes(corpus) == {"train": 40, "validation": 10, "test": 10}
    assert corpus.notes["groups_in_several_splits"] == 5
    groups = [set(split.groups.tolist()) for _, split in corpus.splits()]
    assert not groups[0] & groups[1] | groups[0] & groups[2] | groups[1] & groups[2]


def test_the_recipe_can_say_that_ids_hold_everywhere(tmp_path):
    splits(tmp_path, lambda split, row: row // 2 if split == "train" else 15 + row // 5)
    assert sizes(read(tmp_path)) == {"train": 40, "validation": 10, "test": 10}
    with pytest.raises(InputError, match="The validation split has no row left"):
        read(tmp_path, group_scope="source")
    splits(tmp_path, lambda split, row: row // 2 if split == "train" else f"{split} {row}")
    assert "groups_in_several_splits" not in read(tmp_path).notes
    splits(tmp_path, lambda split, row: f"{split} {row}" if split == "dev" else row // 2)
    corpus = read(tmp_path, group_scope="source")
    assert (len(corpus.train), corpus.notes["train_leaks_group_removed"]) == (30, 10)


def test_repeated_texts_are_still_found_across_splits(tmp_path):
    corpus = read(splits(tmp_path, lambda split, row: row, text=lambda split, row: f"line {row} {split == 'dev'}"))
    assert corpus.notes["train_leaks_text_removed"] == 10


def test_a_column_that_names_splits_publishes_them_too(tmp_path):
    rows = [
        {"text": f"line {part} {row}", "labels": "ab"[row % 2], "talk": row // 2, "part": part}
        for part in ("train", "dev", "test")
        for row in range(20)
    ]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, rows)))
    assert sizes(read(tmp_path / "a.jsonl", split="part")) == {"train": 20, "validation": 20, "test": 20}


def test_what_is_split_off_keeps_groups_whole(tmp_path):
    splits(tmp_path, lambda split, row: row // 4)
    (tmp_path / "dev.jsonl").unlink()
    corpus = read(tmp_path)
    assert not set(corpus.train.groups.tolist()) & set(corpus.validation.groups.tolist())
    assert corpus.notes["train_leaks_group_removed"] == 0
    with pytest.raises(InputError, match="`group_scope` = 'file' is not known"):
        read(tmp_path, group_scope="file")
