"""The audit of a run: its models score texts as the run stored it, and a bundle that adds too much is refused."""

from pathlib import Path

import numpy as np
import pytest

from distill.artifacts.logits import read_logits_file
from distill.artifacts.quality import read_quality
from distill.artifacts.records import write_record
from distill.evaluation.bias import Audit, AxisAudit
from distill.evaluation.comparison import Estimate
from distill.export.runtime import CheckFailedError, InputError, load
from distill.pipeline.audited import AUDIT_FILE, read_audit, require_no_amplification, scorers_of_run, write_audit
from tests.support.finished import reopen
from tests.support.tiny_bundle import make_tiny_bundle


def audit_with(low: float) -> Audit:
    more = {"bundle": Estimate(low + 0.01, low, low + 0.02)}
    axis = AxisAudit("gender", 24, 48, {"teacher": 0.01}, {"teacher": 0.0}, {"teacher": 0}, more)
    return Audit(("teacher", "bundle"), "teacher", ("joy",), (axis,), ())


def test_a_bundle_that_adds_more_than_the_bound_is_refused(tmp_path: Path) -> None:
    write_record(audit_with(0.05), tmp_path / AUDIT_FILE)
    found = read_audit(tmp_path)
    assert found == audit_with(0.05)
    require_no_amplification(found, 0.05)
    with pytest.raises(CheckFailedError, match=r"adds more than 0.04 .* gender \(\+0.0600\)"):
        require_no_amplification(found, 0.04)


def test_the_models_of_a_run_score_as_the_run_stored_it(runs: Path, tmp_path: Path) -> None:
    run = reopen(runs)
    layout, task = run.layout, run.corpus.task
    scorers = scorers_of_run(runs, load(layout.bundle))
    assert list(scorers)[:3] == ["teacher", "twin", "student"]
    assert "fp32" in scorers
    texts = [text for text in run.corpus.test.texts[:40] if isinstance(text, str)]
    places = {"teacher": layout.teacher(), "twin": layout.twin, "student": layout.student}
    for name, score in scorers.items():
        place = places.get(name) or layout.variant(name)
        decision = read_quality(layout.quality(name) if name in places else place).decision
        stored = read_logits_file(place)["test"][: len(texts)]
        scores, decided = score(texts)
        np.testing.assert_allclose(scores, decision.scores(stored, task), atol=2e-4)
        assert (decided == decision.decide(stored, task)).mean() > 0.99
    write_audit(tmp_path, runs, layout.bundle, "en")
    audit = read_audit(tmp_path)
    assert audit.models == (*scorers, "bundle")
    assert {axis.axis for axis in audit.axes} >= {"gender", "religion"}
    with pytest.raises(InputError, match="is of other labels"):
        scorers_of_run(runs, load(make_tiny_bundle(tmp_path / "tiny")))
    with pytest.raises(InputError, match="not a run's folder"):
        scorers_of_run(tmp_path, load(layout.bundle))
