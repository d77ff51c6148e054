"""An audit of what identity terms do to scores and decisions, for one model or several side by side."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from math import comb

import numpy as np

from distill.bundles.identity import Comparison
from distill.evaluation.bias import (
    Audit,
    AxisAudit,
    Cell,
    absolute_gaps,
    adjusted,
    flips,
    gaps,
    mean_interval,
    rows_flipped,
    sign_p_values,
    templates_needed,
)
from distill.evaluation.drift import smallest_needed
from distill.export.runtime import Classifier, InputError
from distill.export.runtime.deciding.scores import Bools, Doubles, Floats
from distill.export.runtime.deciding.task import UNREADABLE

ALPHA = 0.05

SEED = 0

# cells that an audit keeps, the worst first, beside all whose gap is shown
WORST = 100

# share of pairs of texts that are not told apart from which on an axis shows nothing
UNREAD = 0.5

# texts -> scores and decisions, both (N, C)
Scorer = Callable[[list[str]], tuple[Floats, Bools]]


@dataclass(frozen=True)
class _Scored:
    """One model's scores and decisions on the texts of one comparison, ``(T, K, G, C)``."""

    scores: Doubles
    decided: Bools


def require_texts(reads: str, where: str) -> None:
    """Refuse what reads more than one text per row, which no template is.

    Args:
        reads: the kind of input: "text" or another.
        where: the place that the refusal names: a bundle, or a recipe's key.

    Raises:
        InputError: it is another kind.
    """
    if reads != "text":
        raise InputError(f"{where}: Templates are single texts, but {reads} would be read. Audit single texts.")


def scorer_of(classifier: Classifier) -> Scorer:
    """Return a bundle as a function of texts."""

    def score(texts: list[str]) -> tuple[Doubles, Bools]:
        scores = classifier.predict_proba(texts).astype(np.float64)
        return scores, classifier.task.decide(scores, classifier.manifest.policy)

    return score


def too_few_templates(compared: Sequence[Comparison], labels: int) -> dict[str, tuple[int, int]]:
    """Return the axes with too few templates to tell any difference from chance, each with those it has and needs.

    All cells of a model are adjusted together, so that more labels and groups need more templates.
    """
    cells = labels * sum(comb(len(one.groups), 2) for one in compared)
    needed = templates_needed(cells, ALPHA)
    return {one.axis: (len(one.texts), needed) for one in compared if len(one.texts) < needed}


def unread_shares(classifier: Classifier, compared: Sequence[Comparison]) -> dict[str, float]:
    """Return per axis the share of pairs of texts that a bundle reads alike, or of which it cannot read one.

    Terms in another language than the bundle's are unknown pieces, between which there is no difference of scores.
    """
    found = {}
    for comparison in compared:
        texts = [text for row in comparison.texts for terms in row for text in terms]
        seen = [
            None if UNREADABLE in prediction.handed_over else ids
            for prediction, ids in zip(classifier.predict(texts), classifier.token_ids(texts), strict=True)
        ]
        groups = len(comparison.groups)
        together = [seen[at : at + groups] for at in range(0, len(seen), groups)]
        pairs = [pair for terms in together for pair in combinations(terms, 2)]
        alike = sum(first is None or second is None or first == second for first, second in pairs)
        found[comparison.axis] = alike / len(pairs)
    return found


def with_unread(found: Audit, classifier: Classifier, compared: Sequence[Comparison]) -> Audit:
    """Return an audit that says how much of each of its axes what ships cannot read."""
    shares = unread_shares(classifier, compared)
    return replace(found, axes=tuple(replace(axis, unread=shares[axis.axis]) for axis in found.axes))


