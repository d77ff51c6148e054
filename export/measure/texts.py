"""Synthetic texts for measuring latency, written for this project; they are nobody's own words."""

from distill.export.runtime.reading.inputs import TEXT, Input, Row, Turn, Turns, Window
from distill.export.runtime.reading.turns import NEXT

_SHORT = (
    "I feel calm today.",
    "That really scared me.",
    "Thank you, this helped a lot.",
    "Nobody called me back.",
    "I am so proud of her!",
    "Everything is too loud.",
    "Why would he say that?",
    "I miss our kitchen.",
    "Finally some good news.",
    "I can't sleep again.",
    "It's fine, I guess.",
    "We laughed until it hurt.",
)

_MEDIUM = (
    "I practised the speech all week, and when my turn came my hands shook so much that I dropped the cards.",
    "My sister moved abroad in spring, and the flat has been too quiet since then, even with the radio on.",
    "The new neighbour left soup at our door without a note, and I was moved to tears by such a small thing.",
    "I keep checking the letterbox for the result, although it cannot arrive before the end of this month.",
    "He promised to be there at noon, then he simply forgot, and now I am angry and a little ashamed of it.",
    "We planted the tree where the old swing stood, and for once this year the garden "
    "felt like ours.",  # english: ok
    "At work they praise the team in every meeting, yet nobody noticed that I stay until nine each evening.",
    "I thought that the exam had gone badly, so I laughed out loud on the bus when I read my mark.",
    "Since the accident I take the long way home, because my chest tightens when I come near that crossing.",
    "She remembered the name of my first dog, and I wondered how anyone could have listened to me so well.",
    "I cannot decide whether to sell the boat, since every plank reminds me of summers with my father.",
    "The doctor spoke slowly and kindly, and though the news was mixed I walked out feeling lighter.",
)

# about 5, 20 and 100 words each; a long text is five medium ones in a row
SYNTHETIC_TEXTS: dict[str, tuple[str, ...]] = {
    "short": _SHORT,
    "medium": _MEDIUM,
    "long": tuple(
        " ".join(_MEDIUM[(start + step) % len(_MEDIUM)] for step in range(5)) for start in range(len(_MEDIUM))
    ),
}


def synthetic_rows(kind: str, reads: Input) -> list[Row]:
    """Return the texts of one kind as rows of an input.

    Each pair has the next text as its second; the turns before each decided one are the texts before it.
    """
    texts = SYNTHETIC_TEXTS[kind]
    if isinstance(reads, Turns):
        return [_window(texts, at, reads) for at in range(len(texts))]
    return list(texts) if reads.kind == TEXT else list(zip(texts, (*texts[1:], texts[0]), strict=True))


def _window(texts: tuple[str, ...], at: int, reads: Turns) -> Window:
    """Return a text as a turn, after as many turns as the input reads, by all roles in turn."""
    names = list(reads.roles)
    before = [
        Turn(names[distance % len(names)], texts[(at - distance) % len(texts)])
        for distance in range(reads.turns, 0, -1)
    ]
    return Window(Turn(reads.decides[0], "" if reads.predict == NEXT else texts[at]), tuple(before))
