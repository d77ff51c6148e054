"""The subject of a decision: the texts that were said, and the ids in a row that only surround them."""

from dataclasses import dataclass

from tokenizers import Tokenizer

from distill.export.runtime.reading.inputs import Encoded, Input, Row, Turns, Window, all_texts, segments_of
from distill.export.runtime.reading.turns import CONVERSATION, NEXT, THIS, Template


@dataclass(frozen=True)
class Framing:
    """Ids of a row beside those of what was said.

    `special` counts the pieces around the row, or around its decided turn. A row that is decided by all of its
    turns has more: `pieces` are the ids that say nothing wherever they are, and one of `unsaid` ids is a row of
    which no turn was said yet.
    """

    special: int
    pieces: frozenset[int] = frozenset()
    unsaid: int | None = None

    @property
    def is_whole(self) -> bool:
        """Return whether a row is decided by all of its turns, and not by one."""
        return bool(self.pieces)

    def judged(self, encoded: Encoded) -> list[int]:
        """Return the ids that say whether a row can be read."""
        return encoded.ids if self.is_whole else encoded.own_ids


def framing_of(reads: Input, tokenizer: Tokenizer) -> Framing:
    """Return the framing of a kind of rows under a tokenizer."""
    special = reads.special_tokens(tokenizer)
    if not isinstance(reads, Turns) or reads.predict == THIS:
        return Framing(special)
    template = reads.template or Template.of(tokenizer)
    around = {piece for piece in (*template.target, *template.context) if "{" not in piece}
    numbers = map(tokenizer.token_to_id, (*around, *reads.pieces))
    pieces = frozenset(number for number in numbers if number is not None)
    return Framing(0, pieces, special if reads.predict == NEXT else None)


def said_in(row: Row, reads: Input) -> tuple[str, ...]:
    """Return the texts that a decision is about.

    Of turns that is the decided one; the newest one, where the next is decided; or all that are read.
    """
    if isinstance(reads, Turns) and isinstance(row, Window):
        if reads.predict == CONVERSATION:
            return all_texts(row)
        if reads.predict == THIS:  # an empty turn is not the one before it
            return (row.target.text,)
    return segments_of(row)
