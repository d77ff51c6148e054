"""The audit of a run: its models score texts as the run stored it, and a bundle that adds too much is refused."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from distill.artifacts.logits import read_logits_file
from distill.artifacts.quality import read_quality
from distill.artifacts.records import write_record
from distill.evaluation.bias import Audit, AxisAudit
from distill.evaluation.comparison import Estimate
from distill.export.runtime import CheckFailedError, InputError, load
from distill.pipeline.audited import (
    AUDIT_FILE,
    language_of_terms,
    read_audit,
    require_no_amplification,
    scorers_of_run,
    write_audit,
)
from distill.pipeline.check import check_recipe
from distill.recipe.load import load_recipe
from distill.runs.progress import Reporter
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
    unread = replace(found, axes=tuple(replace(axis, unread=0.5) for axis in found.axes))
    with pytest.raises(
        CheckFailedError, match=r"reads 50% of the pairs .* alike, or cannot read them.*Set corpus.language"
    ):
        require_no_amplification(unread, 1.0)
    with pytest.raises(CheckFailedError, match=r"adds more than 0.04 .* gender \(\+0.0600\)"):
        require_no_amplification(found, 0.04)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (
            ("corpus.joiner=segments", "corpus.text=['a','b']"),
            "Templates are single texts, but pair would be read",
        ),
        (("corpus.context={conversation='talk'}",), "Templates are single texts, but turns would be read"),
        (("teacher.kind=verbaliser", "teacher.model=any"), "The teacher is not a classifier"),
        (("corpus.language=es",), "There are no packaged terms in corpus.language = 'es', only in en and zh"),
    ],
)
def test_a_recipe_whose_bundle_could_not_be_audited_is_refused_before_its_corpus_is_read(
    settings: tuple[str, ...], said: str
) -> None:
    bounded = ("corpus.source=nowhere", *settings)
    load_recipe("smoke", list(bounded))
    recipe = load_recipe("smoke", [*bounded, "export.max_bias_amplification=0.1"])
    with pytest.raises(InputError, match=f"export.max_bias_amplification: {said}"):
        check_recipe(recipe, Reporter(quiet=True))


def test_a_region_of_a_language_has_the_terms_of_the_language() -> None:
    assert [language_of_terms(language) for language in (None, "en-GB", "ZH-hant")] == ["en", "en", "zh"]


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
    with pytest.raises(InputError, match="did not make this bundle"):
        scorers_of_run(runs, load(make_tiny_bundle(tmp_path / "tiny")))
    with pytest.raises(InputError, match="not a run's folder"):
        scorers_of_run(tmp_path, load(layout.bundle))
