"""The optional objects of manifest version 2: read back as they were written, left out where a bundle has none."""

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distill.export.runtime import BundleError, load
from distill.export.runtime.deciding.task import CRISIS_WORD, FLOOR, TRUNCATED, UNREADABLE, UNSURE
from distill.export.runtime.manifest.manifest import Manifest, read_manifest
from distill.export.runtime.manifest.optional import NO_OBJECTS, OPTIONAL
from tests.support.hostile_changes import lie, manifest_of
from tests.support.hostile_objects import ABSTAIN, WHOLE, tagged
from tests.support.tiny_bundle import LABELS, make_tiny_bundle


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return make_tiny_bundle(tmp_path / "bundle")


def test_every_object_is_read_back_and_each_may_be_missing(bundle: Path) -> None:
    assert set(WHOLE) == set(OPTIONAL)
    data = manifest_of(tagged(bundle, **WHOLE, abstain=ABSTAIN))
    manifest = Manifest.from_dict(data, "m")
    assert manifest.to_dict() == data
    assert manifest.deciding_by(manifest.policy, manifest.objects) == manifest
    for key in WHOLE:
        one = {name: value for name, value in data.items() if name not in WHOLE or name == key}
        read = Manifest.from_dict(one, "m")
        assert read.to_dict() == one
        assert [name for name in OPTIONAL if getattr(read.objects, name) is not None] == [key]
        assert Manifest.from_dict({**data, key: None}, "m").to_dict().keys() == data.keys() - {key}


def test_a_manifest_of_version_1_has_none_of_them(bundle: Path) -> None:
    assert read_manifest(bundle).objects == NO_OBJECTS
    lie("sets", value=WHOLE["sets"])(bundle)
    with pytest.raises(BundleError, match="unknown key 'sets'"):
        load(bundle)
    with pytest.raises(BundleError, match="'format_version' must be 1 where task is multi_label and one text"):
        load(tagged(make_tiny_bundle(bundle)))


def test_reasons_are_in_their_order_and_only_two_of_them_leave_no_decision(bundle: Path) -> None:
    plain = load(bundle).predict(["i am happy", "i am sad", "not very sad today"])
    found = load(tagged(bundle, **WHOLE, abstain={"confidence": "exact_match", "below": 0.3}))
    happy, sad, listed, noise = found.predict(["i am happy", "i am sad", "not very sad today", "xyz qux"])
    assert noise.handed_over == (UNREADABLE,)
    assert (noise.labels, noise.abstained, noise.possible) == ((), True, LABELS)
    assert CRISIS_WORD in listed.handed_over
    for before, after in zip(plain, (happy, sad, listed), strict=True):
        assert after.scores == before.scores
        unsure = before.confidence < 0.3
        assert (UNSURE in after.handed_over) is unsure is after.abstained
        assert after.labels == (() if unsure else before.labels)
        assert (FLOOR in after.handed_over) is ("sadness" in before.labels)
        assert after.possible is not None
        assert set(before.labels) <= set(after.possible)
        order = [UNSURE, UNREADABLE, TRUNCATED, CRISIS_WORD, FLOOR]
        assert list(after.handed_over) == sorted(after.handed_over, key=order.index)
    (cut,) = found.predict(["i am happy " * 8])
    assert TRUNCATED in cut.handed_over


@pytest.mark.parametrize("text", ["", "   ", "😭😭", "Привет", "xyz qux sad"])
def test_what_cannot_be_read_is_not_decided_alone_and_beside_others(text: str, bundle: Path) -> None:
    classifier = load(tagged(bundle, unreadable=WHOLE["unreadable"]))
    (alone,) = classifier.predict([text])
    beside = classifier.predict(["i am happy", text])
    assert (alone.labels, alone.handed_over) == ((), (UNREADABLE,))
    assert beside[1].handed_over == (UNREADABLE,)
    assert beside[0].handed_over == ()
    assert beside[0].possible is None


def places_in(value: object, *path: str | int) -> Iterator[tuple[str | int, ...]]:
    """Yield the way to every value inside of parsed JSON."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in inside:
        yield (*path, key)
        yield from places_in(part, *path, key)


PLACES = tuple(places_in(json.loads(json.dumps(WHOLE))))
ODD = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda part: st.lists(part, max_size=3) | st.dictionaries(st.text(max_size=3), part, max_size=2),
    max_leaves=5,
)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    bundle = tagged(make_tiny_bundle(tmp_path_factory.mktemp("whole") / "bundle"), **WHOLE, abstain=ABSTAIN)
    return manifest_of(bundle)


@given(st.sampled_from(PLACES), ODD, st.booleans())
def test_any_value_in_any_place_is_read_back_or_refused(
    whole: dict[str, Any], place: tuple[str | int, ...], value: object, is_removed: bool
) -> None:
    changed: Any = json.loads(json.dumps(whole))
    inside = changed
    for key in place[:-1]:
        inside = inside[key]
    if is_removed:
        del inside[place[-1]]
    else:
        inside[place[-1]] = value
    with contextlib.suppress(BundleError):
        manifest = Manifest.from_dict(changed, "m")
        assert Manifest.from_dict(json.loads(json.dumps(manifest.to_dict())), "m") == manifest
