"""Reasons to hand a text over whatever its scores are: it cannot be read, is cut, or has a listed word."""

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from tokenizers import Tokenizer

from distill.export.runtime.deciding.domain import OutOfDomain
from distill.export.runtime.deciding.listed_words import WordFinder, words_in
from distill.export.runtime.deciding.scores import Floats
from distill.export.runtime.deciding.task import CRISIS_WORD, TRUNCATED, UNREADABLE, Noticed, Task
from distill.export.runtime.manifest.records import names_of
from distill.export.runtime.reading.inputs import Encoded, Input, Row
from distill.export.runtime.reading.said import Framing, framing_of, said_in
from distill.export.runtime.untrusted.fields import Fields

CONTINUATION: Final = "continuation_mark"

START: Final = "start_mark"

MAX_MARK = 16  # characters

MAX_UNKNOWN = 100

BLOCK = 128  # characters; a script has one run of them or more

MAX_BLOCKS = 0x110000 // BLOCK

MAX_WORDS = 10_000

MAX_WORD = 200  # characters

KNOWN, MEANINGLESS, LITTLE, FRAME = range(4)  # what a piece says; of a frame it is none

# symbols of ASCII that Unicode does not count as punctuation
_ASCII_SYMBOLS = "$+<=>^`|~"


@dataclass(frozen=True)
class Unreadable:
    """Rule to not decide a text: at least `from_share` of its pieces carry no meaning, or it has no piece.

    A piece carries no meaning if it is `unknown`, or if it is a later piece of a word, because then the word as a
    whole is unknown. Later pieces start with `mark` (`continuation_mark`); or, if the first piece of a word starts
    with `mark` (`start_mark`), they start with a letter or a digit, and the mark alone says as little. Nor does a
    piece of letters from a script that the student did not learn: `blocks` are the runs of 128 characters, by
    number, that it learnt letters from.

    Punctuation and single letters say little, and noise is full of them. Nor is a text decided if at least
    `from_share_of_words` of its other pieces carry no meaning, unless it has no others; null where no such share
    leaves texts like validation's alone.
    """

    kind: str
    mark: str
    unknown: str | None
    blocks: tuple[int, ...]
    from_share: float
    from_share_of_words: float | None = None

    @classmethod
    def from_dict(cls, data: object, where: str, task: Task) -> "Unreadable":
        """Check and build."""
        *names, later = names_of(cls)
        fields = Fields(data, where, names, (later,))
        mark = fields.text("mark")
        unknown = None if fields.raw("unknown") is None else fields.text("unknown")
        for key, value, most in (("mark", mark, MAX_MARK), ("unknown", unknown or "", MAX_UNKNOWN)):
            if len(value) > most:
                raise fields.error(key, f"a string of at most {most} characters")
        return cls(
            kind=fields.choice("kind", (CONTINUATION, START)),
            mark=mark,
            unknown=unknown,
            blocks=fields.integers("blocks", MAX_BLOCKS, 0, MAX_BLOCKS - 1),
            from_share=fields.share("from_share"),
            from_share_of_words=None if fields.raw(later) is None else fields.share(later),
        )

    def kind_of(self, piece: str) -> int:
        """Return what a piece of the vocabulary says: KNOWN, MEANINGLESS, or LITTLE as a mark or a letter does."""
        marked, text = piece.startswith(self.mark), piece.removeprefix(self.mark)
        later = marked if self.kind == CONTINUATION else piece[:1].isalnum() and not marked
        if later or piece in (self.unknown, self.mark) or block_of(text) not in (None, *self.blocks):
            return MEANINGLESS
        is_letter = len(text) == 1 and text.lower() != text.upper()  # without cases it may be a word
        return LITTLE if is_letter or all(map(_is_punctuation, text)) else KNOWN


def _is_punctuation(character: str) -> bool:
    return character in _ASCII_SYMBOLS or unicodedata.category(character).startswith("P")


def block_of(text: str) -> int | None:
    """Return the number of the run of 128 characters that a text's first one is in, None if it is not a letter."""
    return ord(text[0]) // BLOCK if text[:1].isalpha() else None


