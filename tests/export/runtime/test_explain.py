"""Explanations against scores that numpy gives for the text without a word, and spans against the text itself."""

import itertools
import json
from pathlib import Path

import numpy as np
import pytest
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

from distill.export.runtime import Classifier, InputError, load
from distill.export.runtime.deciding.scores import sigmoid
from distill.export.runtime.explain import MAX_WORDS, Explanation
from distill.export.runtime.reading.encoder import Encoder
from distill.export.runtime.reading.inputs import Pair, Row, segments_of
from tests.support.hostile_objects import WHOLE, tagged
from tests.support.tiny_bundle import LABELS, make_tiny_bundle, tiny_logits

TEXT = "i am very happy you not sad"
THRESHOLDS = (0.5, 0.4, 0.6)


def score(text: str, label: str, max_tokens: int = 99) -> float:
    return float(sigmoid(tiny_logits(text, max_tokens)[None])[0, LABELS.index(label)])


@pytest.fixture
def classifier(tmp_path: Path) -> Classifier:
    bundle = make_tiny_bundle(tmp_path / "bundle")
    return load(bundle)


def without(text: str, words: tuple[int, ...]) -> str:
    return " ".join(word for at, word in enumerate(text.split()) if at not in words)


def test_a_change_is_the_score_minus_that_of_the_text_without_the_word(classifier: Classifier) -> None:
    text = "i am very happy today"
    for label in LABELS:
        found = classifier.explain(text, label)
        assert (found.label, found.prediction) == (label, classifier(text))
        assert found.score == found.prediction.scores[label]
        assert found.decided is (label in found.prediction.labels)
        assert [text[word.start : word.end] for word in found.words] == text.split()
        for at, word in enumerate(found.words):
            shorter = without(text, (at,))
            assert word.change == pytest.approx(score(text, label) - score(shorter, label), abs=1e-6)
            now, then = set(classifier(shorter).labels), set(found.prediction.labels)
            assert (set(word.gained), set(word.lost)) == (now - then, then - now)
            assert word.masked_change is None  # the tiny vocabulary has no mask


def test_the_label_is_by_default_the_best_decided_one(classifier: Classifier) -> None:
    best = max(classifier(TEXT).labels, key=classifier(TEXT).scores.__getitem__)
    assert classifier.explain(TEXT).label == best
    with pytest.raises(InputError, match="Name one of joy, sadness, calm"):
        classifier.explain(TEXT, "grief")


@pytest.mark.parametrize("label", LABELS)
def test_the_smallest_deletion_is_the_smallest_of_all(classifier: Classifier, label: str) -> None:
    text, threshold = "i am very not sad happy", THRESHOLDS[LABELS.index(label)]
    found = classifier.explain(text, label, minimal=True)
    count = len(text.split())
    flips = [
        words
        for size in range(1, count + 1)
        for words in itertools.combinations(range(count), size)
        if (score(without(text, words), label) >= threshold) is not found.decided
    ]
    if not flips:
        assert found.deletion is None
        return
    assert found.deletion is not None
    assert found.deletion.smallest
    assert found.deletion.words in flips
    assert len(found.deletion.words) == len(flips[0])
    assert found.deletion.score == pytest.approx(score(without(text, found.deletion.words), label), abs=1e-6)


def test_a_long_deletion_is_one_of_which_no_word_can_stay(tmp_path: Path) -> None:
    """Of 40 words more are needed than are tried together."""
    bundle = make_tiny_bundle(tmp_path / "bundle")
    manifest = json.loads((bundle / "manifest.json").read_text("utf-8"))
    (bundle / "manifest.json").write_text(json.dumps(manifest | {"max_tokens": 64}), "utf-8")
    long = load(bundle)
    words = ["happy" if score("happy", "joy") > score("sad", "joy") else "sad", "calm"]
    text = " ".join([*[words[0]] * 24, *[words[1]] * 16])
    for label in LABELS:
        found = long.explain(text, label, minimal=True)
        if found.deletion is None or found.deletion.smallest:
            continue
        threshold = THRESHOLDS[LABELS.index(label)]
        gone = found.deletion.words
        assert (score(without(text, gone), label) >= threshold) is not found.decided
        for word in gone:
            kept = tuple(at for at in gone if at != word)
            assert (score(without(text, kept), label) >= threshold) is found.decided


def test_a_long_text_is_explained_in_groups_of_neighbours(tmp_path: Path) -> None:
    bundle = make_tiny_bundle(tmp_path / "bundle")
    manifest = json.loads((bundle / "manifest.json").read_text("utf-8"))
    (bundle / "manifest.json").write_text(json.dumps(manifest | {"max_tokens": 600}), "utf-8")
    found = load(bundle).explain("i am sad " * 100)
    assert len(found.words) == MAX_WORDS
    assert found.words[0].end == len("i am sad")


