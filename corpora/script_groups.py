"""The test rows of a corpus in several scripts, divided by script as by a column of subgroups."""

from collections import Counter
from collections.abc import Sequence

import numpy as np

from distill.corpora.corpus import Corpus, Subgroup, test_subgroups
from distill.corpora.scripts import script_of_text
from distill.export.runtime.reading.inputs import segments_of

COLUMN = "script"

# the share of the test rows with letters that makes a script one of the corpus's
MUCH = 0.05

OTHER = "other"


def test_columns(corpora: Sequence[Corpus]) -> tuple[Subgroup, ...]:
    """Return what divides the test rows of several corpora of one source: named columns, and the rows' scripts.

    Rows of a corpus in one script are not divided by it, nor where a column that the recipe names is called so.
    """
    named = test_subgroups(corpora)
    texts = (text for corpus in corpora for text in corpus.test.texts)
    # of turns the decided one, or the newest where the next is decided, which has no text
    scripts = [script_of_text("\n".join(segments_of(text))) for text in texts]
    counts = Counter(script for script in scripts if script is not None)
    much = sorted(script for script, rows in counts.items() if rows > MUCH * counts.total())
    if len(much) < 2 or COLUMN in {column.column for column in named}:
        return named
    values = sorted({*much, *([OTHER] if len(counts) > len(much) else [])})
    numbers = [-1 if one is None else values.index(one if one in much else OTHER) for one in scripts]
    return (*named, Subgroup(COLUMN, tuple(values), np.array(numbers, dtype=np.int32)))
