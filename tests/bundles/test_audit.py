"""The audit: terms in templates and rows; a skewed term is found, equal ones are not; no row is in its output."""

import json
from pathlib import Path

import numpy as np
import pytest

from distill.bundles.audit import audit, scorer_of, unread_shares, with_unread
from distill.bundles.identity import (
    LANGUAGES,
    Comparison,
    Identity,
    Swap,
    comparisons,
    packaged_identity,
    read_identity,
    swapped_rows,
)
from distill.export.runtime import InputError, load
from distill.export.runtime.deciding.scores import Bools, Floats
from tests.support.command import run_cli
from tests.support.tiny_bundle import LABELS, make_tiny_bundle

TERMS = """
templates = [
  "i feel {person}", "{person} am i", "you feel {person} today", "{Person} today", "not {person}",
  "i am very {person}", "you am {person}", "today i feel {person}",
]
[axes.mood]
happy = ["happy"]
calm = ["calm"]
[axes.none]
one = ["xyz"]
other = ["qux"]
[swaps.mood]
first = ["happy"]
second = ["sad"]
ambiguous = ["calm"]
"""


@pytest.fixture
def terms(tmp_path: Path) -> Path:
    path = tmp_path / "terms.toml"
    path.write_text(TERMS, "utf-8")
    return path


@pytest.mark.parametrize("language", LANGUAGES)
def test_packaged_terms_fill_every_slot(language: str) -> None:
    compared = comparisons(packaged_identity(language))
    assert {comparison.axis for comparison in compared} >= {"gender", "age", "religion", "sexuality", "disability"}
    for comparison in compared:
        for template in comparison.texts:
            for texts in template:
                assert len(texts) == len(comparison.groups) == len(set(texts))
                assert not any("{" in text or text != text.strip() for text in texts)
                assert all(text[0].isupper() for text in texts) or language == "zh"


def test_a_skewed_term_is_found_in_each_model_and_amplified_in_one() -> None:
    compared = comparisons(packaged_identity("en"))

    def model(skew: float) -> object:
        rng = np.random.default_rng(0)

        def score(texts: list[str]) -> tuple[Floats, Bools]:
            scores = 0.3 + rng.normal(0, 0.01, size=(len(texts), 2))
            scores[:, 1] += [skew * ("Muslim" in text) for text in texts]
            return scores, scores >= 0.5

        return score

    models = {"teacher": model(0.05), "student": model(0.25), "fair": model(0.0)}
    found = audit(models, ("joy", "anger"), compared, "teacher")  # type: ignore[arg-type]
    religion = next(axis for axis in found.axes if axis.axis == "religion")
    assert (religion.shown["teacher"], religion.shown["student"], religion.shown["fair"]) == (4, 4, 0)
    assert sum(axis.shown["student"] for axis in found.axes) == 4
    assert religion.amplification["student"].low > 0.02
    assert religion.amplification["fair"].high < 0
    worst = found.cells[0]
    assert (worst.axis, worst.label, "Muslim" in (worst.group, worst.other)) == ("religion", "anger", True)
    assert worst.flips["student"] > 0.9
    assert worst.flips["teacher"] == 0
    gender = next(axis for axis in found.axes if axis.axis == "gender")
    assert gender.flipped["student"] == 0
    assert abs(gender.amplification["student"].value) < 0.01


def test_words_are_swapped_in_rows_where_nothing_is_ambiguous() -> None:
    swap = {"gender": Swap(("she", "mum", "mom"), ("he", "dad", "dad"), ("her",))}
    identity = Identity(("{person}",), {}, swap)
    texts = ["She is late, she said.", "HE shouts", "my dad left", "her mum", "he and she", "nobody", *["mom"] * 9]
    (rows,) = swapped_rows(identity, texts, most=8)
    assert rows.axis == "gender in rows"
    assert rows.texts[:3] == (
        (("She is late, she said.", "He is late, he said."),),
        (("SHE shouts", "HE shouts"),),
        (("my mum left", "my dad left"),),
    )
    assert len(rows.texts) == 8
    assert swapped_rows(identity, texts[:5], most=8) == []


def test_words_of_scripts_without_blanks_are_swapped_anywhere() -> None:
    texts = ["她妈妈说ok", "我爸爸病了", "他们走了", "其他人走了", "她和他", "没有人", *["女朋友来了"] * 6]
    gender = next(rows for rows in swapped_rows(packaged_identity("zh"), texts, most=9) if "gender" in rows.axis)
    assert gender.texts[:3] == (
        (("她妈妈说ok", "他爸爸说ok"),),
        (("我妈妈病了", "我爸爸病了"),),
        (("女朋友来了", "男朋友来了"),),
    )
    assert len(gender.texts) == 8


def test_rows_without_words_to_swap_are_said_or_refused(terms: Path, tmp_path: Path) -> None:
    bundle, rows = str(make_tiny_bundle(tmp_path / "bundle")), tmp_path / "rows.csv"
    rows.write_text("text\nnothing here\n", "utf-8")
    done = run_cli("audit", bundle, "--rows", str(rows))
    assert "gender: Fewer than 8 rows have words to swap; none is audited." in done.stderr
    rows.write_text("text\nnothing déjà here\n", "cp1252")
    assert run_cli("audit", bundle, "--rows", str(rows)).returncode == 2
    assert run_cli("audit", bundle, "--rows", str(rows), "--encoding", "cp1252", "--no-quoting").returncode == 0
    plain = tmp_path / "plain.toml"
    plain.write_text(terms.read_text("utf-8").split("[swaps")[0], "utf-8")
    refused = run_cli("audit", bundle, "--rows", str(rows), "--terms", str(plain))
    assert (refused.returncode, "have no words to swap in rows" in refused.stderr) == (2, True)