def test_what_cannot_be_read_has_no_words(tmp_path: Path) -> None:
    bundle = tagged(make_tiny_bundle(tmp_path / "bundle"), unreadable=WHOLE["unreadable"])
    found = load(bundle).explain("xyz qux", minimal=True)
    assert (found.words, found.deletion) == ((), None)
    assert load(bundle).explain("", "joy").words == ()


def test_plain_values_have_nothing_of_the_text(classifier: Classifier) -> None:
    data = json.dumps(classifier.explain("zeugnis am happy", minimal=True).to_dict())
    assert "zeugnis" not in data
    assert json.loads(data).keys() == Explanation.__dataclass_fields__.keys()


# the spans of words, for tokenizers of every kind


def bert() -> Tokenizer:
    pieces = [
        "[PAD]",
        "[UNK]",
        "[CLS]",
        "[SEP]",
        "[MASK]",
        "do",
        "##n",
        "'",
        "t",
        "na",
        "##ive",
        ",",
        "!",
        "今",
        "天",
    ]
    made = Tokenizer(models.WordPiece({piece: at for at, piece in enumerate(pieces)}, unk_token="[UNK]"))
    made.normalizer = normalizers.BertNormalizer(lowercase=True)
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    made.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", 2), ("[SEP]", 3)],
    )
    return made


def metaspace() -> Tokenizer:
    pieces = [
        ("<pad>", 0.0),
        ("<unk>", 0.0),
        ("\u2581na", -1.0),
        ("ive", -1.0),
        ("\u2581", -3.0),
        ("今", -2.0),
        ("天", -2.0),
    ]
    made = Tokenizer(models.Unigram(pieces, unk_id=1))
    made.pre_tokenizer = pre_tokenizers.Metaspace()
    return made


def byte_level() -> Tokenizer:
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    made = Tokenizer(models.BPE({piece: at for at, piece in enumerate(alphabet)}, []))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    return made


def spans(tokenizer: Tokenizer, row: Row, max_tokens: int = 50, reads: Pair | None = None) -> list[str]:
    encoder = Encoder(tokenizer, max_tokens) if reads is None else Encoder(tokenizer, max_tokens, rows=reads)
    read = encoder.words(row, MAX_WORDS)
    assert read.encoded == encoder.encode_one(row)
    used = [token for word in read.words for token in word.tokens]
    assert used == sorted(set(used))
    texts = segments_of(row)
    return [texts[word.span.segment][word.span.start : word.span.end] for word in read.words]


@pytest.mark.parametrize(
    ("make", "text", "words"),
    [
        (bert, "Na\u00efve,  don't!", ["Na\u00efve", ",", "don't", "!"]),
        (bert, "今天 naive 😭", ["今", "天", "naive", "😭"]),
        (bert, "'naive' t'", ["'", "naive", "'", "t", "'"]),
        (bert, "", []),
        (metaspace, "naive  naive 今天", ["naive", "naive", "今", "天"]),
        (byte_level, "caf\u00e9 😭  naive don't", ["caf\u00e9", "😭", "naive", "don't"]),
    ],
)
def test_spans_are_whole_words_in_code_points(make: type, text: str, words: list[str]) -> None:
    assert spans(make(), text) == words


def test_spans_of_a_pair_that_was_cut() -> None:
    reads = Pair(("first", "second"))
    assert spans(bert(), ("naive don't naive", "今天今"), 50, reads) == [
        "naive",
        "don't",
        "naive",
        "今",
        "天",
        "今",
    ]
    assert spans(bert(), ("naive don't naive", "今天今"), 9, reads) == ["naive", "do", "今", "天", "今"]


def test_a_mask_takes_the_place_of_each_token() -> None:
    read = Encoder(bert(), 20).words("naive t", MAX_WORDS)
    assert read.mask_id == 4
    assert [word.tokens for word in read.words] == [(1, 2), (3,)]


def test_a_golden_bundle_is_explained_by_a_mask_too() -> None:
    golden = load(Path(__file__).parents[2] / "golden/layers-int8-static")
    text = golden.manifest.self_test.texts[0]
    assert isinstance(text, str)
    found = golden.explain(text)
    ids = golden.token_ids([text])[0]
    assert sum(word.masked_change is not None for word in found.words) == len(found.words) > 0
    assert np.isfinite([word.change for word in found.words]).all()
    assert len(found.words) <= len(ids)
