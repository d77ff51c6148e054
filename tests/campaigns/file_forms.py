"""Rows in the forms of files and labels that people publish, as bytes by path, for the fuzzing of readers."""

import bz2
import io
import json
import random
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from typing import Any

NAMES = ("a", "b", "c")

Row = dict[str, Any]
Files = dict[str, bytes]


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _json(value: object) -> bytes:
    return _encoded(json.dumps(value, default=str))


def _talks(rows: Sequence[Row]) -> list[list[Row]]:
    return [list(rows[at : at + 4]) for at in range(0, len(rows), 4)]


def fasttext(draw: random.Random, rows: Sequence[Row]) -> Files:
    """Lines of fastText, with one label or several."""
    joint = draw.choice((" ", " , ", "\t"))
    lines = [f"{' '.join(f'__label__{n}' for n in draw.sample(NAMES, 2))}{joint}{row['text']}" for row in rows]
    return {"rows.txt": _encoded("\n".join(lines))}


def tables_by_key(draw: random.Random, rows: Sequence[Row]) -> Files:
    """One JSON object with a table per split, or with a list per dialogue."""
    talks = _talks(rows)
    by_split = dict(zip(("train", "dev", "test"), talks, strict=False))
    return {"rows.json": _json(draw.choice((by_split, {f"d{at}": talk for at, talk in enumerate(talks)}, talks)))}


def sheets(draw: random.Random, rows: Sequence[Row]) -> Files:
    """A workbook with sheets that are named like splits."""
    import openpyxl

    book = openpyxl.Workbook()
    for place, name in enumerate(("train", draw.choice(("test", "notes")))):
        sheet = book.active if place == 0 else book.create_sheet()
        sheet.title = name
        sheet.append(["text", "labels", "who"])
        for row in rows[place::2]:
            sheet.append(["".join(filter(str.isprintable, str(cell)[:50])) for cell in row.values()])
    out = io.BytesIO()
    book.save(out)
    return {"rows.xlsx": out.getvalue()}


def bzipped(draw: random.Random, rows: Sequence[Row]) -> Files:
    """Lines of JSON, compressed."""
    return {"rows.jsonl.bz2": bz2.compress(b"\n".join(map(_json, rows)))}


def counted(draw: random.Random, rows: Sequence[Row]) -> Files:
    """Votes, shares, or zeros and ones per label, in columns or in a mapping."""
    cells: Sequence[object] = draw.choice((range(4), (0.25, 0.5, 0), range(2), "01x"))
    several = [{"text": row["text"], **{name: draw.choice(cells) for name in NAMES}} for row in rows]
    if draw.random() < 0.5:
        return {"rows.csv": _csv(draw, several)}
    nested = [{"text": row["text"], "labels": {name: row[name] for name in NAMES}} for row in several]
    return {"rows.jsonl": b"\n".join(map(_json, nested))}


def _csv(draw: random.Random, rows: Sequence[Row]) -> bytes:
    """A table with comments, headers that come again, rare separators and line ends."""
    separator = draw.choice((",", ";", "\t", "###", "||"))
    end = draw.choice(("\n", "\r\n", "\r", "\r\r\n"))
    header = separator.join(rows[0]) if rows else "text"
    lines = [separator.join(map(str, row.values())) for row in rows]
    lines.insert(draw.randrange(len(lines) + 1), draw.choice((header, "Total", "")))
    above = ["# exported"] * draw.randrange(3) + ["A title"] * (draw.random() < 0.1)
    return _encoded(end.join([*above, header, *lines]))


def nested(draw: random.Random, rows: Sequence[Row]) -> Files:
    """Dialogues with their turns, or with lists of texts and labels side by side."""
    talks: list[Row] = []
    for talk in _talks(rows):
        kinds: dict[str, object] = {
            "turns": talk,
            "text": [row["text"] for row in talk],
            "labels": [row["labels"] for row in talk][: draw.choice((None, None, None, 1))],
        }
        talks.append({"id": len(talks), **{key: kinds[key] for key in ("turns", "text", "labels")}})
    for talk in talks:
        del talk[draw.choice(("turns", "turns", "text"))]
    return {"rows.json": _json(draw.choice((talks, {"data": talks})))}


def label_folders(draw: random.Random, rows: Sequence[Row]) -> Files:
    """One text per file in a folder per label, some of them in folders of splits."""
    above = draw.choice(("", "train/"))
    files = {
        f"rows/{above}{draw.choice(NAMES)}/{at}.txt": _encoded(str(row["text"])) for at, row in enumerate(rows)
    }
    return files or {"rows/a.txt": b""}


Form = Callable[[random.Random, Sequence[Row]], Files]

COLUMNS = {"text": "text", "labels": "labels"}

# each form with the keys of [corpus] that may read it
FORMS: tuple[tuple[Form, Sequence[Row]], ...] = (
    (fasttext, [COLUMNS]),
    (tables_by_key, [COLUMNS, {"text": "value[].text", "labels": "value[].labels"}]),
    (bzipped, [COLUMNS]),
    (counted, [COLUMNS, {"text": "text", "labels": ["a", "b", "c"]}]),
    (
        nested,
        [
            {"text": "text[]", "labels": "labels[]"},
            {"text": "turns[].text", "labels": "turns[].labels"},
            {"text": "turns[].text", "labels": "labels[]"},
            {"text": "data[].text[]", "labels": "data[].labels[]"},
        ],
    ),
    (label_folders, [{"text": "text", "labels": "label"}]),
    *([(sheets, [COLUMNS])] if find_spec("openpyxl") else []),
)
