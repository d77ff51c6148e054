"""The sections that a finished run adds to its model card: where they stand, and what is left alone."""

from pathlib import Path

from distill.artifacts.report import write_report_file
from distill.report.card import BEGIN, END, reset_card, update_card, with_measured
from tests.support.tiny_report import tiny_report

CARD = "# tiny\n\nWords of a person.\n\n## Use\n\n    import distill\n"


def test_sections_come_before_use_and_a_second_run_replaces_them() -> None:
    once = with_measured(CARD, tiny_report())
    assert once.index("Words of a person.") < once.index(BEGIN) < once.index(END) < once.index("## Use")
    assert "| age | (not stated) | 31 | 0.750 | 0.750 | too few | 0.7500 |" in once
    assert "joy of age (not stated) (0.500, others 0.750, 31 rows, p 0.250)." in once
    assert "| gender | 144 | 0.0200 | 0.200 | +0.0100 (+0.0050 to +0.0200) |" in once
    assert with_measured(once, tiny_report()) == once
    assert with_measured(once.replace("measured:", "differences:"), tiny_report()) == once
    other = with_measured(once, tiny_report(subgroups=None))
    assert "## Subgroups" not in other
    assert "## Identity terms" in other


def test_values_and_labels_are_escaped_and_a_card_without_the_section_gets_them_at_its_end() -> None:
    card = with_measured("# mine\n", tiny_report(("a|b", "c")))
    assert card.startswith("# mine\n\n" + BEGIN)
    assert "a\\|b of age" in card


def test_every_run_says_size_and_speed_and_a_bundle_without_a_card_is_left_alone(
    tmp_path: Path,
) -> None:
    report = tiny_report(subgroups=None, audit=None)
    card = with_measured(CARD, report)
    assert "## Size and speed" in card
    assert "AMD EPYC (avx2)" in card
    assert "Subgroups" not in card
    assert "Identity terms" not in card
    assert card.replace(card[card.index(BEGIN) : card.index(END) + len(END) + 2], "") == CARD
    assert with_measured("Ours.\n", report) == "Ours.\n"
    write_report_file(tiny_report(), tmp_path)
    update_card(tmp_path / "README.md", tmp_path)
    assert not (tmp_path / "README.md").exists()
    (tmp_path / "README.md").write_text(CARD)
    update_card(tmp_path / "README.md", tmp_path)
    assert "## Subgroups" in (tmp_path / "README.md").read_text()


def test_a_card_is_reset_to_what_the_export_wrote(tmp_path: Path) -> None:
    card = tmp_path / "README.md"
    for text in (with_measured(CARD, tiny_report()), CARD, "# mine\n"):
        card.write_text(text, encoding="utf-8")
        reset_card(card)
        assert card.read_text(encoding="utf-8") == (CARD if text != "# mine\n" else text)
    reset_card(tmp_path / "missing.md")
