"""Pairs as the runtime reads them: cut as the library cuts where it can; what is no pair is refused."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, processors

from distill.export.runtime import BundleError, InputError
from distill.export.runtime.deciding.task import Policy
from distill.export.runtime.deciding.tasks import task_of
from distill.export.runtime.manifest.manifest import Manifest, decision_fields
from distill.export.runtime.manifest.optional import NO_OBJECTS
from distill.export.runtime.manifest.parts import SelfTest
from distill.export.runtime.reading.encoder import Encoder
from distill.export.runtime.reading.inputs import MAX_TEXT_CHARACTERS, ONE_TEXT, Pair, Side, Truncate
from tests.support.tiny_bundle import WORDS, tiny_manifest, tiny_tokenizer

COLUMNS = ("question", "answer")

SIDES: dict[Side, str] = {"end": "right", "start": "left"}

SEGMENT = st.lists(st.sampled_from(WORDS[4:]), max_size=20).map(" ".join)


def pair_tokenizer(pair: str = "[CLS] $A [SEP] $B:1 [SEP]:1") -> Tokenizer:
    tokenizer = tiny_tokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair=pair,
        special_tokens=[(name, WORDS.index(name)) for name in ("[CLS]", "[SEP]")],
    )
    return tokenizer


@given(SEGMENT, SEGMENT, st.integers(5, 30), st.sampled_from(["end", "start"]), st.sampled_from([None, *COLUMNS]))
def test_a_pair_is_cut_as_the_library_cuts_it(
    first: str, second: str, max_tokens: int, side: Side, column: str | None
) -> None:
    """The library refuses to take every token of a named column; then none is left of it, and the other is cut."""
    found = Encoder(pair_tokenizer(), max_tokens, rows=Pair(COLUMNS, Truncate(column, side))).encode_one(
        (first, second)
    )
    lengths, room = (len(first.split()), len(second.split())), max_tokens - 3
    assert found.truncated == (sum(lengths) > room)
    if column is not None and found.truncated and lengths[1 - COLUMNS.index(column)] >= room:
        # what is left of the named column is the template's own
        own = (2, 0) if column == "question" else (1, 1)
        assert (len(found.ids), found.type_ids.count(own[1])) == (max_tokens, own[0])
        return
    oracle = pair_tokenizer()
    strategy = {None: "longest_first", "question": "only_first", "answer": "only_second"}[column]
    oracle.enable_truncation(max_tokens, strategy=strategy, direction=SIDES[side])
    expected = oracle.encode(first, second)
    assert (found.ids, found.type_ids) == (expected.ids, expected.type_ids)


@pytest.mark.parametrize(
    ("lengths", "room", "truncate", "kept"),
    [
        ((2, 9), 7, Truncate(), (2, 5)),
        ((9, 9), 7, Truncate(), (3, 4)),
        ((9, 2), 7, Truncate("answer"), (7, 0)),
        ((9, 9), 12, Truncate("answer"), (9, 3)),
        ((9, 9), 12, Truncate("question"), (3, 9)),
        ((0, 9), 4, Truncate(), (0, 4)),
    ],
)
def test_the_named_column_loses_first(
    lengths: tuple[int, int], room: int, truncate: Truncate, kept: tuple[int, int]
) -> None:
    assert Pair(COLUMNS, truncate).kept_lengths(lengths, room) == kept


@pytest.mark.parametrize(
    "pair", ["[CLS] $A $B:1 [SEP]:1", "[CLS] $B [SEP] $A:1 [SEP]:1", "[CLS] $A [SEP] $B:1 $B:1"]
)
def test_a_tokenizer_without_a_template_for_pairs_is_refused(pair: str) -> None:
    with pytest.raises(BundleError, match="puts nothing between the two segments"):
        Encoder(pair_tokenizer(pair), 12, rows=Pair(COLUMNS))


def test_there_must_be_room_for_a_pair() -> None:
    with pytest.raises(BundleError, match="must be above the tokenizer's 3 special tokens"):
        Encoder(pair_tokenizer(), 3, rows=Pair(COLUMNS))


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("one", r"texts\[0\]: This is one text, but the bundle reads pairs \(question, answer\)"),
        (("one",), r"must be a pair of strings \(question, answer\), but is tuple of 1"),
        (["a", "b", "c"], "is list of 3"),
        (("a", None), "'answer' must be a string, but is a missing value"),
        ({"question": "a"}, "has no 'answer'"),
        (7, "must be a pair of strings .*, but is int"),
        (("a", "b" * MAX_TEXT_CHARACTERS), "has 1048577 characters"),
    ],
)
def test_what_is_no_pair_is_refused_in_a_sentence(value: Any, said: str) -> None:
    with pytest.raises(InputError, match=said):
        Pair(COLUMNS).row(value, "texts[0]")


def test_a_pair_is_two_strings_or_two_columns() -> None:
    reads = Pair(COLUMNS)
    assert reads.row(("a", "b"), "") == reads.row(["a", "b"], "") == ("a", "b")
    assert reads.row({"answer": "b", "question": "a", "more": 1}, "") == ("a", "b")


@pytest.mark.parametrize("value", [("a", "b"), ["a"], {"text": "a"}])
def test_a_pair_is_no_text(value: Any) -> None:
    with pytest.raises(InputError, match="This bundle reads one text, and no pair"):
        ONE_TEXT.row(value, "texts[0]")


def pair_manifest(**changes: Any) -> dict[str, Any]:
    plain = tiny_manifest()
    task = task_of(plain.task, plain.labels)
    fields = decision_fields(task, Policy(plain.thresholds), Pair(COLUMNS, Truncate("answer", "start")))
    test = SelfTest((("a", "b"),), ((1, 2),), ((0.0, 0.0, 0.0),), 1e-3)
    return plain.to_dict() | Manifest(**(vars(plain) | fields | {"self_test": test})).to_dict() | changes


def test_the_manifest_of_pairs_is_version_2_and_reads_back() -> None:
    data = pair_manifest()
    truncate = {"column": "answer", "side": "start"}
    assert data["input"] == {"kind": "pair", "columns": list(COLUMNS), "truncate": truncate}
    assert (data["format_version"], data["output"], data["decision"]) == (2, None, None)
    assert data["thresholds"] is not None
    again = Manifest.from_dict(data, "m")
    assert again.reads == Pair(COLUMNS, Truncate("answer", "start"))
    assert again.to_dict() == data
    assert again.deciding_by(again.policy, again.objects) == again


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"input": {"kind": "text"}}, "'format_version' must be 1 where task is multi_label and one text is read"),
        ({"input": {"kind": "songs"}}, "input: 'kind' must be one of text, pair, turns"),
        ({"input": None}, "input: This must be a JSON object"),
        ({"input": {"kind": "pair", "columns": ["a"], "truncate": {}}}, "'columns' must be a list of two names"),
        ({"input": {"kind": "pair", "columns": ["a", "a"], "truncate": {}}}, "'columns' must be a list without"),
        ({"input": {"kind": "pair", "columns": ["a", "\x1b[2J"], "truncate": {}}}, "without control characters"),
        ({"input": {"kind": "pair", "columns": ["a", "b"]}}, "key 'truncate' is missing"),
        (
            {"input": {"kind": "pair", "columns": ["a", "b"], "truncate": {"column": "c", "side": "end"}}},
            "'column' must be one of a, b",
        ),
        (
            {"input": {"kind": "pair", "columns": ["a", "b"], "truncate": {"column": None, "side": "middle"}}},
            "'side' must be one of end, start",
        ),
        ({"decision": {"kind": "median_level", "cutoffs": [0.5]}}, "'decision' must be null where task is multi"),
        (
            {"self_test": {"texts": ["a"], "input_ids": [[1]], "logits": [[0, 0, 0]], "tolerance": 0.1}},
            "'texts' must be a list of lists of two strings",
        ),
    ],
)
def test_a_hostile_input_is_refused_in_a_sentence(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(BundleError, match=said):
        Manifest.from_dict(pair_manifest(**changes), "m")


def test_a_bundle_of_texts_stays_version_1() -> None:
    plain = tiny_manifest()
    fields = decision_fields(task_of(plain.task, plain.labels), Policy(plain.thresholds), ONE_TEXT)
    assert fields == {"format_version": 1, "thresholds": plain.thresholds, "abstain": None, "objects": NO_OBJECTS}
    with pytest.raises(BundleError, match="unknown key 'input'"):
        Manifest.from_dict(plain.to_dict() | {"input": {"kind": "text"}}, "m")
