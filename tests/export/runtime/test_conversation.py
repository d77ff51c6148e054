"""Conversations at run time: turn by turn or as a whole, with the same bits; what is none is refused."""

import random
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from distill.export.runtime import Conversation, DistillError, InputError, Turn, load
from distill.export.runtime.deciding.hand_over import HandOver, Unreadable
from distill.export.runtime.manifest.optional import Objects
from distill.export.runtime.reading.inputs import MAX_TEXT_CHARACTERS, Turns
from distill.export.runtime.reading.turn_reader import TurnReader
from distill.export.runtime.reading.turns import Predict
from tests.support.command import ROOT
from tests.support.tiny_turns import ROLES, TEMPLATE, make_turns_bundle

C, T = "client", "therapist"


def reads(turns: int = 2, predict: Predict = "this", decides: tuple[str, ...] = (C,)) -> Turns:
    return Turns(turns, ROLES, decides, predict, segments=max(turns, 1) + 1, template=TEMPLATE)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_turns_bundle(tmp_path_factory.mktemp("turns") / "bundle", reads())


TALKS = [Turn(C, "i feel sad"), Turn(T, "you feel sad"), Turn(C, "very"), Turn(T, ""), Turn(C, "not calm today")]


def test_each_turn_has_an_entry_and_later_turns_change_no_bit(bundle: Path) -> None:
    classifier = load(bundle)
    found = classifier.predict_turns(TALKS)
    assert [None if one is None else one.context for one in found] == [0, None, 2, None, 2]
    assert found[2] != classifier([TALKS[2]])
    for count in range(1, len(TALKS) + 1):
        assert classifier.predict_turns(TALKS[:count]) == found[:count]
        if TALKS[count - 1].speaker == C:
            assert classifier(TALKS[:count]) == found[count - 1]
    assert classifier.predict_turns([turn._asdict() for turn in TALKS]) == found  # type: ignore[misc]
    assert classifier.predict_turns([]) == []
    with pytest.raises(InputError, match=r"turns\[1\]: The speaker is unknown"):
        classifier.predict_turns([TALKS[0], Turn("secret", "b")])


def test_a_conversation_answers_as_the_whole_of_it(bundle: Path) -> None:
    classifier = load(bundle)
    conversation, other = Conversation(classifier), Conversation(classifier)
    answers = []
    for turn in TALKS:
        other.add(C, "happy")  # another conversation of the same classifier
        answers.append(conversation.add(*turn))
    assert answers == classifier.predict_turns(TALKS)
    with pytest.raises(InputError, match="turn 6: The speaker is unknown"):
        conversation.add("nobody", "a")
    with pytest.raises(InputError, match="does not decide this role. It decides client"):
        Conversation(classifier, role=T)


def test_a_conversation_is_decided_once_and_in_progress_after_each_turn(tmp_path: Path) -> None:
    classifier = load(make_turns_bundle(tmp_path / "bundle", reads(2, "conversation", (C, T))))
    *before, last = classifier.predict_turns(TALKS)
    assert (before, last) == ([None] * 4, classifier(TALKS))
    assert classifier.predict([TALKS, TALKS[:2]])[0] == last
    conversation = Conversation(classifier)
    assert [conversation.add(*turn) for turn in TALKS] == [classifier(TALKS[:count]) for count in range(1, 6)]
    silent = [*TALKS, Turn(T, " "), Turn(C, "")]  # training reads up to the last turn with a text
    assert classifier.predict_turns(silent) == [*before, last, None, None]
    assert classifier(silent) == last == conversation.add(T, " ") == conversation.add(C, "")
    assert conversation.add(*TALKS[0]) == classifier([*silent, TALKS[0]])
    assert classifier.predict_turns([Turn(C, ""), Turn(T, "")])[0] is None


