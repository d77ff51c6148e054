"""The watch: counts beside slow ones, sums of several machines, nothing of a text, no window that is too small."""

import json
import pickle
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from distill.export.runtime import Classifier, InputError, load
from distill.export.runtime.manifest.manifest import dump_json
from distill.export.runtime.watching.counts import LENGTHS, SCORE_BINS, Counts
from distill.export.runtime.watching.monitor import MIN_TEXTS, Monitor, State, read_state
from distill.variants.reference import reference_of
from tests.support.hostile_changes import manifest_of, write_json
from tests.support.hostile_objects import COUNTS, WHOLE, tagged
from tests.support.tiny_bundle import LABELS, WORDS, make_tiny_bundle

CANARY = "canaryzeugnis"
DAY = date(2026, 11, 30)


def some_texts(count: int, seed: int = 0) -> list[str]:
    rng = np.random.default_rng(seed)
    return [" ".join(rng.choice(WORDS[4:], size=rng.integers(0, 9))) for _ in range(count - 1)] + [f"sad {CANARY}"]


@pytest.fixture
def classifier(tmp_path: Path) -> Classifier:
    bundle = make_tiny_bundle(tmp_path / "bundle")
    objects = {key: WHOLE[key] for key in ("unreadable", "hand_over")}
    return load(tagged(bundle, **objects, abstain={"confidence": "exact_match", "below": 0.3}))


def counted(monitor: Monitor) -> Counts:
    (window,) = monitor.state.windows
    return window.counts


def test_counts_are_those_of_a_slow_count(classifier: Classifier) -> None:
    texts = some_texts(400)
    monitor = Monitor(classifier)
    found = [*monitor.classifier.predict(texts[:300]), *map(monitor.classifier, texts[300:])]
    assert found == [*classifier.predict(texts[:300]), *map(classifier, texts[300:])]
    counts = counted(monitor)
    assert counts.texts == 400
    reasons = Counter(reason for prediction in found for reason in prediction.handed_over)
    assert counts.handed_over == dict(reasons)
    assert {"unsure", "unreadable", "truncated", "crisis word"} <= set(reasons)
    lengths = [len(ids) for ids in classifier.token_ids(texts)]
    for at, count in enumerate(counts.lengths):
        low, high = (0, *LENGTHS)[at], (*LENGTHS, 10**9)[at]
        assert count == sum(low <= length < high for length in lengths)
    for label, name in enumerate(LABELS):
        scores = [prediction.scores[name] for prediction in found]
        threshold = (0.5, 0.4, 0.6)[label]
        assert counts.decided[label] == sum(score >= threshold for score in scores)
        odds = np.log(np.array(scores) / (1 - np.array(scores)))
        edges = [-np.inf, *np.linspace(-7, 7, SCORE_BINS + 1)[1:-1], np.inf]
        assert counts.scores[label] == tuple(np.histogram(odds, edges)[0].tolist())
    assert sum(counts.pieces) == 400
    assert sum(counts.pieces[6:]) == reasons["unreadable"]


def test_what_is_explained_or_scored_is_not_counted(classifier: Classifier) -> None:
    monitor = Monitor(classifier)
    monitor.classifier.explain("i am sad")
    monitor.classifier.predict_proba(["i am sad"])
    assert monitor.waiting == 0
    monitor.classifier.predict(["i am sad"], thresholds=0.1, top_k=1)
    assert (monitor.waiting, monitor.state.windows) == (1, ())


def test_what_a_caller_asks_for_does_not_move_the_counts(classifier: Classifier) -> None:
    """Thresholds of a call change reasons to hand over, which would look like drift."""
    texts, plain, asked = some_texts(300), Monitor(classifier), Monitor(classifier)
    answers = asked.classifier.predict(texts[:299], thresholds=0.01)
    answers.append(asked.classifier(texts[299], thresholds=0.01))
    found = plain.classifier.predict(texts)
    assert [one.handed_over for one in answers] != [one.handed_over for one in found]
    assert counted(asked) == counted(plain)


def test_a_window_has_enough_texts_or_is_not_written(classifier: Classifier, tmp_path: Path) -> None:
    monitor, path = Monitor(classifier, day=lambda: DAY), tmp_path / "state.json"
    monitor.classifier.predict(some_texts(MIN_TEXTS - 1))
    assert not monitor.save(path)
    assert not path.exists()
    monitor.classifier("i am sad")
    assert monitor.save(path)
    assert not monitor.save(path)
    assert monitor.waiting == 0
    data = json.loads(path.read_text("utf-8"))
    assert [(window["day"], window["counts"]["texts"]) for window in data["windows"]] == [
        ("2026-11-30", MIN_TEXTS)
    ]
    assert CANARY not in path.read_text("utf-8")
    assert data.keys() == {"format_version", "manifest_sha256", "windows"}
    assert path.stat().st_size < 4096
    assert {entry.name for entry in tmp_path.iterdir()} == {"bundle", "state.json"}


