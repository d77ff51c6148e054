"""Tables show what they are given: no markup, nothing cut."""

import pytest

from distill.cli.layout import print_table


def test_labels_in_brackets_are_shown_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    print_table("by [label]", ["[label]", "rows"], [["[other]", "1"], ["[/other]", "2"], ["anger [mild]", "3"]])
    shown = capsys.readouterr().out
    for cell in ("by [label]", "[other]", "[/other]", "anger [mild]"):
        assert cell in shown