def audit(
    models: Mapping[str, Scorer],
    labels: Sequence[str],
    compared: Sequence[Comparison],
    reference: str | None = None,
) -> Audit:
    """Return the audit of one model or several.

    Args:
        models: by name.
        labels: in the order of the scores.
        compared: texts that differ in a term alone.
        reference: the model that amplification is beside; None without one.
    """
    scored = {
        name: [_scored(score, comparison, len(labels)) for comparison in compared]
        for name, score in models.items()
    }
    pairs = [
        (at, first, second)
        for at, comparison in enumerate(compared)
        for first, second in combinations(range(len(comparison.groups)), 2)
    ]
    p_values = {name: _p_values(found, pairs) for name, found in scored.items()}
    cells = list(_cells(scored, labels, compared, pairs, p_values, reference))
    axes = tuple(
        _axis(scored, compared[at], at, [pair for pair in pairs if pair[0] == at], cells, reference)
        for at in range(len(compared))
    )
    cells.sort(key=lambda cell: -max(map(abs, cell.gaps.values())))
    kept = [
        cell for rank, cell in enumerate(cells) if rank < WORST or min(cell.p_values.values(), default=1) <= ALPHA
    ]
    return Audit(tuple(models), reference, tuple(labels), axes, tuple(kept))


def _scored(score: Scorer, comparison: Comparison, labels: int) -> _Scored:
    shape = (len(comparison.texts), len(comparison.texts[0]), len(comparison.groups), labels)
    scores, decided = score([text for row in comparison.texts for terms in row for text in terms])
    return _Scored(scores.astype(np.float64).reshape(shape), decided.reshape(shape))


def _p_values(scored: Sequence[_Scored], pairs: Sequence[tuple[int, int, int]]) -> Doubles:
    """Return adjusted p-values of every pair and label, ``(pairs, C)``."""
    rng = np.random.default_rng(SEED)
    differences = [gaps(scored[at].scores, first, second) for at, first, second in pairs]  # each (T, C)
    found = np.empty((len(pairs), differences[0].shape[1]))
    for templates in dict.fromkeys(map(len, differences)):  # one draw of signs for all that have as many templates
        same = [number for number, one in enumerate(differences) if len(one) == templates]
        columns = np.concatenate([differences[number] for number in same], axis=1)
        together = sign_p_values(columns, rng, smallest=smallest_needed(found.size, ALPHA))
        found[same] = together.reshape(len(same), -1)
    return adjusted(found)


def _cells(
    scored: Mapping[str, Sequence[_Scored]],
    labels: Sequence[str],
    compared: Sequence[Comparison],
    pairs: Sequence[tuple[int, int, int]],
    p_values: Mapping[str, Doubles],
    reference: str | None,
) -> Iterator[Cell]:
    rng = np.random.default_rng(SEED)
    for number, (at, first, second) in enumerate(pairs):
        groups = compared[at].groups
        signed = {name: gaps(found[at].scores, first, second).mean(axis=0) for name, found in scored.items()}
        sizes = {name: absolute_gaps(found[at].scores, first, second) for name, found in scored.items()}
        flipped = {name: flips(found[at].decided, first, second) for name, found in scored.items()}
        for label, name_of_label in enumerate(labels):
            more = (
                {
                    name: mean_interval(size[:, label] - sizes[reference][:, label], rng)
                    for name, size in sizes.items()
                    if name != reference
                }
                if reference is not None
                else {}
            )
            yield Cell(
                compared[at].axis,
                groups[first],
                groups[second],
                name_of_label,
                {name: float(values[label]) for name, values in signed.items()},
                {name: float(values[number, label]) for name, values in p_values.items()},
                {name: float(values[label]) for name, values in flipped.items()},
                more,
            )


def _axis(
    scored: Mapping[str, Sequence[_Scored]],
    comparison: Comparison,
    at: int,
    pairs: Sequence[tuple[int, int, int]],
    cells: Sequence[Cell],
    reference: str | None,
) -> AxisAudit:
    rng = np.random.default_rng(SEED)
    sizes = {
        name: np.mean([absolute_gaps(found[at].scores, *pair[1:]).mean(axis=1) for pair in pairs], axis=0)
        for name, found in scored.items()
    }  # per template (T,)
    return AxisAudit(
        comparison.axis,
        len(comparison.texts),
        len(comparison.texts) * len(comparison.texts[0]) * len(comparison.groups),
        {name: float(values.mean()) for name, values in sizes.items()},
        {
            name: float(np.mean([rows_flipped(found[at].decided, *pair[1:]) for pair in pairs]))
            for name, found in scored.items()
        },
        {
            name: sum(cell.axis == comparison.axis and cell.p_values[name] <= ALPHA for cell in cells)
            for name in scored
        },
        {}
        if reference is None
        else {
            name: mean_interval(values - sizes[reference], rng)
            for name, values in sizes.items()
            if name != reference
        },
    )
