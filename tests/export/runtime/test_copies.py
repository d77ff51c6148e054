"""A classifier in other hands: copied, pickled, in a pool of new processes, and shown in a console."""

import copy
import pickle
from multiprocessing import get_context
from pathlib import Path

import joblib
import numpy as np
import pytest

from distill.export.runtime import BundleError, InputError, load
from distill.export.runtime.classifier import open_bundle
from distill.export.runtime.manifest.bundle_files import read_files
from distill.export.runtime.manifest.manifest import read_manifest
from tests.support.tiny_bundle import LABELS, make_tiny_bundle, rewrite_manifest

TEXTS = ["i am happy", "you feel sad"]


def test_a_copy_is_the_classifier_itself(tmp_path: Path) -> None:
    classifier = load(make_tiny_bundle(tmp_path))
    assert copy.copy(classifier) is classifier
    assert copy.deepcopy({"model": classifier})["model"] is classifier


def test_a_pickle_is_the_path_and_the_hash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_tiny_bundle(tmp_path / "bundle")
    monkeypatch.chdir(tmp_path)
    classifier = load("bundle", threads=2)
    pickled = pickle.dumps(classifier)
    assert len(pickled) < 1000
    monkeypatch.chdir("/")
    again = pickle.loads(pickled)
    assert again.predict(TEXTS) == classifier.predict(TEXTS)
    assert again.origin == classifier.origin
    rewrite_manifest(tmp_path / "bundle", name="another")
    with pytest.raises(BundleError, match="not the pinned one"):
        pickle.loads(pickled)


def test_joblib_and_a_spawned_pool_answer_alike(tmp_path: Path) -> None:
    classifier = load(make_tiny_bundle(tmp_path / "bundle"))
    joblib.dump(classifier, tmp_path / "classifier.joblib")
    assert joblib.load(tmp_path / "classifier.joblib").predict(TEXTS) == classifier.predict(TEXTS)
    with get_context("spawn").Pool(1) as pool:
        assert pool.map(classifier, TEXTS) == [classifier(text) for text in TEXTS]


def test_what_comes_from_no_folder_is_not_pickled(tmp_path: Path) -> None:
    manifest = read_manifest(make_tiny_bundle(tmp_path))
    opened = open_bundle(manifest, *read_files(tmp_path, manifest), where=tmp_path)
    with pytest.raises(InputError, match="does not come from a folder"):
        pickle.dumps(opened)


def test_a_repr_says_what_it_is(tmp_path: Path) -> None:
    classifier = load(make_tiny_bundle(tmp_path))
    assert (
        repr(classifier) == "<Classifier 'tiny': multi_label, 3 labels ('joy', 'sadness', 'calm'), fp32, 0.0 MB>"
    )
    np.testing.assert_array_equal(classifier.classes_, LABELS)


def test_a_home_folder_is_expanded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_tiny_bundle(tmp_path / "bundle")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert load("~/bundle").labels == LABELS