def test_memory_does_not_grow_with_the_number_of_times_that_counts_are_saved(
    classifier: Classifier, tmp_path: Path
) -> None:
    monitor = Monitor(classifier, day=lambda: DAY)
    sizes = []
    for _ in range(20):
        monitor.classifier.predict(some_texts(MIN_TEXTS))
        assert monitor.save(tmp_path / "state.json")
        sizes.append(len(pickle.dumps((monitor._saved, monitor._new))))
    assert max(sizes) < 1.5 * sizes[0]
    assert counted(monitor).texts == 20 * MIN_TEXTS
    assert read_state(tmp_path / "state.json", monitor.state.manifest_sha256, len(LABELS)) == monitor.state


def test_states_of_several_machines_add_up_to_the_state_of_one(classifier: Classifier, tmp_path: Path) -> None:
    texts, days = some_texts(900), [DAY, DAY, date(2026, 12, 1)]
    states = []
    for at, day in enumerate(days):
        monitor = Monitor(classifier, day=lambda day=day: day)
        monitor.classifier.predict(texts[300 * at : 300 * (at + 1)])
        assert monitor.save(tmp_path / "together.json")
        states.append(monitor.state)
    together = read_state(tmp_path / "together.json", states[0].manifest_sha256, len(LABELS))
    assert states[0] + states[1] + states[2] == states[2] + (states[1] + states[0]) == together
    assert [window.day for window in together.windows] == [DAY, days[2]]
    whole = Monitor(classifier)
    whole.classifier.predict(texts)
    assert together.counts == whole.state.counts
    with pytest.raises(InputError, match="two bundles"):
        states[0] + State("0" * 64)


def test_threads_count_every_text_once(classifier: Classifier) -> None:
    monitor = Monitor(classifier)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(monitor.classifier, some_texts(3000)))
    assert monitor.state.counts is not None
    assert monitor.state.counts.texts == 3000


def test_a_watched_classifier_is_the_same_bundle_elsewhere(classifier: Classifier) -> None:
    monitor = Monitor(classifier)
    again = pickle.loads(pickle.dumps(monitor.classifier))
    again.predict(["i am sad"])
    assert monitor.waiting == 0


def test_a_classifier_of_no_folder_has_nothing_to_count_for(classifier: Classifier) -> None:
    with pytest.raises(InputError, match="does not come from a folder"):
        Monitor(Classifier(classifier.manifest, classifier._network, classifier._lookout))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"format_version": 2}, "'format_version' must be a whole number from 1 to 1"),
        ({"manifest_sha256": "0" * 64}, "is of another bundle"),
        ({"manifest_sha256": None}, "'manifest_sha256' must be a string"),
        ({"windows": {}}, "'windows' must be a list"),
        ({"windows": [7]}, r"windows\[0\]: This must be a JSON object"),
        ({"windows": [{"day": "yesterday", "counts": COUNTS}]}, "'day' must be a day such as"),
        ({"windows": [{"day": "2026-11-30", "counts": COUNTS}]}, "'counts' must be of at least 200 texts"),
        ({"windows": [{"day": "2026-11-30", "counts": COUNTS, "text": CANARY}]}, "unknown key 'text'"),
        ({"more": 1}, "unknown key 'more'"),
    ],
)
def test_a_file_that_is_no_state_of_this_bundle(
    classifier: Classifier, tmp_path: Path, change: dict[str, object], said: str
) -> None:
    path = tmp_path / "state.json"
    monitor = Monitor(classifier)
    monitor.classifier.predict(some_texts(MIN_TEXTS))
    assert monitor.save(path)
    write_json(path, json.loads(path.read_text("utf-8")) | change)
    monitor.classifier.predict(some_texts(MIN_TEXTS))
    with pytest.raises(InputError, match=said):
        monitor.save(path)


def test_a_reference_is_what_the_bundle_decides_on_its_rows(classifier: Classifier, tmp_path: Path) -> None:
    texts = some_texts(300)
    gold = (np.random.default_rng(0).uniform(size=(300, 3)) < 0.3).astype(np.float32)
    watch = reference_of(classifier, texts, gold, seed=0)
    assert watch is not None
    monitor = Monitor(classifier)
    monitor.classifier.predict(texts)
    assert watch.counts == counted(monitor)
    decided = classifier.predict_proba(texts) >= np.array([0.5, 0.4, 0.6])
    assert watch.right == tuple((decided & (gold > 0)).sum(axis=0).tolist())
    assert [sum(row) for row in watch.positives] == gold.sum(axis=0).tolist()
    assert watch.confusion is None
    data = manifest_of(tmp_path / "bundle") | {"watch": watch.to_dict()}
    (tmp_path / "bundle/manifest.json").write_text(dump_json(json.loads(json.dumps(data))), "utf-8")
    assert load(tmp_path / "bundle").manifest.objects.watch == watch
    assert CANARY not in (tmp_path / "bundle/manifest.json").read_text("utf-8")
    few = reference_of(classifier, [], gold[:0], seed=0)
    assert few is None


def test_labels_that_exclude_each_other_have_a_table(tmp_path: Path) -> None:
    single = load(make_tiny_bundle(tmp_path / "bundle", task="single_label"))
    texts, gold = some_texts(50), np.eye(3, dtype=np.float32)[np.arange(50) % 3]
    watch = reference_of(single, texts, gold, seed=0)
    assert watch is not None
    assert watch.confusion is not None
    assert [sum(row) for row in watch.confusion] == gold.sum(axis=0).tolist()
    assert tuple(map(sum, zip(*watch.confusion, strict=True))) == watch.counts.decided
