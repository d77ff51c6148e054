"""A starter recipe for a data file: guesses what its columns are, and says what each line means."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import numpy as np

from distill.corpora.assembly.read import read_corpus
from distill.corpora.assembly.spec import CorpusSpec
from distill.corpora.guess import Column, group_column, has_header, label_column, split_column, text_column
from distill.corpora.reading.files import is_broken
from distill.corpora.reading.form import TableForm
from distill.corpora.reading.rows import Record, listed
from distill.corpora.reading.source import open_source
from distill.export.runtime.errors import InputError
from distill.recipe.keys import recipe_keys

TOKEN_BOUNDS = (16, 32, 64, 128, 256)

# A subword tokenizer makes about 1.3 pieces of an English word; 2 special tokens stand around a text.
PIECES_PER_WORD, SPECIAL_TOKENS = 1.3, 2

# With fewer rows a label cannot be in train, validation and test.
SPLITTABLE_ROWS = 3

SEED = 13

LOOKED_AT = 50_000

MAX_COMMENT_COLUMN = 60

DEFAULT_TABLES: dict[str, list[tuple[str, object, str]]] = {
    "teacher": [
        (
            "model",
            "sentence-transformers/all-MiniLM-L6-v2",
            "the encoder to fine-tune: hub id or folder; this one comes with the installation",
        ),
        ("pooling", "mean", '"mean" for sentence-transformers models, "first" for BERT-like ones'),
        ("epochs", 3, "passes over train; it stops early when validation gets no better"),
    ],
    "student": [
        ("kind", "layers", '"layers" copies layers of the teacher; "compact" has its own depth and width'),
        ("layers", [1, 3, 5], "which of the teacher's layers, counted from 0: fewer are faster"),
    ],
    "objective": [
        ("temperature", 2.0, "softens the teacher's scores: more shows more of what it finds similar"),
        ("soft_weight", 0.7, "how much the teacher's scores count; the labels get the rest"),
        ("compare", True, "also train a twin without the teacher, to see what distilling gains"),
    ],
    "export": [
        ("precision", ["int8-dynamic", "fp32"], "the forms to try in order; the first that passes ships"),
        ("max_macro_f1_drop", 0.005, "what a form may lose against the student in PyTorch"),
    ],
}


@dataclass(frozen=True)
class _Proposal:
    """What was guessed, as the spec that a recipe will give, and what the comments mention."""

    spec: CorpusSpec
    max_tokens: int
    other_columns: tuple[str, ...]
    ids: bool  # whether labels are numbers, so that names would say more


@recipe_keys()
def propose_recipe(path: Path) -> str:
    """The text of a recipe for a data file or folder, made sure to be readable with it."""
    return _to_toml(_accepted(_guess(path)), _recipe_name(path))


def _guess(path: Path) -> _Proposal:
    """Guess the columns' meaning from their names and values."""
    source = str(path)
    if source == "sample" or source.startswith(("hub:", "~")):
        source = f"./{source}"
    columns = None
    records = _records(source, None)
    if records[0].file.endswith((".csv", ".tsv")) and not has_header(records):
        columns = tuple(f"column{number}" for number in range(1, len(records[0].fields) + 1))
        records = _records(source, columns)
    found = [Column.of(name, records) for name in dict.fromkeys(n for r in records for n in r.fields)]
    text = text_column(found)
    split = split_column(found)
    rest = [column for column in found if column is not text and column is not split]
    label = label_column(rest)
    if text is None or label is None:
        missing = "texts" if text is None else "labels: few different values, short and repeated"
        raise InputError(f"{path}: no column looks like {missing}; its columns need a text and a label")
    group = group_column([column for column in rest if column.name != label.name])
    spec = CorpusSpec(
        source=source,
        task=label.task,
        text=(text.name,),
        labels=label.name,
        delimiter=label.delimiter,
        group=group.name if group else None,
        columns=columns,
        split=split.name if split else CorpusSpec.split,
    )
    used = {text.name, label.name, spec.group, split.name if split else None}
    others = tuple(column.name for column in found if column.name not in used)
    ids = all(str(token).isdigit() for token in label.tokens)
    return _Proposal(spec, _max_tokens(text), others, ids)


def _records(source: str, columns: tuple[str, ...] | None) -> list[Record]:
    """The readable rows to train on, as many as guesses need."""
    table = open_source(source, TableForm(columns)).by_split["train"]
    records = [row for row in islice(table.rows, LOOKED_AT) if isinstance(row, Record)]
    if not records:
        raise InputError(f"{table.where}: no readable row; give a file with a text and a label in each row")
    return records


