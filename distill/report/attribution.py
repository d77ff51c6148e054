"""The contribution of distillation: over the twin, over several seeds, and agreement with the teacher."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from distill.artifacts.quality import QualityRecord
from distill.artifacts.report import Attribution, SeedScores, SeedSpread, SplitScores
from distill.evaluation.bootstrap import Bootstrap
from distill.evaluation.comparison import Groups, agreement, paired_bootstrap
from distill.evaluation.evaluator import Evaluator
from distill.export.runtime.deciding.scores import Bools, Floats
from distill.report.models import RunModel


def attribution(
    reference: str,
    decisions: Mapping[str, Bools],
    gold: Floats,
    evaluator: Evaluator,
    groups: Groups = None,
    *,
    seed: int,
) -> Attribution:
    """Compare the student that ships with its twin and with its teacher, on test rows.

    Args:
        reference: the name of the teacher, or of the ensemble.
        decisions: of it, of the student and of what ships by name, and of the twin where there is one.
        gold: 0/1 of the test rows, ``(N, C)``.
        evaluator: the task's.
        groups: the number of each row's group, where there are groups.
        seed: of the bootstrap.
    """
    models = {name: decided for name, decided in decisions.items() if name != reference}
    reference_decisions, gain = decisions[reference], None
    if "twin" in models:
        gain = {
            name: paired_bootstrap(evaluator, [models[name]], [models["twin"]], gold, groups, seed=seed)
            for name in models
            if name != "twin"
        }
    return Attribution(
        reference=reference,
        gain=gain,
        agreement={name: agreement(decided, reference_decisions) for name, decided in models.items()},
        copied_errors={
            name: evaluator.copied_errors(decided, reference_decisions, gold) for name, decided in models.items()
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


def spread(
    seeds: Sequence[SeedModels], gold: Floats, evaluator: Evaluator, groups: Groups = None, *, seed: int
) -> SeedSpread | None:
    """Return every seed's quality, its mean and standard deviation, and the mean gain over the twins.

    The task's headline metric throughout. The interval is a bootstrap over test rows, or their groups, of the
    mean over the seeds: it is about these students, and does not cover another seed.

    Args:
        seeds: the models per seed; None is returned where there are none.
        gold: 0/1 of the test rows, ``(N, C)``.
        evaluator: the task's.
        groups: the number of each row's group, where there are groups.
        seed: of the bootstrap.
    """
    if not seeds:
        return None
    models = [one_seed.by_role() for one_seed in seeds]
    decisions = {role: [by_role[role].test_decisions(evaluator.task) for by_role in models] for role in models[0]}
    tests = {role: np.array([evaluator.score(decided, gold) for decided in decisions[role]]) for role in decisions}
    return SeedSpread(
        rows=tuple(_scores(one_seed, evaluator) for one_seed in seeds),
        mean={role: float(values.mean()) for role, values in tests.items()},
        standard_deviation={
            role: float(values.std(ddof=1)) if len(values) > 1 else None for role, values in tests.items()
        },
        gain=_gain(decisions, gold, evaluator, groups, seed),
    )


def _gain(
    decisions: Mapping[str, Sequence[Bools]], gold: Floats, evaluator: Evaluator, groups: Groups, seed: int
) -> dict[str, Bootstrap] | None:
    if "twin" not in decisions:
        return None
    return {
        role: paired_bootstrap(evaluator, decisions[role], decisions["twin"], gold, groups, seed=seed)
        for role in ("student", "ships")
    }


def _scores(models: SeedModels, evaluator: Evaluator) -> SeedScores:
    return SeedScores(
        seed=models.seed,
        variant=models.ships.name,
        student=_headlines(models.student.quality(), evaluator),
        ships=_headlines(models.ships.quality(), evaluator),
        twin=None if models.twin is None else _headlines(models.twin.quality(), evaluator),
    )


def _headlines(quality: QualityRecord, evaluator: Evaluator) -> SplitScores:
    return SplitScores(quality.validation.metric(evaluator.headline), quality.test.metric(evaluator.headline))
