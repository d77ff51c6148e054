"""The optional objects of manifest version 2: whole ones, and lies in each of their fields."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.support.hostile_changes import MANIFEST, Hostile, manifest_of, write_json

FLOOR = {
    "kind": "recall",
    "label": "sadness",
    "at_least": 0.9,
    "threshold": 0.4,
    "rows": 60,
    "missed": 1,
    "confidence": 0.9,
    "bound": 0.911,
}

ANSWERS = {
    "kind": "right when answered",
    "at_least": 0.9,
    "confidence": 0.9,
    "rows": 200,
    "wrong": 9,
    "bound": 0.92,
}

_ONE_BIN = [10, *[0] * 19]

COUNTS: dict[str, Any] = {
    "texts": 10,
    "scores": [_ONE_BIN, _ONE_BIN, [0, 0, 4, 6, *[0] * 16]],
    "decided": [2, 0, 8],
    "lengths": [0, 0, 0, 10, *[0] * 16],
    "pieces": [9, 1, *[0] * 7],
    "handed_over": {"unsure": 3, "truncated": 1},
}

NO_COUNTS: dict[str, Any] = {
    "texts": 0,
    "scores": [[0] * 20] * 3,
    "decided": [0] * 3,
    "lengths": [0] * 20,
    "pieces": [0] * 9,
    "handed_over": {},
}

WATCH: dict[str, Any] = {
    "kind": "counts",
    "counts": COUNTS,
    "positives": [[3, *[0] * 19], [1, *[0] * 19], [0, 0, 0, 6, *[0] * 16]],
    "right": [1, 0, 5],
    "confusion": None,
}

WHOLE: dict[str, Any] = {
    "floors": [FLOOR],
    "answers": ANSWERS,
    "sets": {"kind": "labels", "coverage": 0.9, "thresholds": [0.1, 0.2, 0.3]},
    "unreadable": {
        "kind": "continuation_mark",
        "mark": "##",
        "unknown": "[UNK]",
        "blocks": [0],
        "from_share": 0.5,
        "from_share_of_words": 0.6,
    },
    "hand_over": {"kind": "text", "truncated": True, "list_name": "own", "words": ["very sad", "不想活"]},
    "watch": WATCH,
    "out_of_domain": {"kind": "energy", "below": 1.5, "validation_share": 0.01},
}


def tagged(folder: Path, **objects: Any) -> Path:
    """Make a bundle of version 1 one of version 2, with these objects."""
    empty = {"format_version": 2, "input": {"kind": "text"}, "output": None, "decision": None}
    write_json(folder / MANIFEST, manifest_of(folder) | empty | objects)
    return folder


def _with(key: str, value: object) -> Callable[[Path], object]:
    return lambda folder: tagged(folder, **{**WHOLE, key: value, "abstain": None if key == "abstain" else ABSTAIN})


def _lie(key: str, says: str, **changes: object) -> Hostile:
    """Change fields of one whole object."""
    whole = WHOLE[key]
    value = [{**whole[0], **changes}] if isinstance(whole, list) else {**whole, **changes}
    shown = ", ".join(f"{name} {str(value)[:20]!r}" for name, value in changes.items())
    return Hostile(f"{key} with {shown}: {says}", _with(key, value), says)


def _miscounted(says: str, **changes: object) -> Hostile:
    """Change fields of the counts in the reference of the watch."""
    value = {**WATCH, "counts": {**COUNTS, **changes}}
    return Hostile(f"counts with {changes}: {says}"[:400], _with("watch", value), says)


ABSTAIN = {"confidence": "exact_match", "below": 0.5}

OBJECTS = (
    *(
        Hostile(f"{key} that is no object", _with(key, 7), says)
        for key, says in (
            ("floors", "must be a list of 1 to"),
            ("answers", "answers: This must be a JSON object"),
            ("sets", "sets: This must be a JSON object"),
            ("unreadable", "unreadable: This must be a JSON object"),
            ("hand_over", "hand_over: This must be a JSON object"),
            ("watch", "watch: This must be a JSON object"),
            ("out_of_domain", "out_of_domain: This must be a JSON object"),
        )
    ),
    Hostile("floors that are none", _with("floors", []), "must be a list of 1 to"),
    Hostile("too many floors", _with("floors", [FLOOR] * 20_001), "must be a list of 1 to 20000"),
    Hostile("a floor that is no object", _with("floors", [FLOOR, "x"]), "floors[1]: This must be a JSON object"),
    Hostile("answers where nothing abstains", _with("abstain", None), "'answers' must be missing"),
    _lie("floors", "'kind' must be one of recall, precision", kind="\x1b[2J"),
    _lie("floors", "'label' must be one of joy, sadness, calm", label="grief"),
    _lie("floors", "'at_least' must be a finite number between 0 and 1", at_least=1.5),
    _lie("floors", "'threshold' must be a finite number between 0 and 1", threshold=-0.1),
    _lie("floors", "'floors' must be a list whose thresholds are among those that decide", threshold=0.123),
    _lie("floors", "'rows' must be a whole number from 0", rows=2**60),
    _lie("floors", "'missed' must be a whole number from 0 to 60", missed=61),
    _lie("floors", "'confidence' must be a finite number between 0 and 1", confidence=1),
    _lie("floors", "'bound' must be a number where the floor has a confidence", bound=None),
    _lie("floors", "'bound' must be a number where the floor has a confidence", confidence=None),
    _lie("floors", "'bound' must be a number from 0 to 1", bound=1.1),
    _lie("floors", "unknown key 'promise'", promise=1),
    _lie("answers", "'kind' must be one of right when answered", kind="right"),
    _lie("answers", "'wrong' must be a whole number from 0 to 200", wrong=201),
    _lie("answers", "'bound' must be a number from 0 to 1", bound=True),
    _lie("answers", "'confidence' must be a finite number", confidence="0.9"),
    _lie("sets", "'kind' must be one of labels", kind="all"),
    _lie("sets", "'kind' must be one of labels", kind="interval"),
    _lie("sets", "'coverage' must be a finite number between 0 and 1", coverage=0),
    _lie("sets", "'thresholds' must be a list of 3 values, has 2", thresholds=[0.1, 0.2]),
    _lie("sets", "'thresholds' must be made of finite numbers between 0 and 1", thresholds=[0.1, 0.2, 1.0]),
    _lie("unreadable", "'kind' must be one of continuation_mark, start_mark", kind="bytes"),
    _lie("unreadable", "'mark' must be a string that is not empty", mark=""),
    _lie("unreadable", "'mark' must be a string of at most 16 characters", mark="#" * 17),
    _lie("unreadable", "'unknown' must be a string of at most 100 characters", unknown="u" * 101),
    _lie("unreadable", "'unknown' must be a string that is not empty", unknown=0),
    _lie("unreadable", "'blocks' must be a list", blocks="all"),
    _lie("unreadable", "'blocks' must be a list of at most 8704 whole numbers from 0 to 8703", blocks=[8704]),
    _lie("unreadable", "'blocks' must be a list of at most 8704 whole numbers from 0 to 8703", blocks=[0] * 9000),
    _lie("unreadable", "'from_share' must be a number from 0 to 1", from_share=-1),
    _lie("unreadable", "'from_share' must be a number from 0 to 1", from_share=None),
    _lie("unreadable", "'from_share_of_words' must be a number from 0 to 1", from_share_of_words=1.5),
    _lie("unreadable", "'from_share_of_words' must be a number from 0 to 1", from_share_of_words="0.6"),
    _lie("hand_over", "'kind' must be one of text", kind="all"),
    _lie("hand_over", "'truncated' must be true or false", truncated=1),
    _lie("hand_over", "'words' must be a list", words="very sad"),
    _lie("hand_over", "'words' must be a list of at most 10000 strings", words=[f"w{n}" for n in range(10_001)]),
    _lie("hand_over", "'words' must be a list of words, each of at most 200", words=["w" * 201]),
    _lie("hand_over", "'words' must be a list of words", words=["?!"]),
    _lie("hand_over", "'words' must be a list of strings without control characters", words=["\x1b[2J"]),
    _lie("hand_over", "'list_name' must be the name of the list", list_name=None),
    _lie("hand_over", "'list_name' must be the name of the list", words=[]),
    _lie("watch", "'kind' must be one of counts", kind="texts"),
    _lie("watch", "watch: counts: This must be a JSON object", counts=None),
    _lie("watch", "'positives' must be a list of 3 values, has 1", positives=[_ONE_BIN]),
    _lie("watch", "'positives' must be for each label a part of its scores", positives=[[3, 1, *[0] * 18]] * 3),
    _lie("watch", "'positives' must be for each label a part of its scores", positives=[[3]] * 3),
    _lie("watch", "'positives' must be a list", positives=["x", "y", "z"]),
    _lie("watch", "'right' must be a list of at most 3 whole numbers from 0 to 10", right=[0, 0, 11]),
    _lie("watch", "'right' must be for each label at most as many as have it", right=[1, 1, 5]),
    _lie("watch", "'right' must be for each label at most as many as have it", right=[1, 0]),
    _lie("watch", "'confusion' must be a list of 3 values, has 1", confusion=[[1]]),
    _lie("watch", "'confusion' must be counts that add up to 3", confusion=[[1, 1, 0], [0, 0, 1], [2, 2, 2]]),
    _lie("watch", "'confusion' must be of texts that each have one", confusion=[[1, 0, 2], [1, 0, 0], [1, 0, 5]]),
    _lie("watch", "unknown key 'texts'", texts=["i am sad"]),
    _miscounted("'counts' must be of at least one text", **NO_COUNTS),
    _miscounted("'texts' must be a whole number from 0 to", texts=2**41),
    _miscounted("'scores' must be a list of 3 values, has 2", scores=[_ONE_BIN] * 2),
    _miscounted("'scores' must be counts that add up to 10", scores=[_ONE_BIN, _ONE_BIN, [9, *[0] * 19]]),
    _miscounted("'scores' must be a list of 20 values, has 19", scores=[_ONE_BIN, _ONE_BIN, _ONE_BIN[:19]]),
    _miscounted("'scores' must be a list", scores=[_ONE_BIN, _ONE_BIN, 7]),
    _miscounted(
        "'scores' must be a list of at most 20 whole numbers from 0 to 10", scores=[[20, -10, *[0] * 18]] * 3
    ),
    _miscounted("'decided' must be a list of at most 3 whole numbers from 0 to 10", decided=[0, 0, 1.5]),
    _miscounted("'lengths' must be counts that add up to 10", lengths=[0] * 20),
    _miscounted("'pieces' must be a list of 9 values, has 3", pieces=[9, 1, 0]),
    _miscounted("unknown key 'sad'", handed_over={"sad": 1}),
    _miscounted("'unsure' must be a whole number from 1 to 10", handed_over={"unsure": 0}),
    _miscounted("'unsure' must be a whole number from 1 to 10", handed_over={"unsure": True}),
    _miscounted("handed_over: This must be a JSON object", handed_over=[]),
    _lie("out_of_domain", "'kind' must be one of energy", kind="distance"),
    _lie("out_of_domain", "'below' must be a finite number", below=True),
    _lie("out_of_domain", "'below' must be a finite number", below=1e10),
    _lie("out_of_domain", "'validation_share' must be a number from 0 to 1", validation_share=2),
    _lie("out_of_domain", "unknown key 'texts'", texts=[]),
)
