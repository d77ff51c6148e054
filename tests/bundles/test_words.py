"""The verb `words`: what a tokenizer makes of a list, beside another tokenizer."""

import json
from pathlib import Path

import pytest
from tokenizers import Tokenizer, models, pre_tokenizers

from distill.bundles.words import read_words, word_list
from distill.export.runtime import InputError
from tests.support.command import run_cli
from tests.support.tiny_bundle import make_tiny_bundle


def tokenizer_in(folder: Path, pieces: list[str]) -> Path:
    folder.mkdir()
    vocabulary = {piece: at for at, piece in enumerate(["[UNK]", *pieces])}
    made = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    made.save(str(folder / "tokenizer.json"))
    return folder


def test_words_are_whole_in_pieces_or_unknown(tmp_path: Path) -> None:
    small = tokenizer_in(tmp_path / "small", ["sad", "##ness", "h", "##arm"])
    large = tokenizer_in(tmp_path / "large", ["sad", "##ness", "harm", "suicide"])
    found = word_list(small, ["sad", "sadness", "harm", "suicide"], large)
    assert [word.pieces for word in found.words] == [("sad",), ("sad", "##ness"), ("h", "##arm"), ("[UNK]",)]
    assert [word.other for word in found.words] == [1, 2, 1, 1]
    assert (found.whole, found.unknown, found.further) == (1, 1, 2)
    assert [word.further for word in word_list(small, ["harm"]).words] == [False]


def test_the_verb_takes_a_bundle_and_a_file(tmp_path: Path) -> None:
    bundle = make_tiny_bundle(tmp_path / "runs/mine/bundle")
    words = tmp_path / "words.txt"
    words.write_text("# mine\nsad\ttopic\n\nzeugnis\nsad\n", "utf-8")
    shown = run_cli("words", str(tmp_path / "runs/mine"), "--words", str(words))
    assert shown.stdout.endswith("2 words: 1 whole, 1 with an unknown piece\n")
    data = json.loads(run_cli("words", str(bundle), "--words", str(words), "--json").stdout)
    assert [word["word"] for word in data["words"]] == ["sad", "zeugnis"]
    beside = run_cli("words", str(bundle), "--words", str(words), "--against", str(bundle))
    assert "1 split further than by the other" in beside.stdout
    assert len(json.loads(run_cli("words", str(bundle), "--json").stdout)["words"]) == len(read_words(None))


def test_what_is_no_list_and_no_tokenizer(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        read_words(tmp_path / "none.txt")
    (tmp_path / "empty.txt").write_text("\n# nothing\n")
    with pytest.raises(InputError, match="has 0 words"):
        read_words(tmp_path / "empty.txt")
    with pytest.raises(InputError, match="has no tokenizer.json"):
        word_list(tmp_path, ["sad"])
