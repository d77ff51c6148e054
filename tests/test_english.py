"""The word list tells our habits from good English."""

from pathlib import Path

import pytest

from tests.english import ROOT, Prose, complaints, prose_of


@pytest.mark.parametrize(
    ("text", "remedy"),
    [
        ("What stands beside a training.", "open with an imperative"),
        ("Texts that take at most so many milliseconds.", "name the number"),
        ("One scale a label.", 'write "per"'),
        ("Run the same command; it goes on from there.", "resume"),
        ("A file that is no table.", "is not a"),
        ("The sums stand apart from their norms.", 'write "is"'),
        ("Run up to and with the teacher.", "through"),
    ],
)
def test_a_habit_is_named_with_its_remedy(text: str, remedy: str) -> None:
    (found, *_) = complaints(Prose(ROOT / "a.py", 7, f'"""{text}"""', docstring=True))
    assert found.startswith("a.py:7: ")
    assert remedy in found


@pytest.mark.parametrize(
    "text",
    [
        "Return the bundle's size in bytes.",
        "Macro-F1 per label.",
        "There is no text; pass one as an argument.",
        "A model has not been trained; it is no longer needed.",
        "Thank you so much!",
        "A label is a scale of a text in a row.",
    ],
)
def test_good_english_is_left_alone(text: str) -> None:
    assert list(complaints(Prose(ROOT / "a.py", 1, f'"""{text}"""', docstring=True))) == []


def test_docstrings_comments_and_literals_are_read_with_their_lines(tmp_path: Path) -> None:
    path = tmp_path / "a.py"
    path.write_text('"""First."""\n\nx = "second"  # third\ny = "kept"  # english: ok\n')
    assert [(piece.line, piece.text, piece.docstring) for piece in prose_of(path)] == [
        (1, '"""First."""', True),
        (3, '"second"', False),
        (3, "# third", False),
    ]
    page = tmp_path / "a.md"
    page.write_text("Text `code`.\n\n    block\n```\nfenced\n```\n")
    assert [piece.text for piece in prose_of(page) if piece.text] == ["Text ``.", "```"]
