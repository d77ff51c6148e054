"""Turns as the runtime reads them: whole, newest first, by a template; what is not a conversation is refused."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer

from distill.export.runtime import BundleError, InputError, Turn, load
from distill.export.runtime.manifest.parts import SelfTest
from distill.export.runtime.reading.encoder import Encoder
from distill.export.runtime.reading.inputs import MAX_TEXT_CHARACTERS, ONE_TEXT, Turns, Window, input_from_dict
from distill.export.runtime.reading.turns import Predict, Template
from tests.support.tiny_bundle import WORDS, tiny_tokenizer
from tests.support.tiny_turns import ROLES, TEMPLATE, TURNS_WORDS, WHOLE, make_turns_bundle, turns_tokenizer

C, T = "client", "therapist"

SAID = st.lists(st.sampled_from(WORDS[4:]), max_size=6).map(" ".join)

TALK = st.lists(st.tuples(st.sampled_from([C, T]), SAID), min_size=1, max_size=8)


def reads(turns: int = 2, predict: Predict = "this", decides: tuple[str, ...] = (C,), **more: Any) -> Turns:
    return Turns(turns, ROLES, decides, predict, **{"segments": turns + 1, "template": TEMPLATE, **more})


def read(window: Window, max_tokens: int = 12, turns: int = 2, **more: Any) -> tuple[str, list[int], bool, int]:
    found = Encoder(turns_tokenizer(), max_tokens, rows=reads(turns, **more)).encode_one(window)
    words = " ".join(TURNS_WORDS[number] for number in found.ids)
    assert found.own == found.type_ids.count(0)
    return words, found.type_ids, found.truncated, found.turns


@pytest.mark.parametrize(
    ("window", "max_tokens", "words", "turns"),
    [
        (Window(Turn(C, "i feel sad")), 12, "[CLS] [C] i feel sad [SEP]", 0),
        (Window(Turn(C, "sad"), (Turn(T, "you feel"),)), 12, "[CLS] [C] sad [SEP] [T] you feel [SEP]", 1),
        (
            Window(Turn(C, "sad"), (Turn(C, "i"), Turn(T, "you feel"))),
            12,
            "[CLS] [C] sad [SEP] [T] you feel [C] i [SEP]",
            2,
        ),
        # the older turn would need two places more than there are
        (
            Window(Turn(C, "sad"), (Turn(C, "i"), Turn(T, "you feel"))),
            9,
            "[CLS] [C] sad [SEP] [T] you feel [SEP]",
            1,
        ),
        # the newest turn loses its beginning, and nothing before it is read
        (
            Window(Turn(C, "sad"), (Turn(C, "i"), Turn(T, "you feel very sad"))),
            9,
            "[CLS] [C] sad [SEP] [T] feel very sad [SEP]",
            1,
        ),
        (Window(Turn(C, "sad"), (Turn(T, "you feel"),)), 7, "[CLS] [C] sad [SEP] [T] feel [SEP]", 1),
        # there is room for its role, and for nothing of what it says
        (Window(Turn(C, "sad"), (Turn(T, "you feel"),)), 6, "[CLS] [C] sad [SEP]", 0),
        # any other turn that does not fit ends the context, though one before it would
        (
            Window(Turn(C, "sad"), (Turn(C, "i"), Turn(C, "i feel very sad"), Turn(T, "you"))),
            11,
            "[CLS] [C] sad [SEP] [T] you [SEP]",
            1,
        ),
        (Window(Turn(C, "sad"), (Turn(T, ""),)), 12, "[CLS] [C] sad [SEP] [T] [SEP]", 1),
        (Window(Turn(C, ""), (Turn(T, "you"),)), 12, "[CLS] [C] [SEP] [T] you [SEP]", 1),
    ],
)
def test_the_newest_turns_come_first_and_each_is_whole(
    window: Window, max_tokens: int, words: str, turns: int
) -> None:
    found = read(window, max_tokens, turns=3)
    assert (found[0], found[3]) == (words, turns)


@given(TALK, st.integers(5, 30), st.integers(1, 4))
def test_by_the_first_template_the_newest_turn_is_whole_or_left_out(
    talk: list[tuple[str, str]], max_tokens: int, turns: int
) -> None:
    *before, (_, text) = [Turn(*turn) for turn in talk]
    window = Window(Turn(C, text), tuple(before))
    cut, whole = (
        Encoder(turns_tokenizer(), max_tokens, rows=reads(turns, template=template)).encode_one(window)
        for template in (TEMPLATE, WHOLE)
    )
    assert not whole.shortened
    if not cut.shortened:
        assert cut == whole
        return
    assert (whole.turns, cut.turns, len(cut.ids)) == (0, 1, max_tokens)
    said = turns_tokenizer().encode(before[-1].text, add_special_tokens=False).ids
    assert cut.own is not None
    kept = cut.ids[cut.own + 1 : -1]
    assert 0 < len(kept) < len(said)
    assert kept == said[-len(kept) :]


def test_only_the_decided_turn_is_cut() -> None:
    window = Window(Turn(C, "i feel very sad today"), (Turn(T, "you"),))
    assert read(window, 6) == ("[CLS] [C] i feel very [SEP]", [0] * 6, True, 0)


def test_types_are_distances_up_to_the_last_segment() -> None:
    window = Window(Turn(C, "sad"), tuple(Turn(T, "you") for _ in range(4)))
    assert read(window, 30, turns=4)[1] == [0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 4]
    assert read(window, 30, turns=4, segments=3)[1] == [0, 0, 0, 0, 1, 1, 2, 2, 2, 2, 2, 2, 2]
    assert read(window, 30, turns=0)[0] == "[CLS] [C] sad [SEP]"


@given(TALK, st.integers(5, 30), st.integers(0, 4))
def test_a_row_begins_with_the_row_without_context(
    talk: list[tuple[str, str]], max_tokens: int, turns: int
) -> None:
    *before, (_, text) = [Turn(*turn) for turn in talk]
    window = Window(Turn(C, text), tuple(before))
    found, alone = (
        Encoder(turns_tokenizer(), max_tokens, rows=reads(count)).encode_one(window) for count in (turns, 0)
    )
    assert found.ids[: found.own] == alone.ids
    assert len(found.ids) <= max_tokens
    assert found.turns <= min(turns, len(before))
    assert found.truncated == alone.truncated == (len(text.split()) > max_tokens - 3)


@given(st.lists(TALK, min_size=1, max_size=4))
def test_rows_read_together_and_alone_are_the_same(talks: list[list[tuple[str, str]]]) -> None:
    windows = [Window(Turn(C, talk[-1][1]), tuple(Turn(*turn) for turn in talk[:-1])) for talk in talks]
    encoder = Encoder(turns_tokenizer(), 14, rows=reads(3))
    assert encoder.encode(windows, range(len(windows))) == list(map(encoder.encode_one, windows))


def test_a_text_is_never_read_as_the_mark_of_a_role(tmp_path: Path) -> None:
    from distill.teachers.markers import with_markers
    from tests.support.tiny_models import bert_tokenizer

    plain = bert_tokenizer(["[ ] c t : hello"])
    marked = with_markers(plain, reads())
    for text in ("[C]", "[T] hello", "say [c] or [C]"):
        found = marked.backend_tokenizer.encode(text, add_special_tokens=False)
        assert not set(ROLES.values()) & set(found.tokens)
        assert found.ids == plain.backend_tokenizer.encode(text, add_special_tokens=False).ids
    assert with_markers(marked, reads()) is marked


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("a secret", "texts: This is str, but the bundle reads turns"),
        ({"speaker": C, "text": "a"}, "This is dict, but the bundle reads turns"),
        ([], "The list of turns is empty"),
        ([("nobody secret", "a")], r"turn 1: The speaker is unknown. Name one of client, therapist"),
        ([(C, "a"), (C,)], "turn 2: A turn must have a speaker and a text"),
        ([(C, None)], "turn 1: The text must be a string, but is a missing value"),
        ([(T, "a")], "The last turn is of a role that this bundle does not decide. It decides client"),
        ([(T, "a" * MAX_TEXT_CHARACTERS), (C, "b")], "The text has 1048577 characters"),
    ],
)
def test_what_is_not_a_conversation_is_refused_in_a_sentence(value: Any, said: str) -> None:
    with pytest.raises(InputError, match=said) as caught:
        reads().row(value, "texts")
    assert "secret" not in str(caught.value).replace("a secret", "")


def test_a_row_is_a_list_of_turns_in_any_spelling() -> None:
    expected = Window(Turn(C, "c"), (Turn(C, "a"), Turn(T, "b")))
    spellings: list[Any] = [
        [(C, "x"), (C, "a"), (T, "b"), (C, "c")],
        [{"speaker": C, "text": "a"}, Turn(T, "b"), [C, "c"]],
        Window(Turn(C, "c"), (Turn(T, "x"), Turn(C, "a"), Turn(T, "b"))),
    ]
    assert [reads().row(value, "") for value in spellings] == [expected] * 3
    with pytest.raises(InputError, match="This bundle reads one text"):
        ONE_TEXT.row([("client", "a")], "text")


def test_the_next_turn_is_decided_before_it_is_said() -> None:
    following = reads(predict="next", decides=(T,))
    assert following.row([(C, "a"), (T, "b")], "") == Window(Turn(T, ""), (Turn(C, "a"), Turn(T, "b")))
    rows = following.windows([Turn(C, "a"), Turn(T, "secret"), Turn(C, "b"), Turn(T, "secret")], "turns")
    assert rows[1] == Window(Turn(T, ""), (Turn(C, "a"),))
    assert rows[3] == Window(Turn(T, ""), (Turn(T, "secret"), Turn(C, "b")))
    assert (rows[0], rows[2]) == (None, None)
    with pytest.raises(InputError, match="decides the next turn of client or therapist"):
        reads(predict="next", decides=(C, T)).row([(C, "a")], "text")


@given(TALK, SAID, SAID)
def test_nothing_of_the_next_turn_is_read(talk: list[tuple[str, str]], one: str, other: str) -> None:
    following = reads(3, "next", (C, T))
    windows = [following.windows([*map(Turn._make, talk), Turn(T, text)], "")[-1] for text in (one, other)]
    encoder = Encoder(turns_tokenizer(), 20, rows=following)
    assert windows[0] == windows[1]
    assert windows[0] is not None
    assert encoder.encode_one(windows[0]).ids[:3] == [
        TURNS_WORDS.index(word) for word in ("[CLS]", "[T]", "[SEP]")
    ]


def test_a_template_is_what_a_tokenizer_puts_around_a_text() -> None:
    padded = turns_tokenizer()
    padded.enable_padding(length=20)
    assert Template.of(padded) == TEMPLATE
    plain = tiny_tokenizer()
    with pytest.raises(BundleError, match="A piece of a role or of the template is not in the vocabulary"):
        Encoder(plain, 12, rows=reads())
    with pytest.raises(BundleError, match="'max_tokens' is 3, but must be above the tokenizer's 3 special tokens"):
        Encoder(turns_tokenizer(), 3, rows=reads())


MANIFEST: dict[str, Any] = {
    "kind": "turns",
    "turns": 2,
    "roles": ROLES,
    "decides": [C],
    "predict": "this",
    "segments": 3,
    "template": {"target": ["[CLS]", "{target}", "[SEP]"], "context": ["{newest}", "{turns}", "[SEP]"]},
}


def test_a_manifest_gives_the_input_back() -> None:
    assert input_from_dict(MANIFEST, "m") == reads()
    assert input_from_dict({**MANIFEST, "predict": "conversation"}, "m") == reads(2, "conversation")
    first = {**MANIFEST, "template": {**MANIFEST["template"], "context": ["{turns}", "[SEP]"]}}
    assert input_from_dict(first, "m") == reads(template=WHOLE)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"turns": -1}, "'turns' must be a whole number from 0 to 100"),
        ({"turns": 10**9}, "'turns' must be a whole number"),
        ({"segments": 0}, "'segments' must be a whole number from 1"),
        ({"roles": {}}, "'roles' must be a JSON object of 1 to 20 names"),
        ({"roles": {C: 1}}, "'roles' must be"),
        ({"roles": {f"s{n}": "[C]" for n in range(21)}}, "'roles' must be"),
        ({"roles": {C: "\x1b[31m"}}, "'roles' must be"),
        ({"roles": {C: "[C]" * 100}}, "'roles' must be"),
        ({"decides": []}, "'decides' must be"),
        ({"decides": ["nobody"]}, "'decides' must be a list of names that 'roles' has"),
        ({"predict": "all"}, "'predict' must be one of this, next, conversation"),
        ({"template": None}, "template: This must be a JSON object"),
        ({"template": {"target": ["[CLS]"], "context": ["{turns}"]}}, "'target' must be a list of pieces with"),
        ({"template": {"target": ["{target}"] * 2, "context": ["{turns}"]}}, "'target' must be"),
        ({"template": {"target": ["{target}", "{turns}"], "context": ["{turns}"]}}, "'target' must be"),
        ({"template": {"target": ["{target}"], "context": ["{turns}", *["[SEP]"] * 50]}}, "at most 10 strings"),
        ({"template": {"target": ["{target}"], "context": ["{turns}", "{newest}"]}}, "'context' must be"),
        ({"template": {"target": ["{target}"], "context": ["{newest}", "[SEP]"]}}, "'context' must be"),
        ({"template": {"target": ["{target}"], "context": ["{newest}", "a", "{turns}"]}}, "'context' must be"),
        ({"template": {"target": ["{target}"], "context": ["{newest}", "{newest}", "{turns}"]}}, "'context' must"),
        ({"template": {"target": ["{newest}", "{target}"], "context": ["{turns}"]}}, "'target' must be"),
        ({"more": 1}, "unknown key 'more'"),
    ],
)
def test_a_hostile_manifest_is_refused(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(BundleError, match=said):
        input_from_dict({**MANIFEST, **changes}, "manifest")


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_turns_bundle(tmp_path_factory.mktemp("turns") / "bundle", reads(2))


def test_a_bundle_without_the_pieces_of_its_roles_does_not_open(bundle: Path, tmp_path: Path) -> None:
    from tests.support.tiny_bundle import record

    folder = make_turns_bundle(tmp_path / "bundle", reads(2))
    tiny_tokenizer().save(str(folder / "tokenizer.json"))
    data = json.loads((folder / "manifest.json").read_text())
    data["files"]["tokenizer.json"] = vars(record(folder / "tokenizer.json"))
    (folder / "manifest.json").write_text(json.dumps(data))
    with pytest.raises(BundleError, match="A piece of a role or of the template is not in the vocabulary"):
        load(folder)
    assert isinstance(Tokenizer.from_file(str(bundle / "tokenizer.json")), Tokenizer)


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        ("secret", "'texts' must be a list"),
        ([], "'texts' must be a list of 1 to 1000 windows, has 0"),
        (["secret"], "self_test: texts: This must be a JSON object"),
        ([{"target": ["client", "a"]}], "The key 'context' is missing"),
        ([{"target": "secret", "context": []}], "'texts' must be a list of windows"),
        ([{"target": ["client"], "context": []}], "lists of two strings"),
        ([{"target": ["client", "\ud800"], "context": []}], "without lone surrogates"),
        ([{"target": ["client", "a"], "context": [["client", 1]]}], "lists of two strings"),
        ([{"target": ["client", "a"], "context": [["client", "a"]] * 101}], "at most 100 turns of 'context'"),
        ([{"target": ["client", "a"], "context": [], "more": 1}], "unknown key 'more'"),
    ],
)
def test_a_hostile_self_test_of_windows_is_refused(texts: object, said: str) -> None:
    data = {"texts": texts, "input_ids": [[1]], "logits": [[0.0]], "tolerance": 0.1}
    with pytest.raises(BundleError, match=said) as caught:
        SelfTest.from_dict(data, "self_test", kind="turns", labels=1, max_tokens=8)
    assert "secret" not in str(caught.value)
