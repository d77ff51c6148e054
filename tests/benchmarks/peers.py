"""A finished run's bundle beside what a user would pick instead: same rows, same texts, one interleaved run.

    make bench-peers RUN=runs/goemotions-static
    python -m tests.benchmarks.peers runs/goemotions --beside runs/goemotions-static --json peers.json > peers.md

Every peer is trained on the run's train rows, or loaded; its scores are calibrated and decided by the run's own
policy, fitted on validation. Times are string in to decision out, one thread; "seconds to make" are those of a
peer's training, and of a bundle's teacher, labels and student. A peer whose package is missing, or which cannot be
made of this run, is named with the reason. The teacher's graphs are kept in a folder, for there Optimum and
model2vec meet, which want different versions of transformers.
"""

import argparse
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import torch

from distill.artifacts.decided import read_decided
from distill.artifacts.quality import read_quality
from distill.corpora.corpus import label_matrix
from distill.evaluation.comparison import estimate
from distill.evaluation.decision import Decision
from distill.evaluation.evaluators import evaluator_of
from distill.evaluation.quality import EVALUATED, quality_of
from distill.export.measure.cpu import cpu_info
from distill.export.measure.latency import BenchTarget, time_interleaved
from distill.export.runtime import load
from distill.export.runtime.deciding.scores import Bools
from distill.export.runtime.deciding.task import Task
from distill.export.runtime.errors import InputError
from distill.files.json_files import write_json
from distill.files.sizes import folder_bytes
from tests.benchmarks.markdown import head_lines, line
from tests.benchmarks.peer import Made, Peer
from tests.benchmarks.peer_fasttext import fasttext_peers
from tests.benchmarks.peer_model2vec import model2vec_peers
from tests.benchmarks.peer_plain_export import plain_export_peers
from tests.benchmarks.peer_plain_kd import plain_kd_peers
from tests.benchmarks.peer_sentence_transformers import sentence_transformers_peers
from tests.benchmarks.peer_setfit import setfit_peers
from tests.benchmarks.peer_teacher import teacher_as_graph, teacher_in_int8, teacher_in_pytorch
from tests.benchmarks.peer_tfidf import tfidf_peers
from tests.support.finished import Shipped, open_shipped

BATCH = 32
HEAD = (
    *("model", "runtime", "macro-F1", "95 % interval", "MB", "p50 ms", "p95 ms"),
    *(f"texts/s, batches of {BATCH}", "seconds to make"),
)
PACKAGES = (
    *("numpy", "onnxruntime", "optimum", "torch", "transformers", "tokenizers", "scikit-learn"),
    *("fasttext-wheel", "model2vec", "sentence-transformers", "setfit"),
)


@dataclass(frozen=True)
class Kind:
    """A kind of peer: what makes it, and what has to be installed for it beyond the run's own packages."""

    make: Callable[[Made], list[Peer]]
    package: str = "distill-text[all]"


KINDS: Mapping[str, Kind] = {
    "tfidf": Kind(tfidf_peers),
    "fasttext": Kind(fasttext_peers, "fasttext-wheel"),
    "model2vec": Kind(model2vec_peers, "model2vec[distill,train]"),
    "sentence-transformers": Kind(sentence_transformers_peers, "sentence-transformers"),
    "teacher": Kind(teacher_in_pytorch),
    "teacher-onnx": Kind(teacher_as_graph),
    "teacher-int8": Kind(teacher_in_int8),
    "plain-export": Kind(plain_export_peers),
    "plain-kd": Kind(plain_kd_peers),
    "setfit": Kind(setfit_peers, "setfit"),
}


