import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from tokenizers import Tokenizer, models, pre_tokenizers

from distill.bundles.predict import predict_blocks
from distill.export.runtime import BundleError, CheckFailedError, DistillError, InputError, load, self_test, verify
from distill.export.runtime.classifier import BLOCK
from distill.export.runtime.deciding.scores import sigmoid, softmax
from distill.export.runtime.deciding.tasks import TASKS
from tests.support.command import ROOT
from tests.support.tiny_bundle import (
    LABELS,
    MAX_TOKENS,
    WORDS,
    make_tiny_bundle,
    rewrite_manifest,
    tiny_ids,
    tiny_logits,
    tiny_manifest,
)

TEXTS = [
    "i am very happy today",
    "sad",
    "",
    "you feel calm",
    "i am not sad not sad not sad not sad",
    "unknown words here",
]


def random_texts(count: int) -> list[str]:
    rng = np.random.default_rng(3)
    return [" ".join(rng.choice(WORDS[4:], size=rng.integers(0, 12))) for _ in range(count)]


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return make_tiny_bundle(tmp_path / "bundle")


def test_logits_and_scores_are_numpys(bundle: Path) -> None:
    classifier = load(bundle)
    expected = np.stack([tiny_logits(text) for text in TEXTS])
    assert classifier.labels == LABELS
    np.testing.assert_allclose(classifier.logits(TEXTS), expected, atol=1e-5)
    scores = classifier.predict_proba(TEXTS)
    assert scores.dtype == np.float32
    np.testing.assert_allclose(scores, 1 / (1 + np.exp(-expected)), atol=1e-6)


def test_multi_label_decisions_follow_the_thresholds(bundle: Path) -> None:
    thresholds = (0.5, 0.4, 0.6)
    for prediction in load(bundle).predict(TEXTS):
        pairs = zip(LABELS, thresholds, strict=True)
        assert prediction.labels == tuple(name for name, bound in pairs if prediction.scores[name] >= bound)
        assert not prediction.abstained


def test_single_label_takes_the_best(tmp_path: Path) -> None:
    classifier = load(make_tiny_bundle(tmp_path, task="single_label"))
    scores = classifier.predict_proba(TEXTS)
    np.testing.assert_allclose(scores.sum(axis=1), 1, atol=1e-6)
    best = [LABELS[index] for index in scores.argmax(axis=1)]
    assert [prediction.labels for prediction in classifier.predict(TEXTS)] == [(name,) for name in best]


@pytest.mark.parametrize("task", ["multi_label", "single_label"])
def test_confidence_is_the_chance_that_the_decision_is_exactly_right(tmp_path: Path, task: str) -> None:
    classifier = load(make_tiny_bundle(tmp_path, task=task))
    scores = classifier.predict_proba(TEXTS).astype(np.float64)
    decided = classifier.task.decide(scores, classifier.manifest.policy)
    expected = classifier.task.confidence(scores, decided).tolist()
    assert [prediction.confidence for prediction in classifier.predict(TEXTS)] == expected
    assert [classifier.predict([text])[0].confidence for text in TEXTS] == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("task", ["multi_label", "single_label"])
def test_below_abstain_nothing_is_decided(tmp_path: Path, task: str) -> None:
    plain = load(make_tiny_bundle(tmp_path, task=task)).predict(TEXTS)
    bound = float(np.median([prediction.confidence for prediction in plain]))
    abstain = {"confidence": TASKS[task].confidence_rule, "below": bound}
    predictions = load(rewrite_manifest(tmp_path, task=task, abstain=abstain)).predict(TEXTS)
    assert {prediction.abstained for prediction in predictions} == {True, False}
    for before, after in zip(plain, predictions, strict=True):
        assert after.abstained == (before.confidence < bound)
        assert after.labels == (() if after.abstained else before.labels)
        assert (after.scores, after.confidence) == (before.scores, before.confidence)


def test_order_is_kept_and_batch_mates_do_not_matter(bundle: Path) -> None:
    classifier = load(bundle)
    texts = random_texts(75)
    together = classifier.logits(texts)
    alone = np.concatenate([classifier.logits([text]) for text in texts])
    np.testing.assert_allclose(together, alone, atol=1e-6)
    np.testing.assert_allclose(together, np.stack([tiny_logits(text) for text in texts]), atol=1e-5)


