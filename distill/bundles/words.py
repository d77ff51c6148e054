"""The pieces into which a tokenizer splits words, beside those of another one."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from tokenizers import Tokenizer

from distill.export.runtime import InputError
from distill.export.runtime.manifest.manifest import MANIFEST_FILE, read_manifest
from distill.export.runtime.reading.encoder import open_tokenizer
from distill.export.runtime.untrusted.files import MAX_SMALL_BYTES, read_file
from distill.students.whole_words import crisis_topics

CRISIS = "crisis"

TOKENIZER_FILE = "tokenizer.json"

MAX_WORDS = 100_000


@dataclass(frozen=True)
class WordPieces:
    """One word: its pieces, whether one of them is unknown, and the number of pieces by the other tokenizer."""

    word: str
    pieces: tuple[str, ...]
    unknown: bool
    other: int | None = None

    @property
    def further(self) -> bool:
        """Return whether it is split further than by the other tokenizer, or not known."""
        return self.other is not None and (self.unknown or len(self.pieces) > self.other)


@dataclass(frozen=True)
class WordList:
    """All words of a list."""

    words: tuple[WordPieces, ...]

    @property
    def whole(self) -> int:
        """Return the number of words that are one piece."""
        return sum(len(word.pieces) == 1 and not word.unknown for word in self.words)

    @property
    def unknown(self) -> int:
        """Return the number of words with an unknown piece."""
        return sum(word.unknown for word in self.words)

    @property
    def further(self) -> int:
        """Return the number of words that are split further than by the other tokenizer."""
        return sum(word.further for word in self.words)

    def to_dict(self) -> dict[str, object]:
        """Return plain data for JSON."""
        counts = {"whole": self.whole, "unknown": self.unknown, "split_further": self.further}
        return {**counts, "words": [asdict(word) for word in self.words]}


def read_words(path: Path | None) -> tuple[str, ...]:
    """Return the lines of a file, up to a tab; the packaged words of crisis and counselling without one.

    Raises:
        InputError: it cannot be read, or has no word.
    """
    if path is None:
        return tuple(crisis_topics())
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError):
        raise InputError(
            f"{path}: The file cannot be read as UTF-8. Name a file with one word per line."
        ) from None
    words = [line.split("\t")[0].strip() for line in lines if not line.startswith("# ")]
    named = tuple(dict.fromkeys(word for word in words if word))
    if not 0 < len(named) <= MAX_WORDS:
        raise InputError(f"{path}: The file has {len(named)} words, but must have 1 to {MAX_WORDS}. Change it.")
    return named


def word_list(folder: Path, words: Sequence[str], against: Path | None = None) -> WordList:
    """Return the pieces of words by the tokenizer in a folder, of a bundle or of any other model.

    Args:
        folder: a bundle, or a folder with a tokenizer.json.
        words: as inside of a text, with a blank before each.
        against: such a folder of another tokenizer.

    Raises:
        InputError: there is no tokenizer.
        BundleError: it cannot be opened.
    """
    tokenizer = _tokenizer_in(folder)
    other = None if against is None else _tokenizer_in(against)
    unknown = {tokenizer.token_to_id(piece) for piece in ("[UNK]", "<unk>")} - {None}
    found = []
    for word in words:
        encoding = tokenizer.encode(f" {word}", add_special_tokens=False)
        count = None if other is None else len(other.encode(f" {word}", add_special_tokens=False).ids)
        found.append(WordPieces(word, tuple(encoding.tokens), bool(unknown.intersection(encoding.ids)), count))
    return WordList(tuple(found))


def _tokenizer_in(folder: Path) -> Tokenizer:
    name = read_manifest(folder).tokenizer_file if (folder / MANIFEST_FILE).is_file() else TOKENIZER_FILE
    if not (folder / name).is_file():
        raise InputError(f"{folder}: The folder has no {TOKENIZER_FILE}. Give that of a bundle or of a model.")
    tokenizer = open_tokenizer(read_file(folder, name, most=MAX_SMALL_BYTES), folder / name)
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer
