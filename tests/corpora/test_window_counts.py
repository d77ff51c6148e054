"""Counts of what fits into rows of turns."""

from distill.corpora.window_counts import WindowCounter, WindowTokens
from distill.export.runtime.reading.inputs import Turn, Turns, Window
from tests.support.tiny_turns import ROLES, TEMPLATE, WHOLE, turns_tokenizer

ROWS: list[Window] = [
    Window(Turn("client", "sad")),
    Window(Turn("client", "sad"), (Turn("client", "i"), Turn("therapist", "you feel"))),
    Window(Turn("client", "sad"), (Turn("client", "i"), Turn("therapist", "you feel very sad today"))),
    Window(Turn("client", "i feel very sad today"), (Turn("therapist", "you"),)),
    Window(Turn("client", "i feel very sad today " * 2), (Turn("therapist", "you"),)),
]


def test_cut_and_lost_turns_are_counted_apart() -> None:
    reads = Turns(2, ROLES, ("client",), segments=3, template=TEMPLATE)
    counter = WindowCounter(reads.reader(turns_tokenizer(), 9, type_ids=False).several, reads.turns)
    assert counter.count(ROWS) == WindowTokens(rows=5, cut=1, alone=2, shortened=1, wanted=6, turns={0: 3, 1: 2})
    whole = Turns(2, ROLES, ("client",), segments=3, template=WHOLE)
    first = WindowCounter(whole.reader(turns_tokenizer(), 9, type_ids=False).several, whole.turns)
    assert first.count(ROWS) == WindowTokens(rows=5, cut=1, alone=3, shortened=0, wanted=6, turns={0: 4, 1: 1})
