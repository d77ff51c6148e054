"""The share of test texts that the finished bundle hands over: every reason counts, not the rule to abstain."""

from collections import Counter
from pathlib import Path

import pytest

from distill.export.runtime import load
from distill.report import handed_over as module
from distill.report.handed_over import handed_over
from tests.support.tiny_bundle import make_tiny_bundle, rewrite_manifest

SPLITS = (["i am happy", "zzz qqq", "sad"], ["", "you feel calm"])


def test_every_reason_counts_over_all_splits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = load(make_tiny_bundle(tmp_path / "bundle"))
    sure = sorted(plain(text).confidence for split in SPLITS for text in split)
    abstain = {"confidence": "exact_match", "below": sure[2]}
    bundle = load(rewrite_manifest(tmp_path / "bundle", abstain=abstain))
    found = handed_over(bundle, SPLITS)
    predictions = [bundle(text) for split in SPLITS for text in split]
    assert (found.texts, found.handed_over) == (5, sum(bool(one.handed_over) for one in predictions))
    assert found.reasons == Counter(reason for one in predictions for reason in one.handed_over)
    assert 0 < found.share < 1
    assert found.undecided == sum(one.abstained for one in predictions) > 0
    monkeypatch.setattr(module, "MOST_TEXTS", 2)
    assert handed_over(bundle, SPLITS).texts == 3
