"""Warnings about a finished run whose bundle is no better than a cheaper alternative to distillation."""

from collections.abc import Iterator, Mapping, Sequence

from distill.artifacts.model_report import ModelReport
from distill.artifacts.report import Headline
from distill.evaluation.bootstrap import Bootstrap

REMEDY = "more rows, texts without labels (corpus.transfer), [augmentation] or more student.epochs may help"


def shortfalls(
    models: Sequence[ModelReport],
    chosen: str,
    baseline: str,
    gain: Mapping[str, Bootstrap] | None,
    headline: Headline,
) -> tuple[str, ...]:
    """Return one sentence per model, twin or baseline, that the bundle does not beat.

    Args:
        models: all of the run.
        chosen: the variant in the bundle.
        baseline: the name of the model that a bundle should beat.
        gain: the headline over the twin's on the same rows, by model; None without a twin.
        headline: the metric that models are compared by.
    """
    scores = {model.name: model.test.metric(headline.key) for model in models}
    return tuple(_sentences(scores, chosen, baseline, (gain or {}).get(chosen), headline.title))


def _sentences(
    scores: Mapping[str, float], chosen: str, baseline: str, gain: Bootstrap | None, title: str
) -> Iterator[str]:
    if gain is not None and gain.difference <= 0:
        yield (
            f"the bundle's {title} is {scores[chosen]:.3f}, compared with {scores['twin']:.3f} without a teacher "
            f"({gain.difference:+.3f}, 95 % interval {gain.low:+.3f} to {gain.high:+.3f}): the teacher did "
            f"not help here; {REMEDY}"
        )
    if scores[chosen] <= scores[baseline]:
        yield (
            f"the bundle's {title} is {scores[chosen]:.3f}, not above the {scores[baseline]:.3f} of TF-IDF on the "
            f"same rows; {REMEDY}"
        )
