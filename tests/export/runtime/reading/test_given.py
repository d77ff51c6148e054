"""What callers have: a column of any kind is read like a list, and what has no rows is refused with its remedy."""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from distill.export.runtime import Classifier, InputError, load
from tests.support.tiny_bundle import LABELS, make_tiny_bundle

TEXTS = ["i am happy", "you feel sad", "not calm today"]


@pytest.fixture
def classifier(tmp_path: Path) -> Classifier:
    return load(make_tiny_bundle(tmp_path))


@pytest.mark.parametrize(
    "column",
    [
        tuple(TEXTS),
        (text for text in TEXTS),
        dict.fromkeys(TEXTS).keys(),
        np.array(TEXTS),
        np.array(TEXTS, dtype=object),
        pd.Series(TEXTS, index=[7, 7, 2]),
        pd.Series(TEXTS, dtype="string"),
        pd.Series(TEXTS).to_frame("text")["text"],
        pd.Index(TEXTS),
        pd.Series(TEXTS, dtype="category"),
        pa.array(TEXTS),
        pa.chunked_array([TEXTS[:1], TEXTS[1:]]),
        pa.table({"text": TEXTS})["text"],
    ],
    ids=lambda column: type(column).__name__,
)
def test_a_column_is_read_as_a_list_is(classifier: Classifier, column: object) -> None:
    assert classifier.predict(column) == classifier.predict(TEXTS)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            pd.DataFrame({"text": TEXTS}),
            r"is a table \(DataFrame\). Pass its column of texts, as in table\['text'\]",
        ),
        (pa.table({"text": TEXTS}), "is a table"),
        ({"a": TEXTS[0]}, "is a mapping. Pass a list"),
        ({"sad", "happy"}, r"is a set, whose order is lost. Pass a list, as in sorted\(texts\)"),
        (frozenset(TEXTS), "is a set"),
        (
            np.array([TEXTS, TEXTS]),
            r"is an array of 2 dimensions, but must have 1\. .* texts\[:, 0\]",
        ),
        (np.array("sad"), "is an array of 0 dimensions"),
        (b"sad", "is one string"),
        (None, "must be a list of strings, but is NoneType"),
        (pd.Series(["sad", None]), r"texts\[1\]: The text must be a string, but is"),
        (pa.array(["sad", None]), r"texts\[1\]: .* must be a string, but is a missing value \(NoneType\), to be"),
        (pd.Series(["sad", float("nan")]), r"is a missing value \(.*\), to be dropped or filled first"),
        (pd.Series(["sad", pd.NA], dtype=object), r"is a missing value \(NAType\), to be dropped or filled first"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_has_no_rows_is_refused(classifier: Classifier, given: object, message: str) -> None:
    for call in (classifier.predict, classifier.predict_proba, classifier.logits, classifier.token_ids):
        with pytest.raises(InputError, match=message) as caught:
            call(given)  # type: ignore[operator]
        assert not any(text in str(caught.value) for text in TEXTS)
    with pytest.raises(InputError, match=message):
        list(classifier.stream(given))  # type: ignore[arg-type]


def test_one_text_is_decided_by_a_call(classifier: Classifier) -> None:
    assert classifier(TEXTS[0]) == classifier.predict(TEXTS[:1])[0]
    with pytest.raises(InputError, match="text: The text must be a string, but is list"):
        classifier(TEXTS)


def test_top_k_keeps_the_best_scores_and_the_decision(classifier: Classifier) -> None:
    for whole, cut in zip(classifier.predict(TEXTS), classifier.predict(TEXTS, top_k=2), strict=True):
        assert list(cut.scores.values()) == sorted(whole.scores.values(), reverse=True)[:2]
        assert cut.scores.items() <= whole.scores.items()
        assert (cut.labels, cut.confidence) == (whole.labels, whole.confidence)
    assert classifier(TEXTS[0], top_k=99).scores.keys() == set(LABELS)
    assert classifier(TEXTS[0], top_k=np.int64(2)) == classifier(TEXTS[0], top_k=2)  # type: ignore[arg-type]
    for wrong in (0, True, 1.5):
        with pytest.raises(InputError, match="top_k: The number must be a whole one of at least 1"):
            classifier.predict(TEXTS, top_k=wrong)  # type: ignore[arg-type]


def test_thresholds_of_one_call(classifier: Classifier) -> None:
    fitted = classifier.predict(TEXTS)
    own = {"sadness": 0.0}
    expected = [
        tuple(
            label
            for label, bound in zip(LABELS, classifier.manifest.thresholds or (), strict=True)
            if prediction.scores[label] >= own.get(label, bound)
        )
        for prediction in fitted
    ]
    assert [found.labels for found in classifier.predict(TEXTS, thresholds=own)] == expected
    assert classifier(TEXTS[0], thresholds=own).labels == expected[0]
    assert all(found.labels == LABELS for found in classifier.stream(TEXTS, thresholds=0))
    assert all(found.labels == ("joy",) for found in classifier.predict(TEXTS, thresholds=[0, 1, 1]))
    assert classifier.predict(TEXTS) == fitted


@pytest.mark.parametrize(
    "given",
    [
        pd.Series({"calm": 0.9, "joy": 0.1, "sadness": 0.8}),
        np.array([0.1, 0.8, 0.9]),
        pa.array([0.1, 0.8, 0.9]),
        (np.float64(0.1), 0.8, 0.9),
    ],
    ids=lambda given: type(given).__name__,
)
def test_thresholds_of_other_packages_are_read_by_label_or_in_order(classifier: Classifier, given: object) -> None:
    """A Series has labels of its own: read in order it would give each label another one's threshold."""
    own = {"joy": 0.1, "sadness": 0.8, "calm": 0.9}
    assert classifier.predict(TEXTS, thresholds=given) == classifier.predict(TEXTS, thresholds=own)  # type: ignore[arg-type]
    half = classifier.predict(TEXTS, thresholds=0.5)
    assert classifier.predict(TEXTS, thresholds=np.float32(0.5)) == half  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("thresholds", "message"),
    [
        ({"anger": 0.5}, "is not a label with a threshold. Those are joy, sadness, calm"),
        ([0.5], "must be one number, a list of 3, or a mapping"),
        ("0.5", "must be one number"),
        ({0.1, 0.2, 0.3}, "must be one number"),
        ((number for number in (0.1, 0.2, 0.3)), "must be one number"),
        (np.array([[0.1, 0.2, 0.3]] * 3), "Each must be a number from 0 to 1"),
        (pd.Series([0.1, 0.2, 0.3]), "is not a label with a threshold"),
        (1.5, "Each must be a number from 0 to 1"),
        (float("nan"), "Each must be a number from 0 to 1"),
        ([0.5, 0.5, None], "Each must be a number from 0 to 1"),
        (True, "Each must be a number from 0 to 1"),
    ],
)
def test_wrong_thresholds_are_refused(classifier: Classifier, thresholds: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        classifier.predict(TEXTS, thresholds=thresholds)  # type: ignore[arg-type]


def test_the_best_label_has_no_threshold(tmp_path: Path) -> None:
    single = load(make_tiny_bundle(tmp_path, task="single_label"))
    with pytest.raises(InputError, match="A single_label bundle has none"):
        single.predict(TEXTS, thresholds=0.5)
