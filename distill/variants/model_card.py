"""The model card: the README.md of a bundle, filled from the run."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from distill.artifacts.quality import FloorRecord, SplitQuality
from distill.artifacts.report import Headline
from distill.evaluation.metrics import LabelQuality
from distill.export.runtime.deciding.sets import Sets
from distill.export.runtime.manifest.promises import RightWhenAnswered
from distill.export.runtime.reading.inputs import ONE_TEXT, Input, Pair, Turns
from distill.files.templates import template_environment

# licences by the names that the Hub has for them; any other is shown as it is stated
HUB_LICENCES = frozenset(
    {
        "apache-2.0",
        "mit",
        "cc0-1.0",
        "cc-by-4.0",
        "cc-by-sa-4.0",
        "cc-by-nc-4.0",
        "cc-by-nc-sa-4.0",
        "odc-by",
        "openrail",
    }
)

HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")

# a page or a mailbox, in characters that end no link of Markdown
ADDRESS = re.compile(r"https?://[^\s<>\\]+|[\w.+-]+@[\w-]+(\.[\w-]+)+", re.ASCII)

# labels that the card warns of: the lowest recall, among those with rows
WEAKEST = 3


@dataclass(frozen=True)
class CardFacts:
    """Everything that a card says; none of it is a date, a path or a latency.

    Attributes:
        name: the bundle's name.
        variant: the exported variant in the bundle.
        kind: of task.
        test: its quality on the test split.
        teacher: the teacher's quality on the test split, or the ensemble's.
        source: the recipe's `corpus.source`.
        base_model: the teacher's base, as the recipe names it.
        licence: the corpus's licence, None where the recipe does not state one.
        language: a code such as "en", None where the recipe does not state one.
        max_tokens: the length at which texts are cut.
        headline: the metric that models of the task are compared by.
        folds: number of folds of whose models, none of which ships, the quality is; None with a test split.
        version: of this package.
        reads: what one row is.
        floors: the recipe's, with what shows them.
        answers: what the rule to abstain promises, None where it is not certified.
        sets: the prediction sets, None where there are none.
        cautions: sentences on how the student was taught that come before its quality.
        meanings: what labels mean, by label, as far as the recipe says it.
        contact: for questions and errors, None where the recipe does not state one.
    """

    name: str
    variant: str
    kind: str
    test: SplitQuality
    teacher: SplitQuality
    source: str
    base_model: str
    licence: str | None
    language: str | None
    max_tokens: int
    headline: Headline
    folds: int | None
    version: str
    reads: Input = ONE_TEXT
    floors: Sequence[FloorRecord] = ()
    answers: RightWhenAnswered | None = None
    sets: Sets | None = None
    cautions: Sequence[str] = ()
    meanings: Mapping[str, str] = field(default_factory=dict)
    contact: str | None = None

    @property
    def dataset(self) -> str | None:
        """The corpus's id on the Hub, None where it comes from elsewhere."""
        name = self.source.removeprefix("hub:").split(":")[0].split("@")[0]
        return name if self.source.startswith("hub:") and HUB_ID.fullmatch(name) else None

    @property
    def corpus(self) -> str:
        """The corpus in words, without a place."""
        return "sample (synthetic)" if self.source == "sample" else self.dataset or "see manifest.json: provenance"

    @property
    def base(self) -> str | None:
        """The base model's id on the Hub, None where it comes from elsewhere."""
        return self.base_model if HUB_ID.fullmatch(self.base_model) else None

    @property
    def hub_licence(self) -> str:
        """The licence as the Hub names it; "other" where it has no name for it."""
        name = (self.licence or "").lower()
        return name if name in HUB_LICENCES else "other"

    @property
    def weakest(self) -> Sequence[LabelQuality]:
        """The labels with the lowest recall, the lowest first."""
        return sorted((row for row in self.test.per_label if row.support), key=lambda row: row.recall)[:WEAKEST]


def model_card(facts: CardFacts) -> str:
    """Return Markdown with the front matter that the Hub reads."""
    environment = template_environment("distill.variants")
    environment.filters.update(
        cell=escape_cell,
        linked=_linked,
        number=lambda value, digits=3: "–" if value is None else f"{value:.{digits}f}",
        # two digits would make 1.00 of a promise of 0.999
        general=lambda value: f"{value:g}",
        percent=lambda share: f"{share:.1%}",
        quoted=lambda text: json.dumps(text, ensure_ascii=False),  # YAML's double quotes are JSON's
    )
    reads = facts.reads
    return environment.get_template("model_card.md").render(
        facts=facts,
        test=facts.test,
        teacher=facts.teacher,
        headline=facts.headline,
        columns=reads.columns if isinstance(reads, Pair) else (),
        cut=_cut(reads) if isinstance(reads, Pair) else "",
        turns=reads if isinstance(reads, Turns) else None,
    )


def _cut(pair: Pair) -> str:
    """Return in words how a pair is cut."""
    column, side = pair.truncate.column, pair.truncate.side
    first = "the longer text" if column is None else f"{escape_cell(column)}, and then the other,"
    return f"{first} loses its {'end' if side == 'end' else 'beginning'} first"


def _linked(contact: str) -> str:
    """Return a contact in Markdown: an address of a page or of e-mail as a link, anything else escaped."""
    return f"<{contact}>" if ADDRESS.fullmatch(contact) else escape_cell(contact)


def escape_cell(text: str) -> str:
    """Escape the characters of a text that Markdown would interpret in a table cell."""
    return re.sub(r"([\\|`*~$\[\]<>&])", r"\\\1", text)
