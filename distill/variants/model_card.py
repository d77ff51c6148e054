"""The model card: the README.md of a bundle, filled from the run."""

import re

from distill.artifacts.quality import SplitQuality
from distill.artifacts.report import Headline
from distill.export.runtime.inputs import ONE_TEXT, Input, Pair
from distill.files.templates import template_environment


def model_card(
    *,
    name: str,
    variant: str,
    test: SplitQuality,
    teacher: SplitQuality,
    is_sample: bool,
    licence: str | None,
    max_tokens: int,
    headline: Headline,
    folds: int | None,
    reads: Input = ONE_TEXT,
) -> str:
    """Return Markdown with the front matter that the Hub reads; it has no date, path or latency.

    Args:
        name: the bundle's name.
        variant: the exported variant in the bundle.
        test: its quality on the test split.
        teacher: the teacher's quality on the test split, or the ensemble's.
        is_sample: the corpus is the packaged sample, which is synthetic.
        licence: the corpus's licence, None where the recipe does not state one.
        max_tokens: the length at which texts are cut.
        headline: the metric that models of the task are compared by.
        folds: number of folds of whose models, none of which ships, the quality is; None with a test split.
        reads: what one row is.
    """
    environment = template_environment("distill.variants")
    environment.filters.update(
        cell=escape_cell,
        number=lambda value, digits=3: f"{value:.{digits}f}",
        percent=lambda share: f"{share:.1%}",
    )
    return environment.get_template("model_card.md").render(
        name=name,
        variant=variant,
        test=test,
        teacher=teacher,
        corpus="sample (synthetic)" if is_sample else "see manifest.json: provenance",
        licence=licence or "not stated",
        max_tokens=max_tokens,
        headline=headline,
        folds=folds,
        columns=reads.columns if isinstance(reads, Pair) else (),
        cut=_cut(reads) if isinstance(reads, Pair) else "",
    )


def _cut(pair: Pair) -> str:
    """Return in words how a pair is cut."""
    column, side = pair.truncate.column, pair.truncate.side
    first = "the longer text" if column is None else f"{escape_cell(column)}, and then the other,"
    return f"{first} loses its {'end' if side == 'end' else 'beginning'} first"


def escape_cell(text: str) -> str:
    """Escape the characters of a text that Markdown would interpret in a table cell."""
    return re.sub(r"([\\|`*~$\[\]<>&])", r"\\\1", text)