def test_a_bundle_of_next_turns_decides_after_each_turn(tmp_path: Path) -> None:
    classifier = load(make_turns_bundle(tmp_path / "bundle", reads(2, "next", (T,))))
    found = classifier.predict_turns(TALKS)
    assert [one is None for one in found] == [True, False, True, False, True]
    conversation = Conversation(classifier)
    answers = [conversation.add(*turn) for turn in TALKS]
    assert [answers[0], answers[2]] == [found[1], found[3]]
    changed = [TALKS[0], Turn(T, "happy happy happy")]
    assert classifier.predict_turns(changed)[1] == found[1]
    both = load(make_turns_bundle(tmp_path / "both", reads(2, "next", (C, T))))
    with pytest.raises(InputError, match="role: The bundle decides the next turn of client or therapist"):
        Conversation(both)
    assert Conversation(both, role=T).add(*TALKS[0]) is not None


HANDED_OVER = {
    "this": [None, ("crisis word",), None, ("unreadable",)],
    "next": [(), None, ("crisis word",), None],
    "conversation": [None, None, None, ("crisis word",)],
}


@pytest.mark.parametrize(("predict", "decides"), [("this", (C,)), ("next", (T,)), ("conversation", (C, T))])
def test_a_text_is_handed_over_for_what_its_decision_is_about(
    tmp_path: Path, predict: Predict, decides: tuple[str, ...]
) -> None:
    """A turn, the newest one where the next is decided, or all turns of a conversation."""
    objects = Objects(
        unreadable=Unreadable("continuation_mark", "##", "[UNK]", (0,), 0.5, 0.5),
        hand_over=HandOver("text", False, "own", ("sad",)),
    )
    classifier = load(make_turns_bundle(tmp_path / "bundle", reads(2, predict, decides), objects))
    talk = [Turn(T, "you"), Turn(C, "i feel sad"), Turn(T, "very calm today"), Turn(C, "\U0001f622")]
    found = [None if one is None else one.handed_over for one in classifier.predict_turns(talk)]
    assert found == HANDED_OVER[predict]
    assert [one is not None and bool(one.labels) for one in classifier.predict_turns([Turn(*talk[0])] * 2)][
        -1
    ] is (predict != "this")
    nothing = classifier.predict_turns([Turn(T, "\U0001f622"), Turn(C, "zzz"), Turn(T, "")])
    assert [one.handed_over for one in nothing if one is not None][-1] == ("unreadable",)


@pytest.mark.parametrize(("predict", "decides"), [("this", (C,)), ("next", (T,)), ("conversation", (C, T))])
@pytest.mark.parametrize("most", [0, 2])
def test_a_conversation_keeps_ids_and_answers_with_the_same_bits(
    tmp_path: Path, predict: Predict, decides: tuple[str, ...], most: int
) -> None:
    classifier = load(make_turns_bundle(tmp_path / "bundle", reads(most, predict, decides)))
    draw = random.Random(most)
    words = ["i", "feel", "sad", "喜", "e\u0301", "", " ", "not " * 60]
    talk = [Turn(draw.choice((C, T)), " ".join(draw.choices(words, k=draw.randint(0, 3)))) for _ in range(60)]
    conversation = Conversation(classifier)
    for count in range(1, len(talk) + 1):
        answer = conversation.add(*talk[count - 1])
        if predict == "next":
            whole = classifier.predict_turns([*talk[:count], Turn(T, "")])
        else:
            whole = classifier.predict_turns(talk[:count])
        expected = [found for found in whole if found is not None][-1:]
        if predict == "conversation":
            assert [answer] == expected
        else:
            assert answer == whole[-1]


@pytest.mark.parametrize("bundle", sorted((ROOT / "tests/golden").glob("turns-*")), ids=lambda path: path.name)
def test_a_live_conversation_has_the_bits_of_the_whole_in_every_precision(bundle: Path) -> None:
    classifier, draw = load(bundle), random.Random(1)
    words = "i you feel happy sad thank so not very help today 喜 é the".split()
    for _ in range(10):
        talk = [Turn(draw.choice((C, T)), " ".join(draw.choices(words, k=draw.randint(0, 14)))) for _ in range(12)]
        conversation = Conversation(classifier)
        assert [conversation.add(*turn) for turn in talk] == classifier.predict_turns(talk)


