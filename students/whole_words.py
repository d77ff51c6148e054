"""Words that a trimmed vocabulary reads as the teacher's does, however rare they are in the corpus."""

from collections.abc import Collection, Iterable
from importlib import resources
from typing import Any


def crisis_topics() -> dict[str, str]:
    """Return the packaged words of crisis and counselling, each with its topic."""
    text = (resources.files("distill.students") / "word_lists" / "crisis.tsv").read_text(encoding="utf-8")
    lines = [line.split("\t") for line in text.splitlines() if not line.startswith("# ")]
    return {line[0]: line[1] for line in lines}


def pieces_of(tokenizer: Any, words: Collection[str], merges: Iterable[tuple[str, str]]) -> set[str]:
    """Return the pieces that a tokenizer splits words into, and those that its merges make them of.

    Args:
        tokenizer: the teacher's.
        words: at the beginning of a text and inside of one, since byte-level BPE has other pieces there.
        merges: of a BPE, none for any other model.
    """
    parts: dict[str, tuple[str, str]] = {}
    for left, right in merges:
        parts.setdefault(left + right, (left, right))
    waiting = [piece for word in words for text in (word, f" {word}") for piece in tokenizer.tokenize(text)]
    found: set[str] = set()
    while waiting:
        piece = waiting.pop()
        if piece not in found:
            found.add(piece)
            waiting += parts.get(piece, ())
    return found
