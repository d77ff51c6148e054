"""Fuzz campaign for bundles and texts: `python -m tests.campaigns.fuzz_bundles [--cases N] [--seed N]`.

Manifests, tokenizer files and graphs are spoiled, their hashes made true again, loaded and predicted with; whole
bundles get texts that nobody would write. A case must end in a result or in an error of our own, within limits
of time and memory, and print nothing. Where onnxruntime itself crashes on a graph, that is counted beside: an
unpinned bundle means trusting its parser. Exits 1 where anything else went wrong.
"""

import argparse
import sys
import time
from collections.abc import Iterator

from tests.campaigns.bundle_cases import CASES, make_bases, run_case
from tests.campaigns.children import REFUSED, RESULT, Tally, run_cases

SECONDS_BETWEEN_LINES = 10.0
GRAPHS = ("graph-fields", "graph-bytes")


def case_names(cases: int, seed: int) -> Iterator[str]:
    """`cases` names, each target with its share, in turns."""
    total = sum(share for _, share in CASES.values())
    for target, (_, share) in CASES.items():
        for number in range(cases * share // total):
            yield f"{target}/{seed}/{number}"


def crashes_of_onnxruntime(tally: Tally) -> dict[str, str]:
    """Children that died on a graph."""
    return {
        name: said for name, said in tally.wrong.items() if name.startswith(GRAPHS) and said.startswith("killed")
    }


def report(tally: Tally, seconds: float) -> str:
    """The table of what was measured."""
    kinds = [RESULT, REFUSED, "uncaught", "printed", "hang", "killed"]
    lines = [f"{'target':<18}{'cases':>8}" + "".join(f"{kind:>10}" for kind in kinds)]
    rows = [
        *tally.ended.items(),
        ("all", sum(tally.ended.values(), start=type(next(iter(tally.ended.values())))())),
    ]
    for target, ended in rows:
        lines.append(f"{target:<18}{ended.total():>8}" + "".join(f"{ended[kind]:>10}" for kind in kinds))
    crashes = crashes_of_onnxruntime(tally)
    lines.append(
        f"{rows[-1][1].total()} cases in {seconds:.0f} s, {len(tally.wrong) - len(crashes)} uncaught, "
        f"{len(crashes)} crashes inside onnxruntime"
    )
    return "\n".join(lines)


def main() -> int:
    """Run the campaign."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=66_000, help="how many in all (default 66000)")
    parser.add_argument("--seed", type=int, default=0, help="another seed gives other cases (default 0)")
    parser.add_argument("--target", choices=list(CASES), help="of this target only")
    parser.add_argument(
        "--only", metavar="NAME", action="append", help="run this case, by the name that was printed"
    )
    chosen = parser.parse_args()
    names = chosen.only or [
        name for name in case_names(chosen.cases, chosen.seed) if chosen.target in (None, name.partition("/")[0])
    ]
    start = last = time.monotonic()

    def progress(done: int, tally: Tally) -> None:
        nonlocal last
        if time.monotonic() - last >= SECONDS_BETWEEN_LINES:
            last = time.monotonic()
            print(
                f"{done} of {len(names)} cases, {len(tally.wrong)} to look at, {last - start:.0f} s",
                file=sys.stderr,
                flush=True,
            )

    tally = run_cases(names, make_bases, run_case, progress)
    for name, said in tally.wrong.items():
        print(f"{name} {said}")
    print(report(tally, time.monotonic() - start))
    return 1 if len(tally.wrong) > len(crashes_of_onnxruntime(tally)) else 0


if __name__ == "__main__":
    sys.exit(main())