@pytest.mark.parametrize("name", ["static-int8-static", "static-int8-dynamic", "static-fp32"])
def test_a_static_bundle_decides_alone_as_in_a_batch_to_the_bit(name: str) -> None:
    classifier = load(ROOT / "tests/golden" / name)
    texts = [
        " ".join(("i", "am", "so", "happy", "today", "né")[: 1 + row % 6] * (1 + row % 4)) for row in range(70)
    ]
    alone = [classifier.predict([text])[0] for text in texts]
    assert classifier.predict(texts) == alone
    assert list(classifier.stream(iter(texts))) == alone


def test_a_stream_is_decided_as_it_is_asked_for(bundle: Path) -> None:
    classifier = load(bundle)
    read = 0

    def lines() -> Iterator[str]:
        nonlocal read
        for text in random_texts(3 * BLOCK):
            read += 1
            yield text

    stream = classifier.stream(lines())
    assert read == 0
    assert next(stream) == classifier.predict(random_texts(1))[0]
    assert read == 1
    read = 0
    stream = classifier.stream(lines(), block=BLOCK)
    # of its own block: alone, the last bit of a logit may be another
    assert next(stream) == classifier.predict(random_texts(BLOCK))[0]
    assert read == BLOCK
    assert sum(1 for _ in stream) == 3 * BLOCK - 1
    assert list(classifier.stream([])) == []
    with pytest.raises(InputError, match=rf"texts\[{BLOCK + 1}\]: The text must be a string"):
        list(classifier.stream(["sad"] * (BLOCK + 1) + [None]))  # type: ignore[list-item]
    with pytest.raises(InputError, match="Pass a list"):
        classifier.stream("sad")
    with pytest.raises(InputError, match="block"):
        classifier.stream([], block=0)
    poisoned = load(make_tiny_bundle(bundle, nan_word="not"))
    with pytest.raises(DistillError, match=rf"texts\[{BLOCK + 1}\]: .*not finite"):
        list(poisoned.stream(["sad"] * (BLOCK + 1) + ["not"]))
    blocks = predict_blocks(poisoned, [["sad"], ["sad", "not"]])
    assert [len(next(blocks)), len(next(blocks))] == [1, 1]
    with pytest.raises(DistillError, match="text 3: .*not finite"):
        next(blocks)


def test_little_of_a_batch_is_padding_where_it_costs(bundle: Path) -> None:
    lengths = [3, 3, 4, 40, 41, 44, 60, 3] * 4
    plain = load(bundle)
    assert [len(rows) for rows in plain._network._chunks(lengths)] == [32]
    plain._network._most_padding = 16
    chunks = list(plain._network._chunks(lengths))
    assert sorted(row for rows in chunks for row in rows) == list(range(32))
    for rows in chunks:
        assert sum(max(lengths[row] for row in rows) - lengths[row] for row in rows) <= 16
    assert len(chunks) < 8
    assert list(plain._network._chunks([])) == []


def test_threads_change_nothing(bundle: Path) -> None:
    texts = random_texts(40)
    np.testing.assert_allclose(load(bundle, threads=2).logits(texts), load(bundle).logits(texts), atol=1e-6)


def test_truncated_says_whether_tokens_were_cut(bundle: Path) -> None:
    fits = " ".join(["happy"] * (MAX_TOKENS - 2))
    predictions = load(bundle).predict([fits + " sad", fits, "sad"])
    assert [prediction.truncated for prediction in predictions] == [True, False, False]
    assert load(bundle).token_ids([fits + " sad"]) == [tiny_ids(fits)]


@pytest.mark.parametrize(
    ("changes", "largest"),
    [({"max_batch": 1}, 1), ({"max_batch": 5}, 5), ({"max_batch": None}, 32), ({"max_batch": 64}, 32)],
)
def test_max_batch_bounds_each_run(bundle: Path, changes: dict[str, object], largest: int) -> None:
    classifier = load(rewrite_manifest(bundle, **changes))
    assert classifier.batches_are_exact
    session = Recorder(classifier._network._session)
    classifier._network._session = session
    texts = random_texts(40)
    classifier.logits(texts)
    assert max(shape[0] for shape in session.shapes) == largest
    assert sum(shape[0] for shape in session.shapes) == len(texts)
    if largest == 1:
        assert all(mask.all() for mask in session.masks)


class Recorder:
    def __init__(self, session: object) -> None:
        self.session = session
        self.shapes: list[tuple[int, int]] = []
        self.masks: list[np.ndarray] = []

    def run(self, names: list[str], feed: dict[str, np.ndarray]) -> object:
        self.shapes.append(feed["input_ids"].shape)
        self.masks.append(feed["attention_mask"])
        return self.session.run(names, feed)


