"""Token ids of plain text, which is most text, by a regular expression and a dictionary, in a tenth of the time.

The tokenizers package keeps offsets and original characters, which nobody here reads. This module returns the ids
that the package returns, or none at all: it splits only texts whose characters no normalizer changes but for case,
and only for the tokenizer of an uncased or cased BERT. It keeps nothing of a text.
"""

import re
from collections.abc import Iterable
from typing import Any

from tokenizers import Tokenizer

# printable ASCII, and other punctuation that is common in chats: a BERT normalizer changes none of these
# characters but for the case of letters, and each that is neither letter, digit nor space is a word of its own
PLAIN = " -~‘’“”…–—"

IS_PLAIN = re.compile(f"[{PLAIN}]*")

WORD = re.compile("[A-Za-z0-9]+|[^A-Za-z0-9 ]")


class PlainWordPiece:
    """WordPiece for plain texts; `of` returns it for the tokenizers that it can reproduce."""

    def __init__(self, model: Any, vocabulary: dict[str, int], added: Iterable[str], *, lowercase: bool) -> None:
        self._ids = vocabulary
        self._unknown = vocabulary[model.unk_token]
        self._prefix = model.continuing_subword_prefix
        self._longest_word = model.max_input_chars_per_word
        self._lowercase = lowercase
        # added tokens are cut out before words are split; in any case, since some are matched after normalizing
        names = "|".join(map(re.escape, added))
        self._added = re.compile(names, re.IGNORECASE) if names else None

    @classmethod
    def of(cls, tokenizer: Tokenizer) -> "PlainWordPiece | None":
        """Return one that splits as this tokenizer does; None if it is not a BERT's."""
        model, normalizer = tokenizer.model, tokenizer.normalizer
        kinds = [type(part).__name__ for part in (model, normalizer, tokenizer.pre_tokenizer)]
        if kinds != ["WordPiece", "BertNormalizer", "BertPreTokenizer"]:
            return None
        vocabulary = tokenizer.get_vocab(with_added_tokens=False)
        added = [token.content for token in tokenizer.get_added_tokens_decoder().values()]
        # normalizing may turn other characters into ASCII, and a word above the bound is unknown even if it is a
        # token
        plain = all(name.isascii() and name.isprintable() for name in added)
        if not plain or max(map(len, vocabulary), default=0) > model.max_input_chars_per_word:
            return None
        return cls(model, vocabulary, added, lowercase=bool(normalizer.lowercase))

    def ids(self, text: str, most: int) -> list[int] | None:
        """Return the ids of a text, without special tokens; None if it is not plain.

        Args:
            text: of any length.
            most: number of ids needed; ids beyond it may be returned or not.
        """
        if not IS_PLAIN.fullmatch(text) or (self._added is not None and self._added.search(text)):
            return None
        words = WORD.findall(text.lower() if self._lowercase else text)
        whole = [self._ids.get(word) for word in words[: most + 1]]  # each word is at least one token
        if None not in whole:
            return whole  # type: ignore[return-value]
        ids: list[int] = []
        for word, number in zip(words, whole, strict=False):
            ids += self._pieces(word) if number is None else [number]
        return ids

    def _pieces(self, word: str) -> list[int]:
        """Return the ids of the longest pieces from the left, or "unknown" for the whole word."""
        if len(word) > self._longest_word:
            return [self._unknown]
        ids, start = [], 0
        while start < len(word):
            prefix = self._prefix if start else ""
            for end in range(len(word), start, -1):
                number = self._ids.get(prefix + word[start:end])
                if number is not None:
                    break
            else:
                return [self._unknown]
            ids.append(number)
            start = end
        return ids
