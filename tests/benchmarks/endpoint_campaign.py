"""Label GoEmotions' test rows through a server that misbehaves, and kill the command at many places.

    python -m tests.benchmarks.endpoint_campaign CORPORA/goemotions OUT [--kills 50]

Three commands label the same rows. One is undisturbed. The server of the second cuts 5 % of the connections,
answers 5 % with 429 and 5 % with broken JSON or a NaN, and dies twice for two seconds. The third has the same
trouble, and is killed (SIGKILL) at `--kills` places. The script prints the number of requests, how many whole
answers came twice, and whether the files have the same bytes.
"""

import argparse
import hashlib
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from distill.corpora.corpus import Split
from distill.export.runtime.deciding.kinds.single_label import SingleLabel
from distill.labelling.codebook import codebook_of
from distill.labelling.endpoint.open import label_rows, open_endpoint
from distill.recipe.llm import EndpointRecipe, VerbaliserRecipe
from distill.runs.progress import Reporter
from distill.teachers.store import LabelIdentity
from tests.support.fake_openai import FakeModel, fake_openai

TROUBLE = {"cut": 0.05, "429": 0.05, "broken": 0.025, "nan": 0.025}
OUTAGES, OUTAGE_S = 2, 2.0

# parts of the texts that a probe sends
PROBES = ("slept well", "called back", "handed in")


def label(url: str, source: Path, folder: Path) -> None:
    """Label the test rows, as a command's stage does."""
    labels = tuple((source / "labels.txt").read_text(encoding="utf-8").split())
    lines = (source / "test.tsv").read_text(encoding="utf-8").splitlines()
    texts = [line.split("\t")[0] for line in lines]
    book = codebook_of(VerbaliserRecipe(), SingleLabel(labels), Split([], None), 0)
    recipe = EndpointRecipe(url=url, model="fake", concurrency=8, retries=8)
    identity = LabelIdentity("campaign", "", "goemotions test", "test", labels, 0)
    with open_endpoint(recipe, book, folder / "answers") as labeller:
        label_rows(labeller, folder / "scores", texts, identity, Reporter(quiet=True))


@contextmanager
def mortal(model: FakeModel, outages: int, every: int) -> Iterator[str]:
    """Serve a model, and close the server for a while whenever it has answered `every` further requests."""
    with fake_openai(model) as url:
        pass  # a free port
    port, ended = int(url.rsplit(":", 1)[1].split("/")[0]), threading.Event()

    def serve() -> None:
        for number in range(outages + 1):
            with fake_openai(model, port):
                aim = (number + 1) * every if number < outages else sys.maxsize
                while len(model.answered) < aim and not ended.is_set():
                    time.sleep(0.05)
            if ended.is_set():
                return
            time.sleep(OUTAGE_S)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield url
    finally:
        ended.set()
        thread.join()


def file_hashes(folder: Path) -> dict[str, str]:
    """Return the sha256 of each shard."""
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.glob("*.parquet"))}


def run(source: Path, folder: Path, model: FakeModel, *, outages: int, kills: int) -> dict[str, str]:
    """Label with one model, killed at some places, and print what it was asked."""
    start, killed = time.monotonic(), 0
    total = 2 * len((source / "test.tsv").read_text(encoding="utf-8").splitlines())
    with mortal(model, outages, total // 3) as url:
        while True:
            before = len(model.answered)
            child = multiprocessing.get_context("spawn").Process(target=label, args=(url, source, folder))
            child.start()
            if killed < kills:
                aim = before + (total - before) // (kills - killed + 1)
                while child.is_alive() and len(model.answered) < aim:
                    time.sleep(0.002)
                if child.is_alive():
                    os.kill(child.pid or 0, signal.SIGKILL)
                    killed += 1
                    child.join()
                    continue
            child.join()
            if child.exitcode == 0:
                break
            print(f"  exit {child.exitcode}; the same command again")
    rows: Counter[str] = Counter()
    for text, count in model.answered.items():
        if not any(part in text for part in PROBES):
            rows["whole"] += count
            rows["again"] += count - 1
    print(
        f"{folder.name}: {sum(model.asked.values())} requests, {rows['whole']} whole answers to {total} "
        f"questions, {rows['again']} of them a second time, {killed} kills, {time.monotonic() - start:.0f} s"
    )
    return file_hashes(folder / "scores")


def main() -> None:
    """Read the arguments, and label three times."""
    parser = argparse.ArgumentParser()
    parser.add_argument("source", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--kills", type=int, default=50)
    given = parser.parse_args()
    expected = run(given.source, given.out / "undisturbed", FakeModel(), outages=0, kills=0)
    troubled = run(given.source, given.out / "misbehaving", FakeModel(trouble=TROUBLE), outages=OUTAGES, kills=0)
    killed = run(
        given.source, given.out / "killed", FakeModel(trouble=TROUBLE, seed=1), outages=OUTAGES, kills=given.kills
    )
    print(f"same bytes: misbehaving {troubled == expected}, killed {killed == expected}; {len(expected)} shards")


if __name__ == "__main__":
    main()
