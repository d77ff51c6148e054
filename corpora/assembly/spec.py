"""The settings of a corpus: where it is and how to understand its columns."""

from __future__ import annotations

from dataclasses import dataclass

from distill.corpora.assembly.context import Context
from distill.corpora.reading.cells.cells import LabelCells, LabelForm
from distill.corpora.reading.form import TableForm
from distill.corpora.reading.json.nested import root_of
from distill.corpora.reading.rows import listed
from distill.corpora.targets import CODECS
from distill.export.runtime.errors import InputError
from distill.export.runtime.reading.inputs import ONE_TEXT, Input, Pair, Truncate

DEFAULT_SPLIT = (0.8, 0.1, 0.1)

# the `joiner` that joins nothing: each of two columns is a segment of its own
SEGMENTS = "segments"


@dataclass(frozen=True)
class CorpusSpec:
    """The place of a corpus and how to understand it: the recipe's [corpus] table."""

    source: str  # "hub:ID[:config][@revision]", a file, a folder of splits, or "sample"
    task: str  # a kind of export.runtime.tasks.TASKS
    text: tuple[str, ...]  # columns, joined by `joiner`; with SEGMENTS the two columns of a pair
    labels: str | tuple[str, ...]  # column of names, ids, lists or strings; one of 0 and 1 per label; or none
    label_names: tuple[str, ...] | str | None = None  # in logit order, or a file with one per line
    delimiter: str | None = ","
    missing: tuple[str, ...] | None = None  # values of the labels column that mean a missing label
    label_form: LabelForm | None = None  # "names", "ids" or "vector", where a cell could be read in two ways
    group: str | None = None  # column whose rows must stay in one split
    group_scope: str = "split"  # group ids mean the same inside a published split; "source": everywhere
    subgroup: tuple[str, ...] = ()  # columns that the report divides test rows by
    where: dict[str, str | list[str]] | None = None  # keep rows whose column has (one of) the value(s)
    columns: tuple[str, ...] | None = None  # names the fields of files without a header
    split: tuple[float, float, float] | str = DEFAULT_SPLIT  # fractions, or the column that names the split
    duplicates: str = "majority"  # or "error", "keep"
    merge_test: bool = False  # whether `duplicates` holds for a published test split as well
    on_bad_row: str = "error"  # or "quarantine"
    transfer: str | None = None  # file of text without labels
    scrub: bool = False  # mask addresses, links, handles and long numbers before anything is stored
    joiner: str = "\n"
    truncate: Truncate | None = None  # how pairs are cut at `max_tokens`
    one_per_group: bool = False  # keep the first row of each group
    row_id: tuple[str, ...] | None = None  # columns that identify a row; repeats of it are annotators
    leaks: str = "remove"  # or "groups" (compare groups only), "keep"
    encoding: str | None = None  # of text files; UTF-8 by default
    quoting: bool | None = None  # whether quotation marks around a field are the file's
    folds: int | None = None  # parts, each of which is the test split once
    fold: int | None = None  # the part that is test; None: there is no test split
    context: Context | None = None  # rows are turns of conversations
    min_rows: int = 1  # labels with fewer rows, before splitting, are left out together with their rows

    @property
    def reads(self) -> Input:
        """The kind of input of a row: a text, or a pair. A corpus of turns knows its own once it is read."""
        if self.joiner != SEGMENTS:
            return ONE_TEXT
        first, second = self.text
        return Pair((first, second), self.truncate or Truncate())

    @property
    def form(self) -> TableForm:
        """The form of the source's files."""
        return TableForm(self.columns, self.encoding, self.quoting, root_of(self.read_columns))

    @property
    def read_columns(self) -> tuple[str, ...]:
        """Every column that is read, the text's first."""
        named = [self.group, self.split if isinstance(self.split, str) else None]
        more = [
            *(self.where or {}),
            *(self.row_id or ()),
            *(self.context.columns if self.context else ()),
            *self.subgroup,
        ]
        others = [name for name in (*named, *more) if name is not None]
        return tuple(dict.fromkeys([*self.text, *self.label_columns, *others]))

    @property
    def label_columns(self) -> tuple[str, ...]:
        """The columns of the labels: one, or one of 0 and 1 per label."""
        return (self.labels,) if isinstance(self.labels, str) else self.labels

    def label_cells(self, names: tuple[str, ...] | None) -> LabelCells:
        """Return the label cells, with the names of the labels where they are known."""
        several = CODECS[self.task].several
        return LabelCells(self.label_columns, several, self.delimiter, names, self.missing, self.label_form)

    @property
    def is_labelled(self) -> bool:
        """Return whether rows have labels."""
        return bool(self.label_columns)

    @property
    def labels_from(self) -> str:
        """The label columns as an error names them."""
        return self.labels if isinstance(self.labels, str) else listed(self.labels)

    def __post_init__(self) -> None:
        """Refuse settings that contradict each other."""
        _one_of("duplicates", self.duplicates, ("majority", "error", "keep"))
        _one_of("on_bad_row", self.on_bad_row, ("error", "quarantine"))
        _one_of("group_scope", self.group_scope, ("split", "source"))
        _one_of("leaks", self.leaks, ("remove", "groups", "keep"))
        if self.label_form is not None:
            _one_of("label_form", self.label_form, ("names", "ids", "vector"))
        if self.labels == "" or len(set(self.label_columns)) < len(self.label_columns):
            raise InputError("`labels` names no column, or a column twice. Name each label's column once.")
        if not self.is_labelled and self.label_names is None:
            raise InputError("`label_names` is missing, and rows without labels do not tell. List the labels.")
        if not self.text:
            raise InputError("`text` names no column. Name at least one.")
        if self.one_per_group and self.group is None:
            raise InputError("`one_per_group` needs `group`. Name the column of the groups.")
        if self.merge_test and self.duplicates == "keep":
            raise InputError('`merge_test` merges nothing where `duplicates` = "keep". Remove one of them.')
        if self.min_rows < 1:
            raise InputError(f"`min_rows` = {self.min_rows} must be at least 1, which leaves no label out.")
        if not isinstance(self.split, str) and (
            len(self.split) != 3 or min(self.split) <= 0 or abs(sum(self.split) - 1) > 1e-6
        ):
            raise InputError("`split` must be three fractions above 0 that add up to 1, or a column name.")
        _check_subgroup(self)
        _check_pair(self)
        _check_context(self)
        _check_folds(self)


