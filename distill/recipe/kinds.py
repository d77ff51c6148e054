"""Values and keys of a recipe that only some kinds of task have."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Calibration = Literal["temperature", "platt", "platt-per-label", "none"]


@dataclass(frozen=True)
class KindKeys:
    """The values and keys of a recipe that depend on the kind of task.

    `calibrations` are the choices of [decisions], the default first; `floors` the keys of [decisions] that set
    floors; `weights` the keys of [objective] that not every kind has; `meaning` says what labels a
    row has; `prior` is the usual calibration of a language model's scores. Labels of an `ordered` kind have an
    order that nobody can guess.
    """

    calibrations: tuple[Calibration, ...]
    floors: frozenset[str]
    weights: frozenset[str]
    meaning: str
    prior: str = "batch"
    ordered: bool = False


KINDS: Mapping[str, KindKeys] = {
    "ordinal": KindKeys(
        calibrations=("temperature", "none"),
        floors=frozenset({"never_below"}),
        weights=frozenset(),
        meaning="exactly one level per row",
        ordered=True,
    ),
    "single_label": KindKeys(
        calibrations=("temperature", "none"),
        floors=frozenset(),
        weights=frozenset({"decoupled_weight", "standardised_weight"}),
        meaning="exactly one label per row",
    ),
    "multi_label": KindKeys(
        calibrations=("platt-per-label", "platt", "temperature", "none"),
        floors=frozenset({"recall_floor", "precision_floor"}),
        weights=frozenset(),
        meaning="any number of labels per row",
        # the mean of a batch makes labels equally frequent, which is a wrong guess of many rare ones
        prior="none",
    ),
}
