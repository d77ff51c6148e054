"""From texts to token ids, whatever the text and whatever the tokenizer does with it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tokenizers import Tokenizer

from distill.export.runtime.errors import BundleError, InputError
from distill.export.runtime.untrusted.fields import has_surrogate
from distill.export.runtime.untrusted.tokenizer_file import check_tokenizer_file
from distill.export.runtime.wordpiece import PlainWordPiece

# characters that several threads split at once; the pieces of more would fill the memory before they are cut
BATCH_CHARACTERS = 100_000

PROBE = "a"


class Encoded(NamedTuple):
    """What the graph gets of one text, and whether its end was cut off unread.

    `type_ids` is empty where the graph takes none.
    """

    ids: list[int]
    type_ids: list[int]
    truncated: bool


class _Frame(NamedTuple):
    """What stands around the ids of a text, and their type."""

    before: list[int]
    after: list[int]
    types_before: list[int]
    type_id: int
    types_after: list[int]


class Encoder:
    """A tokenizer that cuts at `max_tokens` and never pads, whatever its file says; safe to use from many threads.

    Raises:
        BundleError: the tokenizer leaves no room for a text, or cannot be set up.
    """

    def __init__(self, tokenizer: Any, max_tokens: int, *, threads: int = 1, type_ids: bool = True) -> None:
        self._tokenizer = tokenizer
        self._type_ids = type_ids
        self._threads = threads
        try:
            self.pad_id = _pad_id(tokenizer)
            tokenizer.no_padding()
            special = int(tokenizer.num_special_tokens_to_add(False))
            direction = (tokenizer.truncation or {}).get("direction", "right")
            if special < max_tokens:
                tokenizer.enable_truncation(max_length=max_tokens, direction=direction)
            self._room = max_tokens - special
            self._plain = PlainWordPiece.of(tokenizer) if direction == "right" and self._room > 0 else None
            self._frame = None if self._plain is None else _frame_of(tokenizer)
        except BaseException as error:
            if not failed(error):
                raise
            raise BundleError("tokenizer: cannot be set up; copy the whole bundle again") from None
        if special >= max_tokens:
            raise BundleError(
                f"manifest: 'max_tokens' is {max_tokens}, must be above the tokenizer's {special} special tokens"
            )

    def encode(self, texts: Sequence[str], rows: Sequence[int]) -> list[Encoded]:
        """The tokens of each text; `rows` are the numbers under which an error names them.

        Raises:
            InputError: a text that is not valid Unicode, or with which the tokenizer cannot do anything.
        """
        found = [self._encode_plain(text) for text in texts]
        left = [index for index, encoded in enumerate(found) if encoded is None]
        if self._threads > 1 and len(left) > 1:
            for index, encoded in zip(left, self._encode_together([texts[index] for index in left]), strict=False):
                found[index] = encoded
        # encode_batch would start a thread for every core of the host
        return [
            self.encode_one(text, row) if encoded is None else encoded
            for encoded, text, row in zip(found, texts, rows, strict=True)
        ]

    def encode_one(self, text: str, row: int = 0) -> Encoded:
        """The tokens of one text; raises what `encode` does."""
        plain = self._encode_plain(text)
        if plain is not None:
            return plain
        try:
            return self._parts(self._tokenizer.encode(text))
        except BaseException as error:
            if not failed(error):
                raise
        # outside of `except`: the tokenizer's own error may carry the text, and must not hang on to ours
        if has_surrogate(text):
            raise InputError(
                f"texts[{row}]: cannot be tokenized; it must be valid Unicode without lone surrogates"
            )
        raise InputError(
            f"texts[{row}]: the bundle's tokenizer fails on it; run `distill verify` on the bundle, or leave it"
        )

    def _encode_together(self, texts: list[str]) -> list[Encoded]:
        """The tokens of texts that several threads split; nothing where one fails, or where it takes too much."""
        if sum(map(len, texts)) > BATCH_CHARACTERS or any(map(has_surrogate, texts)):
            return []
        try:
            return [self._parts(found) for found in self._tokenizer.encode_batch(texts)]
        except BaseException as error:
            if not failed(error):
                raise
            return []  # one by one, to learn which text it was

    def _encode_plain(self, text: str) -> Encoded | None:
        """The tokens of a text that needs no tokenizer, cut where they have to be, in their frame."""
        if self._plain is None or self._frame is None:
            return None
        ids = self._plain.ids(text, self._room)
        if ids is None:
            return None
        frame, truncated = self._frame, len(ids) > self._room
        kept = ids[: self._room] if truncated else ids
        types = [*frame.types_before, *[frame.type_id] * len(kept), *frame.types_after] if self._type_ids else []
        return Encoded([*frame.before, *kept, *frame.after], types, truncated)

    def _parts(self, encoding: Any) -> Encoded:
        """What is needed, so that the rest can go; making a list that nobody reads takes its time too."""
        type_ids = encoding.type_ids if self._type_ids else []
        return Encoded(encoding.ids, type_ids, bool(encoding.overflowing))


def open_tokenizer(content: bytes, where: Path) -> Any:
    """The tokenizer in a file's bytes.

    Args:
        content: the file, whose hash was checked.
        where: its path, which opens each complaint.

    Raises:
        BundleError: the file holds what no bundle needs, or cannot be opened.
    """
    check_tokenizer_file(content, where)
    try:
        tokenizer = Tokenizer.from_buffer(content)
        empty = _has_empty_token(tokenizer)
    except BaseException as error:
        if not failed(error):
            raise
        raise BundleError(
            f"{where}: is not a tokenizer that this version of tokenizers reads; "
            "copy it again, or upgrade tokenizers"
        ) from None
    if empty:
        raise BundleError(f"{where}: an added token is nothing once it is normalized; use another tokenizer")
    return tokenizer


def failed(error: BaseException) -> bool:
    """Whether the tokenizers package failed, and nobody asked to stop.

    A panic of its Rust code comes as an exception that cannot be imported and derives from BaseException, as
    KeyboardInterrupt does.
    """
    return isinstance(error, Exception) or type(error).__name__ == "PanicException"


def _frame_of(tokenizer: Any) -> _Frame | None:
    """What a tokenizer puts around a text, tried with one of one token; None where it does more than that."""
    bare, whole = (tokenizer.encode(PROBE, add_special_tokens=special) for special in (False, True))
    own = [place for place, special in enumerate(whole.special_tokens_mask) if not special]
    if not bare.ids or [whole.ids[place] for place in own] != bare.ids:
        return None
    start, end = own[0], own[-1] + 1
    types = whole.type_ids
    if end - start != len(own) or len(set(types[start:end])) > 1:
        return None
    return _Frame(whole.ids[:start], whole.ids[end:], types[:start], types[start], types[end:])


def _has_empty_token(tokenizer: Any) -> bool:
    """Whether an added token is empty once it is normalized.

    Such a one is found between any two bytes, and the package then cuts a text inside of a character: a panic,
    whose message on the standard error is that text.
    """
    if tokenizer.normalizer is None:
        return False
    added = [token.content for token in tokenizer.get_added_tokens_decoder().values() if token.normalized]
    return not all(map(tokenizer.normalizer.normalize_str, added))


def _pad_id(tokenizer: Any) -> int:
    """The id that fills a row; masked out, so any valid one will do where the tokenizer names none."""
    if tokenizer.padding is not None:
        return int(tokenizer.padding["pad_id"])
    found = (tokenizer.token_to_id(token) for token in ("[PAD]", "<pad>"))
    return next((int(value) for value in found if value is not None), 0)