def _check_subgroup(spec: CorpusSpec) -> None:
    """Refuse columns that are the text, or are named twice."""
    texts = [column for column in spec.subgroup if column in spec.text]
    if texts:
        raise InputError(
            f"`subgroup` names '{texts[0]}', which is a column of `text`. Name columns of few values, such as age "
            "or site."
        )
    if len(set(spec.subgroup)) < len(spec.subgroup):
        raise InputError("`subgroup` names a column twice. Name each once.")


def _check_folds(spec: CorpusSpec) -> None:
    """Refuse folds that cannot be, or that contradict other settings."""
    if spec.folds is None:
        if spec.fold is not None:
            raise InputError("`fold` needs `folds`, which is not set. Set it, or remove `fold`.")
        return
    if spec.folds < 2:
        raise InputError(f"`folds` = {spec.folds} must be at least 2.")
    if spec.fold is not None and not 0 <= spec.fold < spec.folds:
        raise InputError(f"`fold` = {spec.fold} must be from 0 to {spec.folds - 1}, since `folds` = {spec.folds}.")
    if isinstance(spec.split, str):
        raise InputError(
            "`folds` divides a corpus without splits, and `split` names a column of them. Leave one of them out."
        )


def _check_context(spec: CorpusSpec) -> None:
    """Refuse settings of rows that turns of a conversation are not."""
    if spec.context is None:
        return
    if spec.joiner == SEGMENTS:
        raise InputError(
            f"`joiner` = '{SEGMENTS}' reads pairs, and `context` turns of a conversation. Leave one of them out."
        )
    if spec.one_per_group:
        raise InputError("`one_per_group` would leave one turn of each conversation. Remove it, or `context`.")


def _check_pair(spec: CorpusSpec) -> None:
    """Refuse a pair of other than two columns, and a rule of cutting that does not fit the columns."""
    if spec.joiner == SEGMENTS and (len(spec.text) != 2 or len(set(spec.text)) != 2):
        raise InputError(
            f"`joiner` = '{SEGMENTS}' reads pairs of two different columns, and `text` names "
            f"{listed(spec.text)}. Name two, or join them with another string."
        )
    if spec.truncate is None:
        return
    if spec.joiner != SEGMENTS:
        raise InputError(
            f"`truncate` says how pairs are cut. Set `joiner` = '{SEGMENTS}', or leave `truncate` out."
        )
    if spec.truncate.column not in (None, *spec.text):
        raise InputError(
            f"`truncate` names the column '{spec.truncate.column}', which is not of the pair. Use one of "
            f"{listed(spec.text)}."
        )


def _one_of(key: str, value: str, known: tuple[str, ...]) -> None:
    """Refuse an unknown value."""
    if value not in known:
        raise InputError(f"`{key}` = '{value}' is not known. Use one of {', '.join(known)}.")