def test_each_turn_is_tokenized_once(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    split = Counter[str]()
    ids_of = TurnReader._ids

    def counted(reader: TurnReader, text: str, known: dict[str, list[int]]) -> list[int]:
        split[text] += text not in known
        return ids_of(reader, text, known)

    monkeypatch.setattr(TurnReader, "_ids", counted)
    classifier = load(bundle)
    talk = [Turn((C, T)[at % 2], f"i feel sad {at} " * 40) for at in range(300)]  # 180,000 characters
    expected = classifier.predict_turns(talk)
    assert set(split.values()) == {1}
    split.clear()
    conversation = Conversation(classifier)
    split.clear()
    assert [conversation.add(*turn) for turn in talk] == expected
    assert split == Counter(turn.text for turn in talk)


def test_an_observer_is_told_of_each_decided_turn(bundle: Path) -> None:
    told: list[tuple[int, ...]] = []

    def tell(scores: np.ndarray, *rest: object) -> None:
        told.append(scores.shape)

    conversation = Conversation(load(bundle).watched_by(tell))
    decided = [conversation.add(*turn) is not None for turn in TALKS]
    assert told == [(1, 3)] * sum(decided)


def test_a_text_that_cannot_be_read_is_not_added(bundle: Path) -> None:
    classifier = load(bundle)
    conversation = Conversation(classifier)
    conversation.add(*TALKS[0])
    for text, said in (
        ("\ud800 secret", "cannot be tokenized"),
        ("a" * (MAX_TEXT_CHARACTERS + 1), "Cut or split"),
    ):
        with pytest.raises(InputError, match=f"^turn 2: .*{said}") as caught:
            conversation.add(T, text)
        assert "secret" not in str(caught.value)
        with pytest.raises(InputError, match=r"^turns\[1\]: "):
            classifier.predict_turns([TALKS[0], Turn(T, text), TALKS[2]])
    answers = [conversation.add(*turn) for turn in TALKS[1:]]
    assert answers == classifier.predict_turns(TALKS)[1:]
    half = "a " * (MAX_TEXT_CHARACTERS // 3)  # two of them are more than a row may have
    talk = [Turn(T, half), Turn(C, half)]
    conversation = Conversation(classifier)
    assert [conversation.add(*turn) for turn in talk] == classifier.predict_turns(talk)


def test_what_is_no_list_of_turns_is_refused_as_such(bundle: Path) -> None:
    classifier = load(bundle)
    for given in ("secret", {"speaker": C, "text": "secret"}, None, {Turn(C, "a")}, np.array([[C, "a"]])):
        with pytest.raises(InputError, match=r"turns: This must be a list of turns, but is \w+\.") as caught:
            classifier.predict_turns(given)  # type: ignore[arg-type]
        assert "secret" not in str(caught.value)
    with pytest.raises(InputError, match="classifier: A str is none"):
        Conversation("bundle")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="text, turn 9: The speaker is unknown"):
        classifier([*[Turn(C, "a")] * 8, Turn("nobody", "a")])


def test_an_error_of_the_graph_names_the_turn(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    classifier = load(bundle)

    def fail(rows: object) -> None:
        raise DistillError("texts[1]: The model gave a logit that is not finite. Run `distill verify`.")

    monkeypatch.setattr(classifier._network, "run", fail)
    with pytest.raises(DistillError, match=r"^turns\[2\]: The model"):
        classifier.predict_turns(TALKS)


def test_ten_thousand_turns_are_decided(bundle: Path) -> None:
    classifier = load(bundle)
    found = classifier.predict_turns([Turn((C, T)[at % 2], "i feel") for at in range(10_000)])
    assert len(found) == 10_000
    assert found[500] == found[9_998]


def test_a_bundle_of_texts_reads_no_conversation(tmp_path: Path) -> None:
    from tests.support.tiny_bundle import make_tiny_bundle

    classifier = load(make_tiny_bundle(tmp_path / "bundle"))
    with pytest.raises(InputError, match="This bundle reads a text and no conversation. Use predict"):
        classifier.predict_turns(TALKS)
    assert "context" not in classifier("i am sad").to_dict()