class PieceReader:
    """The rule `Unreadable` applied to token ids; the vocabulary is looked up once."""

    def __init__(self, rule: Unreadable, tokenizer: Tokenizer, framing: Framing) -> None:
        vocabulary: Mapping[str, int] = tokenizer.get_vocab()
        kinds = bytearray(max(vocabulary.values(), default=0) + 1)
        for piece, number in vocabulary.items():
            kinds[number] = rule.kind_of(piece)
        for number, token in tokenizer.get_added_tokens_decoder().items():
            kinds[number] = MEANINGLESS if token.content == rule.unknown else KNOWN
        for number in framing.pieces:
            kinds[number] = FRAME
        self._kinds = kinds
        self._framing = framing
        self.rule = rule

    def share(self, ids: list[int]) -> float:
        """Return the share of a text's pieces without meaning, 1 without pieces; `ids` have special tokens."""
        return self._shares(ids)[0]

    def share_of_words(self, ids: list[int]) -> float:
        """Return the same share without punctuation and single letters, 0 if a text has nothing else."""
        return self._shares(ids)[1]

    def unreadable(self, ids: list[int]) -> bool:
        """Return whether the text of these ids must not be decided."""
        return self.read(ids)[1]

    def read(self, ids: list[int]) -> tuple[float, bool]:
        """Return the share of a text's pieces without meaning, and whether it must not be decided."""
        share, of_words = self._shares(ids)
        least = self.rule.from_share_of_words
        return share, share >= self.rule.from_share or (least is not None and of_words >= least)

    def _shares(self, ids: list[int]) -> tuple[float, float]:
        if len(ids) == self._framing.unsaid:  # there is no text yet that could not be read
            return 0.0, 0.0
        kinds = bytes(map(self._kinds.__getitem__, ids))
        pieces = len(ids) - self._framing.special - kinds.count(FRAME)
        if pieces <= 0:
            return 1.0, 1.0
        meaningless, words = kinds.count(MEANINGLESS), pieces - kinds.count(LITTLE)
        return meaningless / pieces, meaningless / words if words > 0 else 0.0


@dataclass(frozen=True)
class HandOver:
    """Flags of a text that do not depend on its scores: a cut, and `words` of a named list."""

    kind: str
    truncated: bool
    list_name: str | None = None
    words: tuple[str, ...] = field(default=(), repr=False)

    @classmethod
    def from_dict(cls, data: object, where: str, task: Task) -> "HandOver":
        """Check and build."""
        fields = Fields(data, where, names_of(cls))
        words = fields.names("words", MAX_WORDS) if fields.items("words") else ()
        if any(len(word) > MAX_WORD or not words_in(word) for word in words):
            raise fields.error("words", f"a list of words, each of at most {MAX_WORD} characters")
        name = fields.raw("list_name")
        if (name is None) is bool(words):
            raise fields.error(
                "list_name", "the name of the list where there are words, and null where there are none"
            )
        return cls(
            kind=fields.choice("kind", ("text",)),
            truncated=fields.boolean("truncated"),
            list_name=None if name is None else fields.text("list_name"),
            words=words,
        )


class Lookout:
    """Reasons to hand a text over that do not depend on its decision; nothing of a text is kept.

    Args:
        unreadable: the rule to not decide a text; None if every text is decided.
        hand_over: other flags; None if there are none.
        tokenizer: the bundle's.
        reads: what one row is.
        domain: the rule on the logits of a text; None if there is none.
    """

    def __init__(
        self,
        unreadable: Unreadable | None,
        hand_over: HandOver | None,
        tokenizer: Tokenizer,
        reads: Input,
        domain: OutOfDomain | None = None,
    ) -> None:
        self._domain, self._reads = domain, reads
        self._framing = framing_of(reads, tokenizer)
        self._pieces = None if unreadable is None else PieceReader(unreadable, tokenizer, self._framing)
        self._flags_cuts = hand_over is not None and hand_over.truncated
        self._words = WordFinder(hand_over.words) if hand_over is not None and hand_over.words else None

    def noticed(self, rows: list[Row], encoded: list[Encoded], logits: Floats, task: Task) -> list[Noticed]:
        """Return what is noticed of rows with these tokens and calibrated logits ``(N, C)``."""
        found = list(map(self.notice, rows, encoded))
        return found if self._domain is None else self._domain.notice(logits, found, task)

    def notice(self, row: Row, encoded: Encoded) -> Noticed:
        """Return the reasons for a row with these tokens."""
        reasons: tuple[str, ...] = ()
        share = 0.0
        if self._pieces is not None:
            share, unreadable = self._pieces.read(self._framing.judged(encoded))
            if unreadable:
                reasons = (UNREADABLE,)
        if self._flags_cuts and encoded.truncated:
            reasons = (*reasons, TRUNCATED)
        if self._words is not None and self._words.found_in(said_in(row, self._reads)):
            reasons = (*reasons, CRISIS_WORD)
        return Noticed(encoded.truncated, reasons, share)
