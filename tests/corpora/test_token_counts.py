"""Counts of tokens by split and script, and what is said of them."""

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, pre_tokenizers

from distill.corpora.scripts import script_of
from distill.corpora.token_counts import ScriptTokens, SplitTokens, TokenCounter, by_script
from distill.corpora.token_warnings import require_known, token_warnings
from distill.export.runtime.errors import InputError


@dataclass(frozen=True)
class Spelt:
    """One token per word; words that are not in ASCII are unknown (0)."""

    ids: list[int]
    offsets: list[tuple[int, int]]


def encode(texts: list[str]) -> list[Spelt]:
    encoded = []
    for text in texts:
        starts = [0] + [place + 1 for place, character in enumerate(text) if character == " "]
        offsets = [(start, start + len(word)) for start, word in zip(starts, text.split(" "), strict=True)]
        encoded.append(Spelt([int(text[a:b].isascii()) for a, b in offsets], offsets))
    return encoded


def counted(texts: list[str], max_tokens: int = 3) -> SplitTokens:
    counter = TokenCounter(encode, 0, max_tokens)
    counter("train", texts)
    return counter.splits()["train"]


@pytest.mark.parametrize(
    ("character", "script"),
    [
        ("a", "Latin"), ("é", "Latin"), ("Ａ", "Latin"), ("ж", "Cyrillic"), ("ω", "Greek"), ("ع", "Arabic"),
        ("ה", "Hebrew"), ("ह", "Devanagari"), ("வ", "Tamil"), ("ไ", "Thai"), ("한", "Hangul"), ("か", "Kana"),
        ("ｶ", "Kana"), ("心", "Han"), ("𠀋", "Han"), ("Ⴀ", "Georgian"), ("ꓐ", "other"),
        ("1", None), ("!", None), ("😀", None), (" ", None), ("\u0301", None),
    ],
)  # fmt: skip
def test_scripts(character: str, script: str | None) -> None:
    assert script_of(character) == script


def test_tokens_are_counted_by_the_script_they_begin_with() -> None:
    found = counted(["so happy", "(心 of fire", "жар a b c"])
    assert (found.texts, found.cut, found.tokens, found.unknown) == (3, 1, 9, 2)
    assert found.scripts == {
        "Cyrillic": ScriptTokens(1, 1, 3),
        "Han": ScriptTokens(1, 1, 2),
        "Latin": ScriptTokens(2 + 2 + 3, 0, 8 + 6 + 3),
    }


@given(st.lists(st.text(st.sampled_from("ab жё心😀\n1"), max_size=12), max_size=6))
def test_counts_by_script_are_among_all_counts(texts: list[str]) -> None:
    found = counted([" ".join(text.split()) or "a" for text in texts] or ["a"])
    assert sum(script.unknown for script in found.scripts.values()) <= found.unknown <= found.tokens
    assert all(script.unknown <= script.tokens for script in found.scripts.values())


def test_bytes_of_one_character_are_tokens_of_one_character() -> None:
    alphabet = {byte: number for number, byte in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}
    tokenizer = Tokenizer(models.BPE(alphabet, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    counter = TokenCounter(tokenizer.encode_batch, None, 64)
    assert counter("train", ["心火", "ab"]) == [6, 2]
    han = counter.splits()["train"].scripts["Han"]
    assert (han.tokens, han.characters, han.unknown) == (6, 2, 0)
    (found,) = token_warnings(counter.splits(), None, 64)
    assert found.startswith("the script Han takes 3.0 tokens per character")


def test_no_split_is_forgotten_and_no_text_is_kept() -> None:
    counter = TokenCounter(encode, None, 3)
    counter("train", ["SECRET"])
    counter("test", ["a b c d", "a"])
    counter("train", ["b"])
    assert "SECRET" not in repr(vars(counter))
    splits = counter.splits()
    assert {name: split.texts for name, split in splits.items()} == {"train": 2, "test": 2}
    assert by_script(splits) == {"Latin": ScriptTokens(7, 0, 6 + 7 + 1 + 1)}


def split(unknown: int, cut: int = 0, script: str = "Latin") -> SplitTokens:
    """100 texts of ten tokens each."""
    return SplitTokens(100, cut, 1000, unknown, {script: ScriptTokens(1000, unknown, 5000)})


def test_a_corpus_that_both_read_well_has_no_warning() -> None:
    fine = {"train": split(9, 4), "test": split(0)}
    assert token_warnings(fine, fine, 64) == ()
    require_known(fine, 0.2)


def test_unknown_tokens_are_told_by_split_and_by_script() -> None:
    first, second = token_warnings({"train": split(120), "test": split(5)}, None, 64)
    assert first.startswith("12.0% of train are tokens unknown to the teacher's tokenizer; name an encoder")
    assert second.startswith("6.2% of the tokens in the script Latin are unknown")
    first, second = token_warnings({"train": split(120), "test": split(5)}, None, 64, "base")
    assert first.endswith(
        "unknown to the tokenizer of the student's base; name an encoder of the corpus's language in student.base"
    )
    assert second.endswith("are unknown to the tokenizer of the student's base")


def test_what_the_student_reads_worse_is_told_apart() -> None:
    teacher = {"train": split(0, 1)}
    cut, unknown = token_warnings(teacher, {"train": split(30, 10)}, 64)
    assert cut.startswith("10.0% of the texts of train are cut at corpus.max_tokens = 64 for the student")
    assert "(1.0%)" in cut
    assert unknown.startswith("3.0% of train are tokens unknown to the student's trimmed tokenizer")
    (both,) = token_warnings({"train": split(0, 10)}, {"train": split(0, 10)}, 64)
    assert both == "10.0% of the texts of train are cut at corpus.max_tokens = 64"


def test_a_script_that_the_teacher_cannot_read_stops_where_it_is_much_of_the_corpus() -> None:
    with pytest.raises(
        InputError, match=r"55% of the tokens in the script Han .* 50% of the corpus.*`max_unknown`"
    ):
        require_known({"train": split(0), "test": split(550, script="Han")}, 0.2)
    with pytest.raises(InputError, match=r"the tokenizer of the student's base, .* corpus's language as `base`"):
        require_known({"test": split(550, script="Han")}, 0.2, "base")
    require_known({"test": split(550, script="Han")}, 0.6)
    few = SplitTokens(1, 0, 1040, 40, {"Latin": ScriptTokens(1000, 0, 1), "Han": ScriptTokens(40, 40, 40)})
    require_known({"train": few}, 0.2)
