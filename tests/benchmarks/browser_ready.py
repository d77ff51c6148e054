"""Seconds until the page of docs/browser takes a text, in a real Chromium on localhost.

    NODE_MODULES=... python -m tests.benchmarks.browser_ready BUNDLE [--rounds 5]

Each round has a browser with an empty profile: the first load fetches page, runtime and bundle from the server and
repeats the self-test; the second is served by the page's own worker. The load of the machine is printed.
"""

import argparse
import os
import statistics
import tempfile
from pathlib import Path

from tests.browser.test_page import CHROMIUM, MODULES, ask

READY = """
const frame = document.body.appendChild(document.createElement("iframe"));
async function seconds() {
  const before = performance.now();
  frame.src = "index.html?lang=en";
  await new Promise((resolve) => (frame.onload = resolve));
  while (!frame.contentDocument.body.dataset.ready) await new Promise((resolve) => setTimeout(resolve, 5));
  return (performance.now() - before) / 1000;
}
const first = await seconds();
while (!frame.contentWindow.navigator.serviceWorker.controller)
  await new Promise((resolve) => setTimeout(resolve, 50));
await new Promise((resolve) => setTimeout(resolve, 1000));
return [first, await seconds()];
"""


def main() -> None:
    """Print the seconds of every round, and their medians."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    if not CHROMIUM or not MODULES:
        raise SystemExit("error: This needs a Chromium, and the folder of node modules in NODE_MODULES.")
    rounds = []
    for _ in range(arguments.rounds):
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            load = os.getloadavg()[0]
            first, second = ask(Path(folder), arguments.bundle, [], READY)
        rounds.append((first, second))
        print(
            f"first {first:.2f} s, second {second:.2f} s (load {load:.1f} of {os.cpu_count()} cores)", flush=True
        )
    firsts, seconds = zip(*rounds, strict=True)
    print(f"median: first {statistics.median(firsts):.2f} s, second {statistics.median(seconds):.2f} s")


if __name__ == "__main__":
    main()
