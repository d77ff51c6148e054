"""Token ids of rows, for any row and any tokenizer that a bundle may have."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple, TypeVar

from tokenizers import Tokenizer

from distill.export.runtime.errors import BundleError, InputError
from distill.export.runtime.reading.inputs import (
    ONE_TEXT,
    PROBE,
    TEXT,
    Encoded,
    Input,
    Row,
    SplitTurn,
    Turn,
    Whole,
    all_texts,
)
from distill.export.runtime.reading.turn_reader import TurnReader
from distill.export.runtime.reading.wordpiece import PlainWordPiece
from distill.export.runtime.reading.words_of import ReadWords, words_of
from distill.export.runtime.untrusted.fields import has_surrogate
from distill.export.runtime.untrusted.tokenizer_file import check_tokenizer_file

# characters that several threads tokenize at once; the tokens of more would fill the memory before they are cut.
# A reader of rows that share texts keeps few tokens of each
BATCH_CHARACTERS = 100_000

_T = TypeVar("_T")


class _Frame(NamedTuple):
    """Special tokens around the ids of a text, and the token types of all of them."""

    before: list[int]
    after: list[int]
    types_before: list[int]
    type_id: int
    types_after: list[int]


class Encoder:
    """A tokenizer that cuts at `max_tokens` and never pads, whatever its file says; it is thread-safe.

    Args:
        tokenizer: is changed.
        max_tokens: length at which rows are cut, in tokens.
        threads: number of threads that several rows may take.
        type_ids: whether the graph reads token types.
        rows: what one row is.

    Raises:
        BundleError: the tokenizer leaves no room for a row, or cannot be set up.
    """

    def __init__(
        self,
        tokenizer: Tokenizer,
        max_tokens: int,
        *,
        threads: int = 1,
        type_ids: bool = True,
        rows: Input = ONE_TEXT,
    ) -> None:
        self._tokenizer = tokenizer
        self._type_ids = type_ids
        self._threads = threads
        self._input = rows
        self._plain: PlainWordPiece | None = None
        self._frame: _Frame | None = None
        try:
            self.pad_id = _pad_id(tokenizer)
            tokenizer.no_padding()
            special = self._input.special_tokens(tokenizer)
            direction = (tokenizer.truncation or {}).get("direction", "right")
            self._room = max_tokens - special
            if self._room > 0:
                self._reader = self._input.reader(tokenizer, max_tokens, type_ids=type_ids)
            if self._room > 0 and self._input.kind == TEXT and direction == "right":
                self._plain = PlainWordPiece.of(tokenizer)
                self._frame = None if self._plain is None else _frame_of(tokenizer)
        except BundleError:
            raise
        except BaseException as error:
            if not failed(error):
                raise
            raise BundleError("tokenizer: The tokenizer cannot be set up. Copy the whole bundle again.") from None
        if special >= max_tokens:
            raise BundleError(
                f"manifest: 'max_tokens' is {max_tokens}, but must be above the tokenizer's {special} special "
                "tokens."
            )

    def encode(self, texts: Sequence[Row], rows: Sequence[int]) -> list[Encoded]:
        """Return the tokens of each text or pair; errors name it by its number in `rows`.

        Raises:
            InputError: a text is not valid Unicode, or the tokenizer fails on it.
        """
        encodings = [self._encode_plain(text) for text in texts]
        left = [index for index, encoding in enumerate(encodings) if encoding is None]
        if len(left) > 1 and (self._threads > 1 or self._reader.shares):
            for index, encoding in zip(
                left, self._encode_together([texts[index] for index in left]), strict=False
            ):
                encodings[index] = encoding
        # one by one: encode_batch would start a thread per core of the host
        return [
            self.encode_one(text, row) if encoding is None else encoding
            for encoding, text, row in zip(encodings, texts, rows, strict=True)
        ]

    def encode_one(self, text: Row, row: int = 0) -> Encoded:
        """Return the tokens of one text or pair; raises as `encode` does."""
        plain = self._encode_plain(text)
        if plain is not None:
            return plain
        return self._guarded(self._reader.one, text, f"texts[{row}]")

    def split(self, turn: Turn, where: str) -> SplitTurn:
        """Return a turn with its ids, for rows of `joined`.

        Raises:
            InputError: as `encode` does; `where` is the place that begins its message.
        """
        reader = self._turn_reader
        return self._guarded(lambda _: reader.split(turn), turn.text, where)

    def joined(self, turns: Sequence[SplitTurn]) -> Encoded:
        """Return the tokens of split turns, the oldest first and the decided one last."""
        return self._turn_reader.joined(turns)

    @property
    def _turn_reader(self) -> TurnReader:
        if not isinstance(self._reader, TurnReader):
            raise TypeError("Turns were given where no conversations are read.")
        return self._reader

    def words(self, row: Row, most: int) -> ReadWords:
        """Return the tokens of one text or pair with the words that they are of, at most `most`.

        Raises:
            InputError: as `encode` does, or rows are turns of conversations.
        """
        reader = self._reader
        if not isinstance(reader, Whole):
            raise InputError("text: The words of turns of a conversation are not told apart. Use predict_turns.")
        encoding = self._guarded(reader.tokens, row, "texts[0]")
        places, encoded = reader.places(encoding), reader.cut(encoding)
        names = (self._tokenizer.token_to_id(token) for token in ("[MASK]", "<mask>"))
        mask_id = next((int(number) for number in names if number is not None), None)
        return ReadWords(encoded, words_of(row, encoding, places, most), mask_id)

    def _guarded(self, read: Callable[[Row], _T], text: Row, where: str) -> _T:
        """Return what is read of a text, or the error that begins with its place."""
        try:
            return read(text)
        except BaseException as error:
            if not failed(error):
                raise
        # outside `except`: the tokenizer's error may hold the text, and must not be attached to this one
        if _is_broken(text):
            raise InputError(
                f"{where}: The text cannot be tokenized. It must be valid Unicode without lone surrogates."
            )
        raise InputError(
            f"{where}: The bundle's tokenizer fails on it. Run `distill verify` on the bundle, or omit it."
        )

    def _encode_together(self, texts: list[Row]) -> list[Encoded]:
        """Return the tokens of texts that are read together; none if a text fails or they are too long."""
        too_long = not self._reader.shares and sum(map(_characters, texts)) > BATCH_CHARACTERS
        if too_long or any(map(_is_broken, texts)):
            return []
        try:
            return self._reader.several(texts)
        except BaseException as error:
            if not failed(error):
                raise
            return []  # the caller goes one by one, and learns which text it was

    def _encode_plain(self, text: Row) -> Encoded | None:
        """Return the tokens of a text that needs no tokenizer, cut, with special tokens; None for others."""
        if self._plain is None or self._frame is None or not isinstance(text, str):
            return None
        ids = self._plain.ids(text, self._room)
        if ids is None:
            return None
        frame, truncated = self._frame, len(ids) > self._room
        kept = ids[: self._room] if truncated else ids
        types = [*frame.types_before, *[frame.type_id] * len(kept), *frame.types_after] if self._type_ids else []
        return Encoded([*frame.before, *kept, *frame.after], types, truncated)


def open_tokenizer(content: bytes, where: Path) -> Tokenizer:
    """Open the tokenizer in a file's bytes.

    Args:
        content: the file's bytes, whose hash was checked.
        where: the file's path, which begins every message.

    Raises:
        BundleError: the file has parts that no bundle needs, or cannot be opened.
    """
    check_tokenizer_file(content, where)
    try:
        tokenizer = Tokenizer.from_buffer(content)
        empty = _has_empty_token(tokenizer)
    except BaseException as error:
        if not failed(error):
            raise
        raise BundleError(
            f"{where}: The file is not a tokenizer that this version of tokenizers reads. Copy it again, or "
            "upgrade tokenizers."
        ) from None
    if empty:
        raise BundleError(f"{where}: An added token is empty once it is normalized. Use another tokenizer.")
    return tokenizer


def failed(error: BaseException) -> bool:
    """Return whether the tokenizers package failed, as opposed to a request to stop.

    A panic in its Rust code arrives as an exception that cannot be imported and derives from BaseException, as
    KeyboardInterrupt does.
    """
    return isinstance(error, Exception) or type(error).__name__ == "PanicException"


def _characters(row: Row) -> int:
    return sum(map(len, all_texts(row)))


def _is_broken(row: Row) -> bool:
    return any(map(has_surrogate, all_texts(row)))


def _frame_of(tokenizer: Tokenizer) -> _Frame | None:
    """Return what a tokenizer puts around a text, tried with a short one; None if it does more than that."""
    bare, whole = (tokenizer.encode(PROBE, add_special_tokens=special) for special in (False, True))
    places = [place for place, special in enumerate(whole.special_tokens_mask) if not special]
    if not bare.ids or [whole.ids[place] for place in places] != bare.ids:
        return None
    start, end = places[0], places[-1] + 1
    types = whole.type_ids
    if end - start != len(places) or len(set(types[start:end])) > 1:
        return None
    return _Frame(whole.ids[:start], whole.ids[end:], types[:start], types[start], types[end:])


def _has_empty_token(tokenizer: Tokenizer) -> bool:
    """Return whether an added token is empty once it is normalized.

    An empty token matches between any two bytes, so that the package cuts a text inside a character and panics;
    the panic's message on the standard error holds the text.
    """
    if tokenizer.normalizer is None:
        return False
    added = [token.content for token in tokenizer.get_added_tokens_decoder().values() if token.normalized]
    return not all(map(tokenizer.normalizer.normalize_str, added))


def _pad_id(tokenizer: Tokenizer) -> int:
    """Return the id that fills a row; it is masked out, so any valid id will do if the tokenizer names none."""
    if tokenizer.padding is not None:
        return int(tokenizer.padding["pad_id"])
    ids = (tokenizer.token_to_id(token) for token in ("[PAD]", "<pad>"))
    return next((int(value) for value in ids if value is not None), 0)
