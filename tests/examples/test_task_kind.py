"""The example of CONTRIBUTING: one more kind of task, at most one label per row, as a class on each floor."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, final

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from distill.corpora.assembly.read import read_corpus
from distill.corpora.assembly.spec import CorpusSpec
from distill.corpora.corpus import label_matrix
from distill.corpora.reading.cells.labels import LabelError, Token, tokens_of
from distill.corpora.storage.columns import LabelRows
from distill.corpora.storage.parquet import load_corpus, save_corpus
from distill.corpora.targets import CODECS, Targets
from distill.evaluation.decided import DecidedRows, decided_rows
from distill.evaluation.decision import Decision, Logits
from distill.evaluation.evaluator import Gold, Groups
from distill.evaluation.evaluators import EVALUATORS, evaluator_of
from distill.evaluation.metrics import Quality, accuracy, mean_label_kappa, quality_of_labels
from distill.evaluation.reliability import brier_of_rows, ece_of_top
from distill.export.gate import Bounds, Check
from distill.export.runtime.deciding.scores import Bools, Doubles, Floats, one_hot, sigmoid
from distill.export.runtime.deciding.task import (
    LOGITS,
    GraphNode,
    HeadPlan,
    Noticed,
    Output,
    Policy,
    Prediction,
    prediction_of,
)
from distill.export.runtime.deciding.tasks import TASKS, task_of
from distill.export.runtime.errors import BundleError, InputError
from distill.export.runtime.manifest.manifest import Manifest
from distill.export.runtime.manifest.tagged import Tagged, TaggedDecision
from distill.export.runtime.untrusted.fields import Fields
from distill.objectives.mixed import Objective
from distill.objectives.task_loss import LOSSES, bernoulli_kl, binary_cross_entropy
from tests.support.tiny_bundle import tiny_manifest

KIND = "at_most_one"
LABELS = ("anger", "fear", "joy")


# export/runtime/deciding/kinds/: the decision rule, with numpy alone, for it ships
@final
@dataclass(frozen=True)
class AtMostOne:
    """The label with the highest score where that is at least a half, else none."""

    kind: ClassVar[str] = KIND
    activation: ClassVar[str] = "sigmoid"
    problem_type: ClassVar[str] = "multi_label_classification"
    confidence_rule: ClassVar[str] = "top_score"
    floor_kinds: ClassVar[tuple[str, ...]] = ()
    set_kind: ClassVar[str] = "labels"
    manifest_version: ClassVar[int] = 1
    manifest_output: ClassVar[Tagged | None] = None
    manifest_decision: ClassVar[type[TaggedDecision] | None] = None
    outputs: ClassVar[tuple[Output, ...]] = (LOGITS,)

    labels: tuple[str, ...]

    @property
    def num_labels(self) -> int:
        return len(self.labels)

    num_outputs = num_labels

    @property
    def num_thresholds(self) -> int:
        return 0

    @property
    def head(self) -> HeadPlan:
        return HeadPlan((-1.0,) * len(self.labels))

    def finish(self, calibrated: Floats) -> Floats:
        return calibrated

    def finish_nodes(self) -> tuple[GraphNode, ...]:
        return ()

    def scores(self, logits: Floats) -> Floats:
        return sigmoid(logits)

    def decide(self, scores: Floats, policy: Policy) -> Bools:
        return one_hot(scores.argmax(axis=1), scores.shape[1]) & (scores >= 0.5)

    def confidence(self, scores: Floats, decisions: Bools) -> Doubles:
        top = scores.astype(np.float64).max(axis=1)
        return np.asarray(np.where(decisions.any(axis=1), top, 1 - top))

    def prediction(self, scores: list[float], policy: Policy, noticed: Noticed) -> Prediction:
        top = max(scores)
        chosen = (self.labels[scores.index(top)],) if top >= 0.5 else ()
        return prediction_of(self, scores, chosen, max(top, 1 - top), policy, noticed)

    def predictions(self, scores: Doubles, policy: Policy, noticed: list[Noticed]) -> list[Prediction]:
        return [self.prediction(row, policy, seen) for row, seen in zip(scores.tolist(), noticed, strict=True)]

    def flagged(self, floor_kind: str, label: str) -> tuple[str, ...]:
        return ()

    def possible(self, held: list[bool]) -> tuple[str, ...]:
        return tuple(label for label, yes in zip(self.labels, held, strict=True) if yes)

    def possible_mask(self, held: Bools) -> Bools:
        return held

    def check_policy(self, policy: Policy, fields: Fields) -> None:
        if policy.thresholds is not None:
            raise fields.error("thresholds", f"null where task is {self.kind}")


# corpora/targets.py: cells to targets, and back
@final
@dataclass(frozen=True)
class AtMostOneTargets:
    """Targets are class ids, int32 (N,), -1 for none."""

    several: ClassVar[bool] = True

    def parse(self, cell: object, delimiter: str | None) -> tuple[Token, ...]:
        tokens = tokens_of(cell, delimiter, split=True)
        if len(tokens) > 1:
            raise LabelError(f"{len(tokens)} labels where a row has at most 1")
        return tokens

    def merge(self, votes: Sequence[tuple[int, ...]]) -> tuple[int, ...]:
        return Counter(votes).most_common(1)[0][0]

    def encode(self, labels: LabelRows, num_labels: int) -> Targets:
        targets = np.full(len(labels), -1, dtype=np.int32)
        targets[labels.row_of_value()] = labels.values
        return targets

    def decode(self, targets: Targets) -> LabelRows:
        rows = np.flatnonzero(targets >= 0)
        return LabelRows.of_pairs(rows, targets[rows], len(targets))

    def indicator(self, targets: Targets, num_labels: int) -> NDArray[np.float32]:
        return (targets[:, None] == np.arange(num_labels)).astype(np.float32)


# distill/evaluation/kinds/: what is fitted, reported and gated
@final
@dataclass(frozen=True)
class AtMostOneEvaluator:
    """Judged by the share of rows that are decided exactly as gold."""

    headline: ClassVar[str] = "accuracy"
    title: ClassVar[str] = "accuracy"
    further: ClassVar[tuple[str, ...]] = ()

    task: AtMostOne

    def head_gold(self, gold: Floats) -> Floats:
        return gold

    def head_logits(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        return scores

    def fit(self, logits: Logits, gold: Gold, policy: Any, groups: Groups = None) -> Decision:
        scale = 1 / self.fit_temperature(logits, gold)
        return Decision((scale,) * gold.shape[1], (0.0,) * gold.shape[1], None)

    def fit_temperature(self, logits: Logits, gold: Gold) -> float:
        from distill.evaluation.calibration import bernoulli_loss, fit_temperature

        return fit_temperature(logits, gold, bernoulli_loss)

    def quick_score(self, logits: Logits, gold: Gold) -> float:
        return self.score(self.task.decide(self.task.scores(logits), Policy()), gold)

    def evaluate(self, rows: DecidedRows, policy: Policy) -> Quality:
        return quality_of_labels(
            rows.scores,
            rows.decisions,
            rows.gold,
            self.task.labels,
            accuracy=accuracy(rows.decisions, rows.gold),
            kappa=mean_label_kappa(rows.decisions, rows.gold),
            brier=brier_of_rows(rows.scores, rows.gold),
            ece=ece_of_top(rows.scores, rows.gold),
        )

    def score(self, decisions: Bools, gold: Floats) -> float:
        return accuracy(decisions, gold)

    def resampled(self, decisions: Bools, gold: Floats, weights: Floats) -> Floats:
        right = (decisions == (gold > 0)).all(axis=1)
        return np.asarray(weights @ right / weights.sum(axis=1))

    def compare(self, variant: Bools, reference: Bools, gold: Gold, bounds: Bounds) -> tuple[Check, ...]:
        flips = float((variant != reference).any(axis=1).mean())
        return (Check("rows with a flip", flips, bounds.max_row_flip_rate),)

    def floor_metrics(self, decisions: Bools, gold: Floats) -> Mapping[str, Floats]:
        return {}

    def floor_scores(self, scores: Floats) -> Floats:
        return scores

    def floor_rows(self, gold: Floats) -> Bools:
        return np.asarray(gold > 0)

    def copied_errors(self, student: Bools, teacher: Bools, gold: Floats) -> float | None:
        wrong = (teacher != (gold > 0)).any(axis=1)
        return float((student == teacher).all(axis=1)[wrong].mean()) if wrong.any() else None

    def average_probabilities(self, members: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
        mean = np.mean([sigmoid(logits) for logits in members], axis=0)
        return np.asarray(np.log(mean) - np.log1p(-mean))


# distill/objectives/task_loss.py: the hard and the soft loss
@final
@dataclass(frozen=True)
class AtMostOneLoss:
    """A Bernoulli variable per label; targets are class ids, -1 for none."""

    kind: ClassVar[str] = KIND
    target_dtype: ClassVar[torch.dtype] = torch.int64
    target_axes: ClassVar[int] = 1

    def hard(self, student: Tensor, targets: Tensor, weights: Tensor | None = None) -> Tensor:
        ones = targets[:, None] == torch.arange(student.shape[-1], device=student.device)
        return binary_cross_entropy(student, ones, weights)

    def soft(self, student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
        return bernoulli_kl(student, teacher, temperature)

    def probabilities(self, logits: Tensor, temperature: float) -> Tensor:
        return (logits.float() / temperature).sigmoid()


@pytest.fixture(autouse=True)
def _kind(monkeypatch: pytest.MonkeyPatch) -> None:
    # what a new kind writes into the four literal dicts
    for floor, entry in (
        (TASKS, AtMostOne),
        (CODECS, AtMostOneTargets()),
        (EVALUATORS, AtMostOneEvaluator),
        (LOSSES, AtMostOneLoss()),
    ):
        monkeypatch.setitem(floor, KIND, entry)


def test_its_rows_are_read_stored_and_counted(tmp_path: Path) -> None:
    cells = [("", *LABELS)[number % 4] for number in range(80)]
    path = tmp_path / "rows.csv"
    path.write_text("text,labels\n" + "".join(f"row {at},{cell}\n" for at, cell in enumerate(cells)))
    spec = CorpusSpec(str(path), KIND, ("text",), "labels", label_names=LABELS)
    corpus, _ = read_corpus(spec, seed=1)
    save_corpus(corpus, tmp_path / "corpus")
    again = load_corpus(tmp_path / "corpus")
    assert again.fingerprint == corpus.fingerprint
    for _, split in again.splits():
        expected = [cells[int(text.split()[1])] for text in split.texts]
        gold = label_matrix(split, again.task)
        assert [LABELS[row.argmax()] if row.any() else "" for row in gold] == expected
    path.write_text('text,labels\nrow,"joy,fear"\n')
    with pytest.raises(InputError, match="2 labels where a row has at most 1"):
        read_corpus(spec, seed=1)


def test_it_learns_is_calibrated_and_judged() -> None:
    rng = np.random.default_rng(3)
    targets = rng.integers(-1, 3, 400).astype(np.int32)  # one of three labels, or none
    inputs = (2 * np.eye(4)[targets] + 0.5 * rng.normal(size=(400, 4))).astype(np.float32)
    task, gold = task_of(KIND, LABELS), CODECS[KIND].indicator(targets, 3)
    evaluator, objective = evaluator_of(task), Objective(LOSSES[KIND], 2.0, 0.5)
    network = torch.nn.Linear(4, task.num_outputs)
    with torch.no_grad():
        network.bias.copy_(torch.tensor(task.head.biases))
    optimizer = torch.optim.Adam(network.parameters(), lr=0.1)
    teacher = torch.from_numpy(8 * gold - 4)
    labelled = torch.ones(len(gold), dtype=torch.bool)
    for _ in range(40):
        optimizer.zero_grad()
        loss = objective(network(torch.from_numpy(inputs)), teacher, torch.from_numpy(targets).long(), labelled)
        loss.backward()
        optimizer.step()
    logits = network(torch.from_numpy(inputs)).detach().numpy()
    decision = evaluator.fit(logits, gold, policy=None)  # type: ignore[arg-type]  # this kind has no policy
    scores, decided = decision.scores(logits, task), decision.decide(logits, task)
    quality = evaluator.evaluate(decided_rows(scores, gold, decision.policy, evaluator.task), decision.policy)
    assert (decided.sum(axis=1) <= 1).all()
    assert quality.accuracy == evaluator.score(decided, gold) == evaluator.quick_score(logits, gold) > 0.8
    assert evaluator.resampled(decided, gold, np.ones((1, 400), np.float32))[0] == pytest.approx(quality.accuracy)
    assert evaluator.compare(decided, decided, gold, Bounds())[0].value == 0
    told = task.predictions(scores.astype(np.float64), decision.policy, [Noticed(False)] * 400)
    assert [list(found.labels) for found in told] == [
        [LABELS[at] for at in np.flatnonzero(row)] for row in decided
    ]


def test_its_manifest_is_read_back_and_checked() -> None:
    manifest = replace(tiny_manifest("single_label"), task=KIND, activation="sigmoid")
    assert Manifest.from_dict(manifest.to_dict(), "manifest.json") == manifest
    with pytest.raises(BundleError, match="null where task is at_most_one"):
        Manifest.from_dict({**manifest.to_dict(), "thresholds": [0.5, 0.5, 0.5]}, "manifest.json")
