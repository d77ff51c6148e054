"""The text of a starter recipe: every line says what it is for, and open questions are comments."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

from distill.corpora.assembly.spec import SEGMENTS, CorpusSpec
from distill.corpora.corpus import Corpus
from distill.corpora.reading.files import is_broken
from distill.corpora.reading.rows import listed
from distill.export.runtime.errors import InputError
from distill.students.families import FAMILIES

MAX_COMMENT_COLUMN = 60

BATCH_SIZE = 32

# with fewer rows in its test split, a corpus is offered folds
FEW_TEST_ROWS, FOLDS = 200, 5

# minimum number of steps of fine-tuning and distillation, as far as the passes below allow
TEACHER_STEPS, STUDENT_STEPS = 300, 1000

TEACHER_EPOCHS, STUDENT_EPOCHS = (3, 15), (4, 40)

Entries = list[tuple[str, object, str]]


@dataclass(frozen=True)
class Proposal:
    """The guesses, as the spec that a recipe will describe, and the facts that its comments mention.

    Args:
        spec: settings of the readers.
        max_tokens: length at which texts are cut.
        other_columns: columns that nothing uses.
        ids: whether labels are numbers, so that names would say more.
        doubts: points to check, one comment per point.
        reasons: reasons for the choice of labels.
        looked_at: number of rows that were inspected.
        pair: two columns of texts that may be read as a pair.
        published: whether the source has splits of its own.
    """

    spec: CorpusSpec
    max_tokens: int
    other_columns: tuple[str, ...]
    ids: bool
    doubts: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()
    looked_at: int = 0
    pair: tuple[str, str] | None = None
    published: bool = False


def to_toml(proposal: Proposal, corpus: Corpus, name: str) -> str:
    """Return the recipe as TOML."""
    lines = [
        "# A starter recipe: look at what was guessed, then run `distill check` and `distill run` on this file.",
        *_table("", [("name", name, "names the run's folder"), ("seed", 13, "seed of every random choice")]),
        *_table("corpus", _corpus_entries(proposal, corpus)),
    ]
    if proposal.ids and proposal.spec.label_names is None and isinstance(proposal.spec.labels, str):
        lines.append('# label_names = ["first", "second"]   # the labels are numbers: name them in their order')
    if proposal.other_columns:
        lines.append(f"# other columns: {listed([quoted(column) for column in proposal.other_columns])}")
    lines += [_comment(doubt) for doubt in (*proposal.doubts, *_notes(corpus))]
    for table, entries in _default_tables(corpus).items():
        lines += _table(table, entries)
    return "\n".join(lines).lstrip("\n") + "\n"


def _corpus_entries(proposal: Proposal, corpus: Corpus) -> Entries:
    spec = proposal.spec
    text = spec.text[0] if len(spec.text) == 1 else list(spec.text)
    labels = spec.labels if isinstance(spec.labels, str) else list(spec.labels)
    about = "the column to predict: names, ids, lists or delimited strings"
    if not isinstance(spec.labels, str):
        about = "one column of 0 and 1 for each label"
    why = f"; chosen for: {', '.join(proposal.reasons)}" if proposal.reasons else ""
    entries: Entries = [
        ("source", spec.source, "a file, a folder of splits (train, validation, test), hub:ID or sample"),
        ("task", spec.task, "single_label: exactly one label per row; multi_label: any number"),
        ("text", text, 'the column to read; ["title", "body"] joins several'),
        ("labels", labels, about + why),
    ]
    if spec.joiner == SEGMENTS:
        entries[2] = ("text", text, "two columns, each a segment of its own")
        entries.insert(3, ("joiner", SEGMENTS, "the columns are read as a pair, not joined"))
    elif proposal.pair is not None:
        first, second = proposal.pair
        entries[3:3] = [
            (
                "# text",
                [first, second],
                "in place of text, with the next line: these two are read as a pair",
            ),
            ("# joiner", SEGMENTS, "each column is a segment of its own, as a question and its answer are"),
        ]
    optional: Entries = [
        (
            "label_names",
            spec.label_names,
            "file that lists the labels in the order of their ids"
            if isinstance(spec.label_names, str)
            else "the labels in their order, the lowest first",
        ),
        ("columns", spec.columns, "the file has no header, so its fields are named here"),
        ("encoding", spec.encoding, "the files are not UTF-8"),
        ("quoting", spec.quoting, "whether quotation marks around a field are the file's, not the text's"),
        ("missing", spec.missing, "values of the labels column that mean none: such rows are left out"),
        ("label_form", spec.label_form, "form of the label cells, which could be read in two ways"),
        ("where", spec.where, "keep the rows that have a label"),
        ("group", spec.group, "rows with the same value stay in one split; otherwise test scores are too good"),
        ("row_id", spec.row_id, "columns that identify a row: repeats are annotators, and the majority counts"),
    ]
    if spec.delimiter != ",":
        entries.append(("delimiter", spec.delimiter, "what separates the labels of a row"))
    entries += [
        (key, list(value) if isinstance(value, tuple) else value, comment)
        for key, value, comment in optional
        if value is not None
    ]
    if isinstance(spec.split, str):
        entries.append(("split", spec.split, "the column that names each row's split"))
    else:
        entries.append(("split", list(spec.split), "train, validation, test, where the source has no splits"))
    if not proposal.published and len(corpus.test) < FEW_TEST_ROWS:
        entries.append(
            (
                "# folds",
                FOLDS,
                f"a test split of {len(corpus.test)} rows shows little: with folds every row is decided by a "
                f"model that did not learn from it, in about {FOLDS + 1} times the time",
            )
        )
    if spec.min_rows > 1:
        entries.append(("min_rows", spec.min_rows, "labels with fewer rows are left out with their rows"))
    kept = '"majority" merges rows that repeat a text, except in a published test split; "keep" merges none'
    entries.append(("duplicates", spec.duplicates, kept))
    if spec.leaks != "remove":
        entries.append(("leaks", spec.leaks, "compare only groups, because short texts occur in every group"))
    entries.append(("on_bad_row", spec.on_bad_row, '"error" stops at a bad row, "quarantine" puts it aside'))
    entries.append(("max_tokens", proposal.max_tokens, "longer texts are cut; `distill check` tells how many are"))
    meanings: dict[str, str] = {corpus.task.labels[0]: "one sentence on when it applies"}
    entries.append(("# label_meanings", meanings, "what each label means, for the model card; name them all"))
    return entries


def _notes(corpus: Corpus) -> list[str]:
    """Return a line per effect of this recipe on rows: those put aside, left out or removed."""
    notes = corpus.notes
    lines = []
    for key, effect in (
        ("rows_quarantined", "rows are bad and were put aside"),
        ("rows_without_gold", "rows have no label and were left out"),
        ("splits_ignored", "files, sheets or tables of other names were not read: rename them if they are splits"),
        ("labels_left_out", "labels have too few rows and were left out"),
        ("train_leaks_text_removed", "train rows repeat a text of validation or test and were taken out"),
        (
            "groups_in_several_splits",
            'group ids are in several splits: group_scope = "source" if they are the same',
        ),
    ):
        if notes.get(key):
            lines.append(f"{notes[key]:,} {effect}")
    return lines


def _default_tables(corpus: Corpus) -> dict[str, Entries]:
    """Return the other tables, with passes that suit the number of rows."""
    rows = len(corpus.train)
    usual = ", ".join(
        f"{family.body_learning_rate:g} ({kind})" for kind, family in FAMILIES.items() if kind != "layers"
    )
    teacher, student = _epochs(rows, TEACHER_STEPS, TEACHER_EPOCHS), _epochs(rows, STUDENT_STEPS, STUDENT_EPOCHS)
    return {
        "teacher": [
            (
                "model",
                "sentence-transformers/all-MiniLM-L6-v2",
                "the encoder to fine-tune: hub id or folder; this one comes with the installation",
            ),
            (
                "pooling",
                "mean",
                '"mean" for sentence-transformers models, "first" for BERT-like ones, "last" for decoders',
            ),
            ("epochs", teacher, f"passes over {rows:,} rows; it stops early when validation gets no better"),
        ],
        "student": [
            ("kind", "layers", '"layers" copies layers of the teacher; "compact" and "static" are smaller'),
            ("layers", [1, 3, 5], "which of the teacher's layers, counted from 0; fewer are faster"),
            ("epochs", student, "passes over train: small corpora need more of them for as many steps"),
            ("body_learning_rate", 1e-4, f"for layers; {usual} is usual for the other kinds"),
            ("head_learning_rate", 1e-3, "for the new head, whatever the kind"),
        ],
        "objective": [
            (
                "temperature",
                2.0,
                "softens the teacher's scores; higher values show more of the similarity between labels",
            ),
            ("soft_weight", 0.7, "weight of the teacher's scores; the labels get the rest"),
            ("compare", True, "also train a twin without the teacher, to measure what distillation gains"),
        ],
        "export": [
            (
                "precision",
                ["int8-dynamic", "int8-static", "int8-weights", "fp32"],
                "the precisions to try, in order; the first that passes its gate ships",
            ),
            (
                "max_macro_f1_drop",
                0.005,
                "how much of the headline a precision may lose against the student in PyTorch",
            ),
            ("# contact", "team@example.org", "who answers questions about the bundle, for the model card"),
        ],
    }


def _epochs(rows: int, steps: int, bounds: tuple[int, int]) -> int:
    """Return the number of passes that take about `steps` steps, within bounds."""
    return min(max(ceil(steps * BATCH_SIZE / max(rows, 1)), bounds[0]), bounds[1])


def _table(name: str, entries: Sequence[tuple[str, object, str]]) -> list[str]:
    """Return one TOML table with its comments in one column."""
    pairs = [(f"{key} = {value_of(value)}", comment) for key, value, comment in entries]
    width = min(max(len(pair) for pair, _ in pairs), MAX_COMMENT_COLUMN)
    lines = [f"{pair:<{width}}  {_comment(about)}" for pair, about in pairs]
    return ["", *([f"[{name}]"] if name else []), *lines]


def _comment(text: str) -> str:
    """Return a comment without control characters, which TOML does not allow."""
    return f"# {''.join(character if character.isprintable() else ' ' for character in text)}"


def value_of(value: object) -> str:
    """Return a string, number, boolean, list or table as TOML."""
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, list):
        return f"[{', '.join(value_of(item) for item in value)}]"
    if isinstance(value, dict):
        return f"{{ {', '.join(f'{_key(key)} = {value_of(item)}' for key, item in value.items())} }}"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _key(name: str) -> str:
    """Return a key of a table, bare where TOML allows it."""
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else quoted(name)


def quoted(value: str) -> str:
    """Return a TOML basic string: JSON's escapes are TOML's, but TOML also requires DEL to be escaped."""
    if is_broken(value):
        raise InputError("The file's name or a column's name is not valid UTF-8. Rename it.")
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
