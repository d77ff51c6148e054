"""The verdict on a run: beside TF-IDF, beside the twin, and labels that are never or always given."""

import numpy as np
import pytest

from distill.artifacts.report import HandedOver, Headline, Verdict
from distill.evaluation.bootstrap import Bootstrap
from distill.report.verdict import Bundled, verdict_of

LABELS = ("sad", "glad", "calm")
GOLD = np.array([[1, 0, 0], [1, 1, 0], [0, 1, 0]], dtype=np.float32)


def verdict(
    over_baseline: tuple[float, float, float],
    over_twin: tuple[float, float, float] | None = (0.1, 0.05, 0.15),
    decisions: list[list[int]] | None = None,
    retention: float | None = 0.9,
    undecided: int = 0,
) -> Verdict:
    decided = np.array(decisions or [[1, 0, 0], [0, 1, 0], [0, 0, 1]], dtype=bool)
    left, teacher = HandedOver(3, undecided, {}, undecided), Bootstrap(-0.05, -0.08, -0.02, 0.01)
    bundled = Bundled("int8-static", 0.5, retention, teacher, left, decided, GOLD)
    twin = None if over_twin is None else Bootstrap(*over_twin, 0.01)
    return verdict_of(bundled, LABELS, Headline(), Bootstrap(*over_baseline, 0.01), twin)


def test_a_better_bundle_says_so_in_one_line() -> None:
    found = verdict((0.04, 0.01, 0.07))
    assert (found.failures, found.notes) == ((), ())
    assert found.line == (
        "int8-static ships with a macro-F1 of 0.500, "
        "90% of its teacher's (-0.050, 95 % interval -0.080 to -0.020); "
        "above TF-IDF (+0.040, 95 % interval +0.010 to +0.070); "
        "above its twin, which had no teacher (+0.100, 95 % interval +0.050 to +0.150)"
    )
    assert verdict((0.04, 0.01, 0.07), None, retention=None).line == (
        "int8-static ships with a macro-F1 of 0.500; above TF-IDF (+0.040, 95 % interval +0.010 to +0.070)"
    )


@pytest.mark.parametrize(
    ("gain", "passed", "said"),
    [
        ((-0.04, -0.07, -0.01), False, "below TF-IDF (-0.040"),
        ((-0.04, -0.07, 0.0), True, "3 test rows are too few to tell it from TF-IDF (-0.040"),
        ((0.04, -0.01, 0.07), True, "3 test rows are too few to tell it from TF-IDF (+0.040"),
    ],
)
def test_only_an_interval_below_zero_fails(gain: tuple[float, float, float], passed: bool, said: str) -> None:
    found = verdict(gain)
    assert (not found.failures) is passed
    assert said in found.line
    assert [note[:21] for note in found.notes] == (["TF-IDF does at least "] if gain[0] <= 0 else [])


def test_a_teacher_without_use_is_named_with_a_remedy() -> None:
    (note,) = verdict((0.04, 0.01, 0.07), (0.0, -0.02, 0.02)).notes
    assert note.startswith("the teacher did not help here; more rows, texts without labels (corpus.transfer)")


def test_labels_on_every_row_fail_and_labels_on_none_are_named() -> None:
    found = verdict((0.04, 0.01, 0.07), decisions=[[1, 0, 0], [1, 0, 1], [1, 0, 0]])
    assert (found.always_given, found.never_given) == (("sad",), ("glad",))
    assert found.failures == ("every test row is given sad",)
    assert [note.split(":")[0] for note in found.notes] == [
        "never given, though test rows have them",
        "given to every test row",
    ]
    assert verdict((0.04, 0.01, 0.07), decisions=[[1, 1, 0], [0, 1, 0], [0, 0, 0]]).never_given == (), "no row"


def test_a_bundle_that_decides_next_to_nothing_says_so() -> None:
    few, most, all_of_them = (verdict((0.04, 0.01, 0.07), undecided=count) for count in (1, 2, 3))
    assert (few.failures, few.notes) == ((), ())
    assert most.failures == ()
    assert most.notes[0].startswith("67% of the test texts are not decided, and count as if they were")
    assert all_of_them.failures == ("the bundle decides no test text",)