def test_the_audit_of_a_bundle_is_what_it_scores(terms: Path, tmp_path: Path) -> None:
    classifier = load(make_tiny_bundle(tmp_path / "bundle"))
    compared = comparisons(read_identity(terms))
    found = audit({"bundle": scorer_of(classifier)}, LABELS, compared)
    cell = next(cell for cell in found.cells if (cell.axis, cell.label) == ("mood", "joy"))
    texts = [template[0] for template in compared[0].texts]
    expected = [classifier(first).scores["joy"] - classifier(second).scores["joy"] for first, second in texts]
    assert cell.gaps["bundle"] == pytest.approx(np.mean(expected), abs=1e-6)
    shares = unread_shares(classifier, compared)
    assert shares == {"mood": 1 / 8, "none": 1.0}, "a capital is unknown to the tiny bundle"
    assert [axis.unread for axis in with_unread(found, classifier, compared).axes] == [1 / 8, 1.0]
    unknown = next(axis for axis in found.axes if axis.axis == "none")
    assert (unknown.gap["bundle"], unknown.flipped["bundle"], unknown.shown["bundle"]) == (0, 0, 0)


def test_the_verb_shows_the_worst_first_and_leaves_no_row(terms: Path, tmp_path: Path) -> None:
    bundle = str(make_tiny_bundle(tmp_path / "bundle"))
    rows = tmp_path / "rows.csv"
    rows.write_text("text\n" + "".join(f"i feel happy zeugnis{at}\n" for at in range(9)), "utf-8")
    arguments = ("audit", bundle, "--terms", str(terms), "--rows", str(rows))
    shown, data = run_cli(*arguments), run_cli(*arguments, "--json")
    assert (shown.returncode, data.returncode) == (0, 0), shown.stderr + data.stderr
    assert "zeugnis" not in shown.stdout + data.stdout
    *few, said = shown.stderr.splitlines()
    too_few = (
        "8 templates or rows can tell no difference from chance, among all labels and groups. Give 9 or more."
    )
    assert few == [f"mood: {too_few}", f"none: {too_few}"]
    assert said.startswith("none: The bundle reads 100% of the pairs of texts alike, or cannot read them")
    found = json.loads(data.stdout)
    assert [axis["axis"] for axis in found["axes"]] == ["mood", "none", "mood in rows"]
    gaps = [max(map(abs, cell["gaps"].values())) for cell in found["cells"]]
    assert gaps == sorted(gaps, reverse=True)
    assert run_cli("audit", bundle).returncode == 0
    refused = run_cli("audit", bundle, "--against", str(tmp_path))
    assert (refused.returncode, "not a run's folder" in refused.stderr) == (2, True)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("templates = [", "templates = 7\nmore = ["), "unknown key"),
        (('"not {person}"', '"not"'), r"templates\[4\]: The slot is missing"),
        (('"not {person}",', '"",'), "templates: This must be a list of texts"),
        (('  "i feel {person}", "{person} am i",', ""), "must be at least 8"),
        (('calm = ["calm"]', ""), "axes.mood: There must be two groups"),
        (('calm = ["calm"]', 'calm = ["calm", "sad"]'), "with as many terms each"),
        (('calm = ["calm"]', "calm = 1"), "axes.mood.calm: This must be a list"),
        (("[axes.mood]", "[axes]\nage = 7\n[axes.mood]"), "axes.age: This must be a table"),
        (('second = ["sad"]', 'second = ["happy"]'), "as many words in first"),
        (('second = ["sad"]', 'second = ["very sad"]'), "a list of single words"),
        (('first = ["happy"]', ""), "swaps.mood.first: This must be a list"),
        (("[swaps.mood]", "[swaps.mood]\nzeugnis = 1"), "swaps.mood: A key is unknown"),
        ((TERMS[TERMS.index("[axes.mood]") : TERMS.index("[swaps")], "[axes]\n"), "axes: There is no axis"),
        (("templates", "templates = = zeugnis"), "is not TOML"),
    ],
)
def test_what_is_no_list_of_terms(terms: Path, change: tuple[str, str], said: str) -> None:
    terms.write_text(TERMS.replace(*change, 1), "utf-8")
    with pytest.raises(InputError, match=said) as refused:
        read_identity(terms)
    assert "zeugnis" not in str(refused.value)


def test_a_file_of_terms_is_there_and_small(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        read_identity(tmp_path / "none.toml")
    (tmp_path / "large.toml").write_bytes(b"#" * (2**20 + 1))
    with pytest.raises(InputError, match="more than"):
        read_identity(tmp_path / "large.toml")


def test_a_comparison_is_by_template_term_and_group() -> None:
    identity = Identity(
        ("{Person} left",), {"age": {"young": ("a boy", "a girl"), "old": ("a man", "a woman")}}, {}
    )
    expected = (("A boy left", "A man left"), ("A girl left", "A woman left"))
    assert comparisons(identity) == [Comparison("age", ("young", "old"), (expected,))]


def test_another_language_is_refused_with_the_way_on() -> None:
    with pytest.raises(
        InputError, match="must be one of en, zh. For another, give terms of your own with --terms"
    ):
        packaged_identity("de")
