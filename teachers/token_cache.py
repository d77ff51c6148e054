"""Token ids of a corpus's texts, made once per tokenizer and shared by everything that reads them."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from distill.corpora.storage.token_rows import TokenRows
from distill.export.runtime.reading.inputs import ONE_TEXT, Input, Row
from distill.teachers.encoding import encode


@dataclass(frozen=True)
class TokenCache:
    """Token ids by tokenizer and by the name of the texts.

    The ids lie in unnamed files, so that a corpus may be larger than memory and no copy outlives the process.

    Args:
        folder: a folder on a disk with room for them.
        max_tokens: length at which texts are cut.
        reads: what one row is.
    """

    folder: Path
    max_tokens: int
    reads: Input = ONE_TEXT
    _rows: dict[tuple[str, str], TokenRows] = field(default_factory=dict, repr=False)

    def of_part(self) -> "TokenCache":
        """Return an empty cache for other rows of the same names, such as a part of the corpus."""
        return TokenCache(self.folder, self.max_tokens, self.reads)

    def encode(self, tokenizer: Any, texts: Sequence[Row]) -> TokenRows:
        """Return the token ids of texts, in memory and not kept."""
        return encode(tokenizer, texts, self.max_tokens, reads=self.reads)

    def rows(self, tokenizer: Any, name: str, texts: Sequence[Row]) -> TokenRows:
        """Return the token ids of texts, with special tokens and cut at `max_tokens`.

        Args:
            tokenizer: a fast tokenizer of transformers.
            name: tells these texts apart from others of the same run, such as `train`.
            texts: read only where their ids are not known yet.
        """
        key = (fingerprint_of(tokenizer), name)
        if key not in self._rows:
            self._rows[key] = encode(tokenizer, texts, self.max_tokens, self.folder, reads=self.reads)
        return self._rows[key]


def fingerprint_of(tokenizer: Any) -> str:
    """Return the sha256 of what decides a text's ids: the tokenizer without its state of cutting and padding."""
    data = json.loads(tokenizer.backend_tokenizer.to_str())
    for state in ("truncation", "padding"):
        data.pop(state, None)
    return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()