def test_a_tokenizers_own_padding_and_truncation_are_overruled(bundle: Path) -> None:
    tokenizer = Tokenizer.from_file(str(bundle / "tokenizer.json"))
    tokenizer.enable_padding(length=32, pad_id=5, pad_token="you")
    tokenizer.enable_truncation(max_length=3)
    tokenizer.save(str(bundle / "tokenizer.json"))
    classifier = load(rewrite_manifest(bundle))
    assert classifier.token_ids(TEXTS) == [tiny_ids(text) for text in TEXTS]
    np.testing.assert_allclose(classifier.logits(TEXTS), [tiny_logits(text) for text in TEXTS], atol=1e-5)


def test_no_texts_give_no_rows(bundle: Path) -> None:
    classifier = load(bundle)
    assert classifier.predict([]) == []
    assert classifier.predict_proba([]).shape == (0, len(LABELS))
    assert classifier.logits([]).shape == (0, len(LABELS))


def test_wrong_inputs_are_named_and_never_quoted(bundle: Path) -> None:
    classifier = load(bundle)
    with pytest.raises(InputError, match="Pass a list") as caught:
        classifier.predict("my secret")
    assert "secret" not in str(caught.value)
    with pytest.raises(InputError, match=r"texts\[1\]: The text must be a string, but is a missing value"):
        classifier.predict(["sad", None])  # type: ignore[list-item]
    with pytest.raises(InputError, match="must be a list of strings, but is int"):
        classifier.predict(3)  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"texts\[1\]: The text cannot be tokenized") as caught:
        classifier.predict(["a longer text than the next", "secret \ud800"])
    assert "secret" not in str(caught.value)
    with pytest.raises(InputError, match="threads"):
        load(bundle, threads=0)


def test_a_logit_that_is_not_finite_is_an_error(tmp_path: Path) -> None:
    classifier = load(make_tiny_bundle(tmp_path, nan_word="not"))
    classifier.predict(["sad"])
    with pytest.raises(DistillError, match=r"texts\[1\]: .*not finite"):
        classifier.predict(["sad today", "not"])


def test_self_test_and_verify(bundle: Path) -> None:
    assert verify(bundle) < 1e-5
    assert self_test(load(bundle)) < 1e-5
    expected = tiny_manifest().to_dict()["self_test"]
    shifted = [[value + 0.1 for value in row] for row in expected["logits"]]
    with pytest.raises(CheckFailedError, match="Logits differ by 0.1") as caught:
        verify(rewrite_manifest(bundle, self_test=expected | {"logits": shifted}))
    assert caught.value.exit_status == 1
    others = [[2, 3] for _ in expected["texts"]]
    with pytest.raises(CheckFailedError, match=r"input_ids\[0\]"):
        verify(rewrite_manifest(bundle, self_test=expected | {"input_ids": others}))


def test_graph_and_manifest_must_agree(bundle: Path) -> None:
    with pytest.raises(BundleError, match="The graph's inputs are .'input_ids', 'attention_mask'."):
        load(rewrite_manifest(bundle, inputs=["input_ids"]))
    with pytest.raises(BundleError, match="'max_tokens' is 2, but must be above"):
        ids = {"texts": ["sad"], "input_ids": [[2, 3]], "logits": [[0, 0, 0]], "tolerance": 0.5}
        load(rewrite_manifest(bundle, max_tokens=2, self_test=ids))


def test_an_empty_text_without_special_tokens_is_still_run(bundle: Path) -> None:
    tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(WORDS)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.save(str(bundle / "tokenizer.json"))
    classifier = load(rewrite_manifest(bundle))
    # the tiny graph divides by the number of tokens: reached, and not hidden
    with pytest.raises(DistillError, match=r"texts\[0\]: .*not finite"):
        classifier.logits([""])


def test_activations_do_not_overflow() -> None:
    logits = np.array([[-500.0, 0.0, 500.0]], dtype=np.float32)
    np.testing.assert_allclose(sigmoid(logits), [[0, 0.5, 1]], atol=1e-6)
    np.testing.assert_allclose(softmax(logits), [[0, 0, 1]], atol=1e-6)
    assert softmax(np.zeros((0, 3), np.float32)).shape == (0, 3)


def test_importing_the_runtime_imports_no_heavy_package() -> None:
    heavy = "torch transformers onnx optimum datasets sklearn pydantic pandas matplotlib"
    code = f"import sys, distill.export.measure.latency; print([n for n in '{heavy}'.split() if n in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
