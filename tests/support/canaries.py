"""Rare strings to plant in a corpus, and a search that finds them in whatever form a file may hold them."""

import gzip
import html
import io
import json
import random
import unicodedata
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from urllib.parse import quote

import numpy as np
import pyarrow.parquet as pq
from tokenizers import pre_tokenizers

WINDOW = 6  # letters that no harmless file has in this order
DIGITS = 9  # digits that no number in a report has by chance
CONSONANTS, CYRILLIC = "qxzjkvwg", "жцщъыэюяфхч"


def canaries_of(place: str) -> dict[str, str]:
    """One rare string of each shape for a place in a corpus, the same in every execution."""
    chance = random.Random(place)

    def word(letters: str = CONSONANTS, length: int = 11) -> str:
        return "".join(chance.choices(letters, k=length))

    return {
        "word": word(),
        "name": f"{word().title()} {word().title()}",
        "e-mail": f"{word()}.{word()}@{word()}.qx",
        "phone": "+" + "".join(chance.choices("123456789", k=15)),
        "cyrillic": word(CYRILLIC),
        "accents": "Ž" + word("ąęłńśźžčř"),
        # as short as a label's id may be
        "number": "".join(chance.choices("123456789", k=DIGITS)),
    }


def needles_of(canaries: Iterable[str]) -> dict[bytes, str]:
    """What to look for: every distinctive piece of the canaries in every spelling, with the piece itself."""
    found: dict[bytes, str] = {}
    for canary in canaries:
        stripped = "".join(c for c in unicodedata.normalize("NFD", canary) if not unicodedata.combining(c))
        for form in {canary, canary.lower(), canary.upper(), stripped, stripped.lower()}:
            for piece in _windows(form):
                found |= dict.fromkeys(_spellings(piece), piece)
    return found


def _windows(text: str) -> Iterator[str]:
    run = ""
    for character in text + " ":
        if character.isalnum():
            run += character
            continue
        size = DIGITS if run.isdigit() else WINDOW
        yield from (run[start : start + size] for start in range(len(run) - size + 1))
        run = ""


def _spellings(piece: str) -> set[bytes]:
    # of its own accord the pre-tokenizer would split at digits
    bytelevel = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False).pre_tokenize_str(piece)
    texts = {piece, json.dumps(piece)[1:-1], quote(piece), html.escape(piece), "".join(p for p, _ in bytelevel)}
    # a WordPiece vocabulary that holds single characters in a row is none
    return {text.encode() for text in texts} | {piece.encode("utf-16-le"), piece.encode("utf-16-be")}


def id_needles(canaries: Iterable[str], encode: Callable[[str], Sequence[int]]) -> dict[bytes, str]:
    """The canaries as token ids, for a cache of ids is a copy of the texts."""
    found = {}
    for canary in canaries:
        ids = np.array(encode(canary))
        if len(ids) >= WINDOW:
            found |= {ids.astype(kind).tobytes(): canary for kind in (np.int64, np.int32, np.int16)}
    return found


def hits(folder: Path, needles: dict[bytes, str], leave_out: Sequence[Path] = ()) -> list[str]:
    """Which files under a folder hold a needle, in their contents or their names, packed or not."""
    found = []
    for path in sorted(folder.rglob("*")):
        if any(path.is_relative_to(place) for place in leave_out):
            continue
        contents = [str(path.relative_to(folder)).encode(errors="surrogateescape")]
        if path.is_file():
            contents += _contents(path)
        for content in contents:
            if (piece := first_hit(content, needles)) is not None:
                found.append(f"{path.relative_to(folder)}: {piece}")
    return found


def first_hit(content: bytes, needles: dict[bytes, str]) -> str | None:
    """A piece that stands in the content."""
    return next((piece for needle, piece in needles.items() if needle in content), None)


def _contents(path: Path) -> list[bytes]:
    data = path.read_bytes()
    found = [data]
    if data[:4] == b"PAR1":
        table = pq.read_table(path)
        found += [repr(table.schema).encode(), *(str(column.to_pylist()).encode() for column in table.columns)]
        found += [chunk.flatten().to_numpy().tobytes() for chunk in _lists(table)]
    elif zipfile.is_zipfile(path):
        with zipfile.ZipFile(io.BytesIO(data)) as packed:
            found += [packed.read(name) for name in packed.namelist()]
    elif data[:2] == b"\x1f\x8b":
        found.append(gzip.decompress(data))
    return found


def _lists(table: object) -> list[object]:
    return [
        chunk
        for column in table.columns  # type: ignore[attr-defined]
        if str(column.type).startswith(("list", "fixed_size_list"))
        for chunk in column.chunks
    ]