def _max_tokens(text: Column) -> int:
    """A bound that cuts about one text in twenty."""
    words = [len(str(value).split()) for value in text.values]
    wanted = np.quantile(words, 0.95) * PIECES_PER_WORD + SPECIAL_TOKENS
    return next((bound for bound in TOKEN_BOUNDS if bound >= wanted), TOKEN_BOUNDS[-1])


def _accepted(proposal: _Proposal) -> _Proposal:
    """The proposal with as little leniency as its rows need; the last error where nothing helps."""
    refusal: InputError | None = None
    for on_bad_row in ("error", "quarantine"):
        for min_rows in (SPLITTABLE_ROWS, 1):
            spec = replace(proposal.spec, on_bad_row=on_bad_row, min_rows=min_rows)
            try:
                corpus, _ = read_corpus(spec, seed=SEED)
            except InputError as error:
                refusal = error
                continue
            needed = corpus.notes["labels_left_out"] > 0
            return replace(proposal, spec=spec if needed else replace(spec, min_rows=1))
    raise refusal or InputError(f"{proposal.spec.source}: cannot be read")


def _recipe_name(path: Path) -> str:
    """The file's name with what a recipe's name may not hold taken out."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", path.stem).strip("._-") or "my-corpus"


def _to_toml(proposal: _Proposal, name: str) -> str:
    """The recipe; every line says what it is for."""
    spec = proposal.spec
    corpus: list[tuple[str, object, str]] = [
        ("source", spec.source, "a file, a folder of splits (train, validation, test), hub:ID or sample"),
        ("task", spec.task, "single_label: exactly one label a row; multi_label: any number"),
        ("text", spec.text[0], 'the column to read; ["title", "body"] joins several'),
        ("labels", spec.labels, "the column to predict: names, 0-based ids, lists or delimited strings"),
    ]
    if spec.columns is not None:
        corpus.append(("columns", list(spec.columns), "the file has no header, so its fields are named here"))
    if spec.delimiter != ",":
        corpus.append(("delimiter", spec.delimiter, "what separates the labels of a row"))
    if spec.group is not None:
        corpus.append(("group", spec.group, "rows of one value stay in one split, or test scores would lie"))
    if isinstance(spec.split, str):
        corpus.append(("split", spec.split, "the column that names each row's split"))
    else:
        corpus.append(("split", list(spec.split), "train, validation, test, where the source has no splits"))
    if spec.min_rows > 1:
        corpus.append(("min_rows", spec.min_rows, "labels with fewer rows are left out with their rows"))
    corpus.append(("on_bad_row", spec.on_bad_row, '"error" stops at a bad row, "quarantine" puts it aside'))
    corpus.append(("max_tokens", proposal.max_tokens, "longer texts are cut; `distill check` tells how many are"))
    lines = [
        "# A starter recipe: look at what was guessed, then run `distill check` and `distill run` on this file.",
        *_table("", [("name", name, "names the run's folder"), ("seed", SEED, "of every random choice")]),
        *_table("corpus", corpus),
    ]
    if proposal.ids:
        lines.append('# label_names = ["first", "second"]   # the labels are numbers: name them in their order')
    if proposal.other_columns:
        lines.append(f"# other columns: {listed([_quoted(column) for column in proposal.other_columns])}")
    for table, entries in DEFAULT_TABLES.items():
        lines += _table(table, entries)
    return "\n".join(lines).lstrip("\n") + "\n"


def _table(name: str, entries: Sequence[tuple[str, object, str]]) -> list[str]:
    """One TOML table with its comments in one column."""
    pairs = [(f"{key} = {_value(value)}", comment) for key, value, comment in entries]
    width = min(max(len(pair) for pair, _ in pairs), MAX_COMMENT_COLUMN)
    return ["", *([f"[{name}]"] if name else []), *(f"{pair:<{width}}  # {about}" for pair, about in pairs)]


def _value(value: object) -> str:
    """A string, number, boolean or list as TOML."""
    if isinstance(value, str):
        return _quoted(value)
    if isinstance(value, list):
        return f"[{', '.join(_value(item) for item in value)}]"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _quoted(value: str) -> str:
    """A TOML basic string: JSON's escapes are TOML's, but TOML also wants DEL escaped."""
    if is_broken(value):
        raise InputError("the file's name or a column's name is not valid UTF-8; rename it")
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