def main() -> None:
    """Make, judge, time, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="a finished run's folder")
    parser.add_argument(
        "--beside", nargs="+", type=Path, default=[], help="more runs on that corpus: their bundles"
    )
    parser.add_argument("--only", nargs="+", choices=KINDS, default=list(KINDS), help="kinds of peers")
    parser.add_argument("--texts", type=int, default=500, help="test texts that are timed")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--folder", type=Path, help="where graphs of peers are kept; RUN/peers otherwise")
    parser.add_argument("--json", type=Path, help="write everything there too")
    chosen = parser.parse_args()
    folder = chosen.folder or chosen.run / "peers"
    runs = [chosen.run, *chosen.beside]
    found = compare(runs, chosen.only, folder, texts=chosen.texts, rounds=chosen.rounds)
    print(markdown(found))
    if chosen.json is not None:
        write_json(found, chosen.json)


def compare(
    runs: Sequence[Path], kinds: Sequence[str], folder: Path, *, texts: int, rounds: int
) -> dict[str, Any]:
    """Plain data: `cpu`, `packages`, `rows` with quality, bytes and latency, and `skipped` with reasons.

    Raises:
        InputError: the runs are not all on the corpus of the first, of which the peers are made.
    """
    all_shipped = [open_shipped(run) for run in runs]
    shipped = all_shipped[0]
    corpus = shipped.run.corpus
    for run, one in zip(runs, all_shipped, strict=True):
        if one.run.corpus.fingerprint != corpus.fingerprint:
            raise InputError(f"{run}: its corpus is not that of {runs[0]}; compare runs on one corpus")
    torch.set_num_threads(1)
    folder.mkdir(exist_ok=True)
    peers, seconds, skipped = make_peers(Made(shipped, corpus, folder), kinds)
    known = {peer.name: judged(peer, corpus) for peer in peers}
    qualities = {name: quality_of(logits, corpus, shipped.recipe.decisions) for name, logits in known.items()}
    ours = {bundle_name(one): one for one in all_shipped}
    candidates = [BenchTarget(name, load(one.layout.bundle).predict) for name, one in ours.items()]
    for peer in peers:
        decision = qualities[peer.name].decision
        call = decide_with(peer, decision, corpus.task)
        candidates.append(BenchTarget(peer.name, call, runtime=peer.runtime))
    some = list(corpus.test.texts[:texts])
    single = time_interleaved(candidates, some, rounds=rounds)
    batches = time_interleaved(candidates, some, rounds=rounds, batch=BATCH)
    quality = {name: asdict(read_quality(one.layout.variant(one.variant.name)).test) for name, one in ours.items()}
    quality |= {name: found.test for name, found in qualities.items()}
    sizes = {name: folder_bytes(one.layout.bundle) for name, one in ours.items()}
    sizes |= {peer.name: peer.bytes for peer in peers}
    gold, evaluator = label_matrix(corpus.test, corpus.task), evaluator_of(corpus.task)
    decisions = {
        name: qualities[name].decision.decide(logits["test"], corpus.task) for name, logits in known.items()
    }
    decisions |= {name: decided_by(one) for name, one in ours.items()}
    intervals = {name: estimate(evaluator, made, gold, corpus.test.groups) for name, made in decisions.items()}
    seconds |= {name: seconds_of(one) for name, one in ours.items()}
    rows = [
        {
            "name": one.name,
            "runtime": one.runtime,
            "bytes": sizes[one.name],
            "test": quality[one.name],
            "interval": [intervals[one.name].low, intervals[one.name].high],
            "seconds": seconds[one.name],
            "single": vars(one),
            "batch": vars(many),
        }
        for one, many in zip(single, batches, strict=True)
    ]
    return {
        "runs": [run.name for run in runs],
        "cpu": cpu_info(),
        "packages": {name: found for name in PACKAGES if (found := installed(name))},
        "texts": len(some),
        "rounds": rounds,
        "rows": rows,
        "skipped": skipped,
    }


def bundle_name(shipped: Shipped) -> str:
    """What a run's bundle is called in the table."""
    return f"bundle of {shipped.run.layout.folder.name}, {shipped.variant.name}"


def decided_by(shipped: Shipped) -> Bools:
    """The decisions of a run's bundle on test, as its gate saw it."""
    corpus, layout = shipped.run.corpus, shipped.layout
    return read_decided(
        layout.variant(shipped.variant.name), layout.variant(shipped.variant.name), corpus
    ).decisions


def seconds_of(shipped: Shipped) -> float:
    """The seconds of the teacher's training, its labels, and the student's."""
    records = shipped.run.records
    return sum(
        record.seconds
        for name, record in records.items()
        if name.split("/")[0] in ("teacher", "labels", "student")
    )


def make_peers(made: Made, kinds: Sequence[str]) -> tuple[list[Peer], dict[str, float], dict[str, str]]:
    """The peers of these kinds, how long each kind took to make, by peer, and why there are none of some."""
    peers: list[Peer] = []
    seconds, skipped = {}, {}
    for name in kinds:
        kind = KINDS[name]
        started = time.perf_counter()
        try:
            found = kind.make(made)
            peers += found
            seconds |= dict.fromkeys((peer.name for peer in found), time.perf_counter() - started)
        except ModuleNotFoundError:
            skipped[name] = f'not installed: pip install "{kind.package}"'
        except Exception as error:  # each of them is other people's code; the others are worth having all the same
            skipped[name] = f"cannot be made of this run in this environment ({type(error).__name__})"
    return peers, seconds, skipped


def judged(peer: Peer, corpus: Any) -> dict[str, Any]:
    """Raw logits ``(N, C)`` of validation and test, each text alone, as the times of single texts are."""
    splits = dict(corpus.splits())
    return {
        split: peer.known[split]
        if split in peer.known
        else np.concatenate([peer.logits([text]) for text in splits[split].texts])
        for split in EVALUATED
    }


def decide_with(peer: Peer, decision: Decision, task: Task) -> Callable[[list[str]], object]:
    """From texts to decisions."""
    return lambda texts: decision.decide(peer.logits(texts), task)


def installed(package: str) -> str | None:
    """A package's version, where it is installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def markdown(found: Mapping[str, Any]) -> str:
    """The table, the machine above it and what was skipped below."""
    cpu, names = found["cpu"], ", ".join(f"`{name}`" for name in found["runs"])
    lines = [
        f"{names} on {cpu['model']} ({' '.join(cpu['flags'])}), one thread, {found['texts']} test texts, "
        f"median of {found['rounds']} interleaved rounds",
        "",
        *head_lines(HEAD),
    ]
    for row in found["rows"]:
        cells = (
            row["name"],
            row["runtime"],
            f"{row['test']['macro_f1']:.4f}",
            "{:.3f} to {:.3f}".format(*row["interval"]),
            f"{row['bytes'] / 1e6:.2f}",
            f"{row['single']['p50_ms']:.3f}",
            f"{row['single']['p95_ms']:.3f}",
            f"{row['batch']['texts_per_second']:.0f}",
            f"{row['seconds']:.0f}",
        )
        lines.append(line(cells))
    lines += [f"\nskipped, {name}: {reason}" for name, reason in found["skipped"].items()]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
