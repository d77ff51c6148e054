"""The worth of context to a student: its decisions on test by the number of turns it reads, and by roles."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from distill.artifacts.context import ContextReport, TurnsScore
from distill.artifacts.decided import read_decided
from distill.artifacts.quality import read_quality
from distill.corpora.corpus import Corpus, evenly_spread, label_matrix, test_groups
from distill.corpora.storage.token_rows import TokenRows
from distill.corpora.storage.windows import Windows
from distill.evaluation.bootstrap import Bootstrap
from distill.evaluation.comparison import paired_bootstrap
from distill.evaluation.evaluators import evaluator_of
from distill.export.measure.latency import BenchTarget, LatencyRow, time_interleaved
from distill.export.runtime import load
from distill.export.runtime.deciding.scores import Bools
from distill.export.runtime.reading.inputs import Row, Turns, Window
from distill.runs.progress import Reporter
from distill.students.families import StudentFamily
from distill.teachers.inference import predict_logits
from distill.teachers.tokenizers import load_tokenizer, pad_id_of, without_truncation

# turns of context up to which the student is tried, whatever it was trained with
MOST_TURNS = 10

# rows that are timed, spread over test
TIMED_ROWS = 100


@dataclass(frozen=True)
class ContextTester:
    """A student and the corpus whose test rows it did not see: one, or one per fold.

    Attributes:
        corpus: of conversations.
        student: the student's folder.
        quality: the folder of its quality, which has its decision.
        context_free: the folder of the student that was trained without context.
        context_free_quality: the folder of that student's quality.
    """

    corpus: Corpus
    student: Path
    quality: Path
    context_free: Path
    context_free_quality: Path


@dataclass(frozen=True)
class ContextInputs:
    """Everything that the report on context depends on.

    Attributes:
        testers: with the test rows that are decided.
        reads: what a row is.
        family: of the students.
        max_tokens: length at which rows are cut.
        bundle: the bundle, which is timed.
        rounds: rounds of timing.
        seed: seed of the bootstrap.
        reporter: shows a bar.
    """

    testers: Sequence[ContextTester]
    reads: Turns
    family: StudentFamily
    max_tokens: int
    bundle: Path
    rounds: int
    seed: int
    reporter: Reporter


def context_report(inputs: ContextInputs) -> ContextReport:
    """Decide the test rows by the number of turns that are read, and with swapped speakers."""
    reads, most = inputs.reads, max(inputs.reads.turns, MOST_TURNS)
    counts = range(most + 1)
    tried = {str(turns): replace(reads, turns=turns) for turns in counts}
    if len(reads.roles) > 1:
        tried["swapped"] = swapped(reads)
    with inputs.reporter.bar("try other contexts", len(tried) * len(inputs.testers)) as advance:
        parts = [_decided(tester, tried, inputs, advance) for tester in inputs.testers]
    decided = {name: np.concatenate([part.decisions[name] for part in parts]) for name in tried}
    tested = [tester.corpus for tester in inputs.testers]
    gold = np.concatenate([label_matrix(corpus.test, corpus.task) for corpus in tested])
    free = np.concatenate(
        [
            read_decided(tester.context_free, tester.context_free_quality, tester.corpus).decisions
            for tester in inputs.testers
        ]
    )
    evaluator, groups = evaluator_of(tested[0].task), test_groups(tested)

    def over(first: Bools, second: Bools) -> Bootstrap:
        return paired_bootstrap(evaluator, [first], [second], gold, groups, seed=inputs.seed)

    def score(decisions: Bools) -> float:
        return float(evaluator.score(decisions, gold))

    whole, without = decided[str(reads.turns)], decided["0"]
    swap = decided.get("swapped")
    times = _timed(inputs)
    return ContextReport(
        trained=reads.turns,
        rows=len(gold),
        conversations=len(gold) if groups is None else len(np.unique(groups)),
        by_turns=tuple(
            TurnsScore(
                turns=turns,
                read=_mean(parts, [part.read[str(turns)] for part in parts]),
                score=score(decided[str(turns)]),
                gain=over(decided[str(turns)], without),
                tokens=_mean(parts, [part.tokens[str(turns)] for part in parts]),
                p50_ms=times[turns].p50_ms if turns < len(times) else None,
                p95_ms=times[turns].p95_ms if turns < len(times) else None,
            )
            for turns in counts
        ),
        score=score(whole),
        without=score(without),
        trained_without=score(free),
        swapped=None if swap is None else score(swap),
        gain=over(whole, free),
        left_out=over(without, free),
        swap=None if swap is None else over(whole, swap),
    )


def _mean(parts: Sequence["_Part"], values: Sequence[float]) -> float:
    """Return the mean over the rows of all parts of a mean of each."""
    return float(np.average(values, weights=[part.rows for part in parts]))


def swapped(reads: Turns) -> Turns:
    """Return the input in which every speaker has the piece of the next role."""
    pieces = list(reads.roles.values())
    distinct = list(dict.fromkeys(pieces))
    following = dict(zip(distinct, [*distinct[1:], *distinct[:1]], strict=True))
    return replace(reads, roles={name: following[piece] for name, piece in reads.roles.items()})


@dataclass(frozen=True)
class _Part:
    """Decisions of one tester by the name of what was tried, with the mean turns and tokens that were read."""

    rows: int
    decisions: dict[str, Bools]
    read: dict[str, float]
    tokens: dict[str, float]


def _decided(
    tester: ContextTester, tried: dict[str, Turns], inputs: ContextInputs, advance: Callable[[int], None]
) -> _Part:
    corpus = tester.corpus
    model, tokenizer = inputs.family.load(tester.student, corpus.task), load_tokenizer(tester.student)
    decision = read_quality(tester.quality).decision
    part = _Part(len(corpus.test), {}, {}, {})
    windows = corpus.test.texts
    assert isinstance(windows, Windows)
    for name, reads in tried.items():
        reader = reads.reader(without_truncation(tokenizer), inputs.max_tokens, type_ids=True)
        encoded = reader.several(list(windows.with_context(reads.turns)))
        rows = TokenRows.typed((row.ids, row.type_ids) for row in encoded)
        logits = predict_logits(model.eval(), rows, pad_id=pad_id_of(tokenizer))
        part.decisions[name] = decision.decide(logits, corpus.task)
        part.tokens[name] = float(rows.lengths().mean())
        part.read[name] = float(np.mean([row.turns for row in encoded]))
        advance(1)
    return part


def _timed(inputs: ContextInputs) -> list[LatencyRow]:
    """Time the bundle on real rows by the number of turns, up to that of its training."""
    classifier = load(inputs.bundle)
    windows = inputs.testers[0].corpus.test.texts
    assert isinstance(windows, Windows)
    chosen = windows.at(evenly_spread(len(windows), TIMED_ROWS)).with_context(inputs.reads.turns)

    def target(turns: int) -> BenchTarget:
        def call(rows: list[Row]) -> object:
            short = [
                replace(row, context=row.context[len(row.context) - turns :])
                for row in rows
                if isinstance(row, Window)
            ]
            return classifier.predict(short)

        return BenchTarget(str(turns), call)

    targets = [target(turns) for turns in range(inputs.reads.turns + 1)]
    return time_interleaved(targets, list(chosen), kind="real", rounds=inputs.rounds)
