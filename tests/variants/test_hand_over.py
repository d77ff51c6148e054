"""Rules to hand texts over are fitted to a tokenizer and to validation, whatever kind of tokenizer it is."""

import random
import string
from pathlib import Path

import pytest
from tokenizers import Tokenizer, models, pre_tokenizers, trainers

from distill.export.runtime.deciding.hand_over import CONTINUATION, LITTLE, MEANINGLESS, START, PieceReader
from distill.export.runtime.deciding.listed_words import WordFinder
from distill.export.runtime.errors import InputError
from distill.export.runtime.reading.inputs import Turn, Turns, Window
from distill.export.runtime.reading.said import Framing, framing_of
from distill.export.runtime.reading.turns import Predict
from distill.recipe.shipping import DecisionsRecipe
from distill.runs.fingerprints import words_inputs
from distill.variants.hand_over import fit_unreadable, rules_of
from distill.variants.word_forms import LANGUAGES, crisis_words, forms_of
from tests.support.tiny_turns import ROLES, TEMPLATE, turns_tokenizer

BARE = Framing(0)

TEXTS = [
    f"{who} {what} {when}"
    for who in ("i", "she", "nobody", "my sister", "the doctor")
    for what in ("was happy", "felt tired", "cried", "could not sleep", "laughed at the joke", "missed the train")
    for when in ("today", "last night", "for hours", "again", "at work", "when it rained")
]


def wordpiece() -> Tokenizer:
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))  # type: ignore[call-arg]
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    alphabet = list(string.ascii_lowercase)
    trainer = trainers.WordPieceTrainer(vocab_size=300, special_tokens=["[UNK]"], initial_alphabet=alphabet)
    tokenizer.train_from_iterator(TEXTS, trainer)
    return tokenizer


def unigram() -> Tokenizer:
    words = sorted({word for text in TEXTS for word in text.split()})
    pieces = [("<unk>", 0.0), *((f"▁{word}", -5.0) for word in words)]
    pieces += [(letter, -12.0) for letter in ("▁", *string.ascii_lowercase)]
    tokenizer = Tokenizer(models.Unigram(pieces, 0, False))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    return tokenizer


def bytes_bpe() -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    tokenizer.train_from_iterator(TEXTS, trainers.BpeTrainer(vocab_size=500, initial_alphabet=alphabet))
    return tokenizer


@pytest.mark.parametrize(
    ("made", "kind", "mark"), [(wordpiece, CONTINUATION, "##"), (unigram, START, "▁"), (bytes_bpe, START, "Ġ")]
)
def test_noise_is_unreadable_and_text_is_not(made: object, kind: str, mark: str) -> None:
    tokenizer = made()  # type: ignore[operator]
    rows = [tokenizer.encode(text).ids for text in TEXTS]
    fitted = fit_unreadable(tokenizer, rows, BARE, 0.005)
    assert (fitted.rule.kind, fitted.rule.mark, fitted.validation_share) == (kind, mark, 0.0)
    reader, rng = PieceReader(fitted.rule, tokenizer, BARE), random.Random(4)
    noise = [" ".join("".join(rng.choices("qwzxvkjp", k=9)) for _ in range(3)) for _ in range(50)]
    assert all(reader.unreadable(tokenizer.encode(text).ids) for text in ["", "Я не могу больше", *noise])
    assert not any(map(reader.unreadable, rows))


@pytest.mark.parametrize("made", [wordpiece, unigram, bytes_bpe])
def test_punctuation_and_single_letters_make_no_noise_readable(made: object) -> None:
    tokenizer = made()  # type: ignore[operator]
    marks = "!?.,:;/+"
    rows = [tokenizer.encode(text).ids for text in TEXTS]
    rule = fit_unreadable(tokenizer, rows, BARE, 0.005).rule
    kinds = [rule.kind_of(rule.mark * (rule.kind == START) + letter) for letter in "iq"]
    assert kinds == [LITTLE, LITTLE]
    assert all(rule.kind_of(mark) == LITTLE for mark in marks)
    assert rule.from_share_of_words is not None
    vocabulary = tokenizer.get_vocab()
    noise = [number for piece, number in vocabulary.items() if rule.kind_of(piece) == MEANINGLESS][:3]
    little = [next(number for piece, number in vocabulary.items() if rule.kind_of(piece) == LITTLE)] * 7
    reader = PieceReader(rule, tokenizer, BARE)
    assert reader.unreadable(noise + little)
    assert reader.share(noise + little) < rule.from_share
    assert not reader.unreadable(little)


