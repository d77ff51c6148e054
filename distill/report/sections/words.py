"""The report's section on the vocabulary: how the student's tokenizer reads words beside its teacher's."""

import html
from typing import Any

from distill.report.markup import note, number, table

NAMES = {"corpus": "test split", "slang": "slang", "emoji": "emoji", "crisis": "crisis and counselling"}


def word_sections(report: dict[str, Any]) -> list[tuple[str, str]]:
    """Titles and HTML."""
    found = report["words"]
    rows = []
    for name, title in NAMES.items():
        one = found["rates"][name]
        shares = [f"{one[key]:.2%}" for key in ("unknown", "unknown_to_teacher", "split_more")]
        means = [number(one[key], 2) for key in ("pieces", "pieces_of_teacher")]
        rows.append([title, f"{one['words']:,}", *shares, *means])
    head = ["words of", "words", "become [UNK]", "with the teacher's", "in more pieces", "pieces a word"]
    page = table([*head, "with the teacher's"], rows) + note(
        "The student's tokenizer beside the teacher's. Of the test split words count as often as they are said; "
        "the lists are the project's own (<code>distill/words</code>), each word once."
    )
    worse = found["crisis_words"]
    if worse:
        said = ", ".join(f"{html.escape(one['word'])} ({_how(one)})" for one in worse)
        page += note(
            "Words of crisis and counselling that the student does not know or splits more than the teacher, with "
            f"the pieces of both; from the project's own list and out of nobody's text: {said}."
        )
    return [("Vocabulary", page)]


def _how(one: dict[str, Any]) -> str:
    """Whether a word is unknown, or into how many pieces it falls, and the teacher's."""
    return "[UNK]" if one["unknown"] else f"{one['pieces']} pieces, {one['teacher']}"
