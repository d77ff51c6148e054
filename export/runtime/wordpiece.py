"""Token ids of plain text, which is most text, by a regular expression and a dictionary: a tenth of the time.

The tokenizers package keeps offsets and original characters, which nobody here reads. What this gives is what the
package gives, or nothing at all: only texts of characters that stand for themselves are split here, and only where
the tokenizer is that of an uncased or cased BERT. Nothing of a text is remembered.
"""

import re
from collections.abc import Iterable
from typing import Any

# printable ASCII, and punctuation beyond it that is common in chats: no step of a BERT normalizer changes any of
# them but for the case of letters, and each that is neither a letter, a digit nor a space is a word of its own
PLAIN = " -~‘’“”…–—"

IS_PLAIN = re.compile(f"[{PLAIN}]*")

WORD = re.compile("[A-Za-z0-9]+|[^A-Za-z0-9 ]")


class PlainWordPiece:
    """WordPiece for plain texts; `of` makes it where a tokenizer is one that this repeats."""

    def __init__(self, model: Any, vocabulary: dict[str, int], added: Iterable[str], *, lowercase: bool) -> None:
        self._ids = vocabulary
        self._unknown = vocabulary[model.unk_token]
        self._prefix = model.continuing_subword_prefix
        self._longest_word = model.max_input_chars_per_word
        self._lowercase = lowercase
        # such a token is cut out before words are; in whatever case, for some are looked for after normalizing
        names = "|".join(map(re.escape, added))
        self._added = re.compile(names, re.IGNORECASE) if names else None

    @classmethod
    def of(cls, tokenizer: Any) -> "PlainWordPiece | None":
        """One that splits as this tokenizer does; None where it is no BERT's."""
        model, normalizer = tokenizer.model, tokenizer.normalizer
        kinds = [type(part).__name__ for part in (model, normalizer, tokenizer.pre_tokenizer)]
        if kinds != ["WordPiece", "BertNormalizer", "BertPreTokenizer"]:
            return None
        vocabulary = tokenizer.get_vocab(with_added_tokens=False)
        added = [token.content for token in tokenizer.get_added_tokens_decoder().values()]
        # normalizing may make ASCII out of others, and a word beyond the bound is unknown even where it is a piece
        usual = all(name.isascii() and name.isprintable() for name in added)
        if not usual or max(map(len, vocabulary), default=0) > model.max_input_chars_per_word:
            return None
        return cls(model, vocabulary, added, lowercase=bool(normalizer.lowercase))

    def ids(self, text: str, most: int) -> list[int] | None:
        """The ids of a text, without special tokens; None where it is not plain.

        Args:
            text: of any length.
            most: so many are wanted; of what lies beyond there may be some, or all.
        """
        if not IS_PLAIN.fullmatch(text) or (self._added is not None and self._added.search(text)):
            return None
        words = WORD.findall(text.lower() if self._lowercase else text)
        whole = [self._ids.get(word) for word in words[: most + 1]]  # a word is a token at least
        if None not in whole:
            return whole  # type: ignore[return-value]
        found: list[int] = []
        for word, number in zip(words, whole, strict=False):
            found += self._pieces(word) if number is None else [number]
        return found

    def _pieces(self, word: str) -> list[int]:
        """The longest piece that the word begins with, and so on with its rest; or "unknown" for the whole."""
        if len(word) > self._longest_word:
            return [self._unknown]
        found, start = [], 0
        while start < len(word):
            prefix = self._prefix if start else ""
            for end in range(len(word), start, -1):
                number = self._ids.get(prefix + word[start:end])
                if number is not None:
                    break
            else:
                return [self._unknown]
            found.append(number)
            start = end
        return found