def test_no_more_of_validation_is_undecided_than_allowed() -> None:
    tokenizer = Tokenizer(models.WordPiece({"[UNK]": 0, "!": 1, "no": 2, "##n": 3, "x": 4}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    plain, loud, lone = [2, 1], [2, 3, 1, 1], [4, 3]
    few = fit_unreadable(tokenizer, [plain] * 996 + [loud] * 4, BARE, 0.005)
    assert (few.rule.from_share, few.rule.from_share_of_words, few.validation_share) == (0.5, 0.5, 0.004)
    many = fit_unreadable(tokenizer, [plain] * 990 + [loud] * 10, BARE, 0.005)
    assert (many.rule.from_share, many.validation_share) == (0.5, 0.0)
    assert many.rule.from_share_of_words == pytest.approx(0.5, abs=1e-9)
    none = fit_unreadable(tokenizer, [plain] * 990 + [[*lone, 1, 1]] * 10, BARE, 0.005)
    assert (none.rule.from_share_of_words, none.validation_share) == (None, 0.0)


def test_the_rule_gives_way_where_validation_is_read_in_single_characters() -> None:
    tokenizer = Tokenizer(models.WordPiece({"[UNK]": 0, "a": 1, "##a": 2, "b": 3}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    rows = [[1, 2, 2, 2]] * 90 + [[1, 3]] * 10
    fitted = fit_unreadable(tokenizer, rows, BARE, 0.005)
    assert fitted.rule.from_share > 0.75
    assert fitted.validation_share == 0.0
    assert PieceReader(fitted.rule, tokenizer, BARE).unreadable([0, 0])
    assert fit_unreadable(tokenizer, rows, BARE, 0.95).rule.from_share == 0.5


@pytest.mark.parametrize(
    ("predict", "decides"), [("this", "client"), ("next", "therapist"), ("conversation", "client")]
)
def test_the_rule_is_about_what_a_decision_on_turns_is_about(predict: Predict, decides: str) -> None:
    """The next turn has no text of its own, and the last one of a conversation may say nothing."""
    reads = Turns(2, ROLES, (decides,), predict, segments=3, template=TEMPLATE)
    read = reads if predict != "this" else reads.without_context()
    reader, framing = read.reader(turns_tokenizer(), 24, type_ids=True), framing_of(reads, turns_tokenizer())
    said = "" if predict == "next" else "i feel sad"

    def ids(text: str, *before: str) -> list[int]:
        context = tuple(Turn("therapist", one) for one in before)
        return reader.one(Window(Turn(decides, said if predict == "next" else text), context)).ids

    rows = [ids(said, "you feel calm", "very happy today")] * 98 + [ids(said)] * 2
    fitted = fit_unreadable(turns_tokenizer(), rows, framing, 0.005)
    assert (fitted.rule.from_share, fitted.rule.blocks, fitted.validation_share) == (0.5, (0,), 0.0)
    unreadable = PieceReader(fitted.rule, turns_tokenizer(), framing).unreadable
    assert unreadable(ids("zzz", "zzz", "qqq"))
    assert unreadable(ids("", "", ""))
    assert unreadable(ids("zzz", "you feel calm", "very happy")) is (predict == "this")
    assert unreadable(ids("")) is (predict != "next")


def test_a_recipe_chooses_its_rules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tokenizer = wordpiece()
    rows = [tokenizer.encode(text).ids for text in TEXTS]
    none = rules_of(DecisionsRecipe(unreadable_share=0), tokenizer, rows, BARE)
    assert (none.objects.to_dict(), none.metrics) == ({}, {})
    cut = rules_of(DecisionsRecipe(hand_over_truncated=True), tokenizer, rows, BARE)
    assert cut.objects.hand_over is not None
    assert (cut.objects.hand_over.truncated, cut.objects.hand_over.words) == (True, ())
    assert cut.metrics == {"validation_unreadable": 0.0}
    own = tmp_path / "own.txt"
    own.write_text("# of the ward\n#\n## more\nc#\nVery Sad\nvery sad\n\nmüde\n", encoding="utf-8-sig")
    assert forms_of(str(own)) == ("own", ("c#", "Very Sad", "müde"))
    monkeypatch.setenv("HOME", str(tmp_path))
    assert forms_of("~/own.txt") == forms_of(str(own))
    assert words_inputs("~/own.txt") == words_inputs(str(own)) != {}
    flagged = rules_of(DecisionsRecipe(hand_over_words=str(own)), tokenizer, rows, BARE)
    assert flagged.objects.hand_over is not None
    assert flagged.objects.hand_over.list_name == "own"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "It has 0 forms"),
        ("# a\nok\n?!\n", "Line 3 cannot be looked for"),
        ("x" * 201, "Line 1 cannot be looked for"),
        ("ok\n#kms\n", "own.txt, line 2: The # would be read as a part of a form, or hide it. Write a comment"),
        ("kms # slang\n", "line 1: The # would"),
        (None, "cannot be read"),
    ],
)
def test_a_list_that_cannot_be_used_is_refused_in_a_sentence(
    content: str | None, said: str, tmp_path: Path
) -> None:
    path = tmp_path / "own.txt"
    if content is not None:
        path.write_text(content, encoding="utf-8")
    with pytest.raises(InputError, match=said):
        forms_of(str(path))


def test_every_packaged_form_finds_itself_in_a_text() -> None:
    _, forms = forms_of("crisis")
    finder = WordFinder(forms)
    for language in LANGUAGES:
        words = crisis_words(language)
        assert len(words) == len(set(words)) >= 50
        assert all(finder.found_in(f"... {word.upper()}!") for word in words)
        assert all(finder.found_in(("nothing here", f"x {word} x")) for word in words)
    assert not any(map(finder.found_in, TEXTS))
