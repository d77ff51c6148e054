"""The word list tells our habits from good English."""

from pathlib import Path

import pytest

from tests.english import ROOT, Prose, checked_files, complaints, fault_of, message_complaints, prose_of


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
        ("CounselChat: one row a question.", 'write "per"'),
        ("One scale a token.", 'write "per"'),
        ("Several annotators a turn.", 'write "per"'),
        ("Any number a comment.", 'write "per"'),
        ("Of the texts after them, one in so many", "name the number"),
        ("The graphs are judged on others.", "evaluate"),
        ("The judge is a model.", "evaluate"),
        ("The same to the bit.", "bit for bit"),
        ("Texts made out of train rows.", "made from"),
        ("It shows, that it is larger.", "no comma"),
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
        "One evaluates a model; a bundle refuses a text.",
        "There are so many\n    that they do not fit.",
        "As a row or a text, with a few more than a batch.",
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


def test_templates_are_read_without_tags_and_values(tmp_path: Path) -> None:
    page = tmp_path / "a.html"
    page.write_text("<p>One {{ row(1) }} two</p>\n{% for a in b %}three{% endfor %}\n")
    assert [piece.text for piece in prose_of(page)] == ["``One `` two``", "``three``"]


def test_comments_of_a_recipe_are_read(tmp_path: Path) -> None:
    recipe = tmp_path / "a.toml"
    recipe.write_text('# First.\nkey = "value"\nrows = 100   # second\n')
    assert [(piece.line, piece.text) for piece in prose_of(recipe)] == [(1, " First."), (3, " second")]


def test_every_page_is_held_to_the_list_but_logs() -> None:
    checked = {str(path.relative_to(ROOT)) for path in checked_files()}
    for name in ("CHANGELOG.md", "docs/results/door.md", "distill/recipe/packaged/goemotions.toml"):
        assert name in checked
    assert "distill/report/templates/sections/gate.html" in checked
    assert "distill/variants/templates/model_card.md" in checked
    assert "docs/results/LOG.md" not in checked


@pytest.mark.parametrize(
    ("message", "remedy"),
    [
        ("{}: cannot be read ({}); check its permissions", "full stop"),
        ("{}: cannot be read ({}). Check its permissions.", "capital letter"),
        ("{}, row {}: The field is not closed. close it.", "capital letter"),
        ("{}: The labels are {}", "full stop"),
        ("the disk is full: Free some space.", "capital letter"),
        ("gate: no variant may ship ({}). {}.", "capital letter"),
    ],
)
def test_a_message_that_is_not_of_sentences_is_named(message: str, remedy: str) -> None:
    assert remedy in (fault_of(message) or "")


@pytest.mark.parametrize(
    "message",
    [
        "{}, row {}: The field is not closed. Close it.",
        "`max_tokens` is {}. Lower it.",
        "corpus.split: It must be {}. See corpus.folds.",
        "search.space is empty. Add values.",
        "label_names has {} names.",
        "{}: {}",
        "{}: There is an unknown key {}. {}",
        "{}: There is no such key. Did you mean {}?",
        "--set {}: The form is KEY=VALUE, for instance student.layers=[0,3,5].",
    ],
)
def test_a_message_of_sentences_is_left_alone(message: str) -> None:
    assert fault_of(message) is None


def test_messages_are_read_from_all_their_parts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("tests.english.ROOT", tmp_path)
    path = tmp_path / "a.py"
    path.write_text(
        'WHY = "not one"\n'
        'raise InputError(f"{x}: {WHY}")\n'
        'raise errors.BundleError("One. " + ("Two." if x else "three"))\n'
        'raise ValueError("not ours")\n'
        'raise InputError(f"{x}: {y}")\n'
    )
    assert [line.partition(": ")[0] for line in message_complaints(path)] == ["a.py:2", "a.py:3"]
