"""The contribution of distillation: over the twin, over several seeds, and agreement with the teacher."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from distill.artifacts.report import Attribution, SeedScores, SeedSpread, SplitScores
from distill.corpora.task import TaskKind
from distill.evaluation.bootstrap import Bootstrap
from distill.evaluation.comparison import agreement, copied_errors, paired_bootstrap
from distill.evaluation.metrics import Bools, Floats, macro_f1
from distill.report.models import RunModel


def attribution(
    reference: RunModel, models: Mapping[str, RunModel], gold: Floats, kind: TaskKind, *, seed: int
) -> Attribution:
    """Compare the student that ships with its twin and with its teacher, on test rows.

    Args:
        reference: the teacher, or the ensemble.
        models: the student and what ships by name, and the twin where there is one.
        gold: 0/1 of the test rows, ``(N, C)``.
        kind: of the task.
        seed: of the bootstrap.
    """
    decisions = {name: model.test_decisions(kind) for name, model in models.items()}
    reference_decisions = reference.test_decisions(kind)
    gain = None
    if "twin" in models:
        gain = {
            name: paired_bootstrap([decisions[name]], [decisions["twin"]], gold, seed=seed)
            for name in models
            if name != "twin"
        }
    return Attribution(
        reference=reference.name,
        gain=gain,
        agreement={name: agreement(decided, reference_decisions) for name, decided in decisions.items()},
        copied_errors={
            name: copied_errors(decided, reference_decisions, gold, kind) for name, decided in decisions.items()
        },
    )


@dataclass(frozen=True)
class SeedModels:
    """The models of one seed; `ships` is the variant that would ship, `twin` is None without a comparison."""

    seed: int
    student: RunModel
    ships: RunModel
    twin: RunModel | None

    def by_role(self) -> dict[str, RunModel]:
        """Return the models by the report's names of their roles."""
        models = {"student": self.student, "ships": self.ships}
        return models if self.twin is None else {**models, "twin": self.twin}


def spread(seeds: Sequence[SeedModels], gold: Floats, kind: TaskKind, *, seed: int) -> SeedSpread | None:
    """Return every seed's quality, its mean and standard deviation, and the mean gain over the twins.

    Macro-F1 throughout. The interval is a bootstrap over test rows of the mean over the seeds: it is about these
    students, and does not cover another seed.

    Args:
        seeds: the models per seed; None is returned where there are none.
        gold: 0/1 of the test rows, ``(N, C)``.
        kind: of the task.
        seed: of the bootstrap.
    """
    if not seeds:
        return None
    models = [one_seed.by_role() for one_seed in seeds]
    decisions = {role: [by_role[role].test_decisions(kind) for by_role in models] for role in models[0]}
    tests = {role: np.array([macro_f1(decided, gold) for decided in decisions[role]]) for role in decisions}
    return SeedSpread(
        rows=tuple(_scores(one_seed) for one_seed in seeds),
        mean={role: float(values.mean()) for role, values in tests.items()},
        standard_deviation={
            role: float(values.std(ddof=1)) if len(values) > 1 else None for role, values in tests.items()
        },
        gain=_gain(decisions, gold, seed),
    )


def _gain(decisions: Mapping[str, Sequence[Bools]], gold: Floats, seed: int) -> dict[str, Bootstrap] | None:
    if "twin" not in decisions:
        return None
    return {
        role: paired_bootstrap(decisions[role], decisions["twin"], gold, seed=seed)
        for role in ("student", "ships")
    }


def _scores(models: SeedModels) -> SeedScores:
    return SeedScores(
        seed=models.seed,
        variant=models.ships.name,
        student=_macro_f1(models.student.quality()),
        ships=_macro_f1(models.ships.quality()),
        twin=None if models.twin is None else _macro_f1(models.twin.quality()),
    )


def _macro_f1(quality: Mapping[str, Any]) -> SplitScores:
    return SplitScores(quality["validation"]["macro_f1"], quality["test"]["macro_f1"])
