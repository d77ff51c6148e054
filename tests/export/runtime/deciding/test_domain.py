"""Out of domain by energy: closed forms, the rule in a bundle, and its fit on validation."""

from pathlib import Path

import numpy as np
import pytest

from distill.export.runtime import BundleError, InputError, load
from distill.export.runtime.deciding.domain import energy_of, has_energy
from distill.export.runtime.deciding.task import OUT_OF_DOMAIN, UNREADABLE
from distill.export.runtime.deciding.tasks import task_of
from distill.variants.hand_over import check_domain, fit_domain
from tests.support.hostile_objects import WHOLE, tagged
from tests.support.tiny_bundle import LABELS, make_tiny_bundle

LOGITS = np.array([[0.0, 1.0, -2.0], [800.0, -800.0, 0.0]], dtype=np.float32)
TEXTS = ["i am happy", "you feel very sad today", "not calm", "xyz qux"]


def test_energy_is_the_logarithm_of_the_sum_of_exponentials() -> None:
    several, one = task_of("multi_label", LABELS), task_of("single_label", LABELS)
    first = np.log1p(np.exp([0.0, 1.0, -2.0])).sum()
    assert energy_of(LOGITS, several) == pytest.approx([first, 800 + np.log(2)])
    assert energy_of(LOGITS, one) == pytest.approx([np.log(np.exp([0.0, 1.0, -2.0]).sum()), 800])
    assert not has_energy(task_of("ordinal", LABELS))


def test_a_text_below_the_rule_is_handed_over_with_its_decision(tmp_path: Path) -> None:
    plain = load(make_tiny_bundle(tmp_path / "bundle"))
    energies = energy_of(plain.logits(TEXTS), plain.task)
    below = float(np.sort(energies)[2])
    rule = {"kind": "energy", "below": below, "validation_share": 0.5}
    found = load(tagged(tmp_path / "bundle", out_of_domain=rule, unreadable=WHOLE["unreadable"]))
    for text, energy, before in zip(TEXTS, energies, plain.predict(TEXTS), strict=True):
        for decided in (found(text), found.predict(TEXTS)[TEXTS.index(text)]):
            if text == "xyz qux":
                assert decided.handed_over == (UNREADABLE,)
            else:
                assert decided.labels == before.labels
                assert (OUT_OF_DOMAIN in decided.handed_over) is bool(energy < below)


def test_the_rule_hands_over_a_share_of_validation() -> None:
    task = task_of("multi_label", LABELS)
    logits = np.random.default_rng(0).normal(size=(1000, 3)).astype(np.float32)
    rule = fit_domain(logits, task, 0.02)
    assert rule is not None
    assert rule.validation_share == pytest.approx((energy_of(logits, task) < rule.below).mean()) == 0.02
    assert fit_domain(logits, task, 0.0) is None
    assert fit_domain(logits[:10], task, 0.02) is None
    with pytest.raises(InputError, match="has no energy"):
        fit_domain(logits, task_of("ordinal", LABELS), 0.02)


def test_a_share_of_less_than_a_row_is_refused_before_anything_is_trained() -> None:
    with pytest.raises(InputError, match=r"0.002 of 333 validation rows is less than one. Raise it to 0.0031"):
        check_domain(0.002, 333)
    for share, rows in ((0.0, 0), (0.0031, 333), (0.01, 100)):
        check_domain(share, rows)


def test_an_ordinal_manifest_has_no_such_rule() -> None:
    from distill.export.runtime.deciding.domain import OutOfDomain

    with pytest.raises(BundleError, match="whose graph gives no logits"):
        OutOfDomain.from_dict(WHOLE["out_of_domain"], "m", task_of("ordinal", LABELS))
