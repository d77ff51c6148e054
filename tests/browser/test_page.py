"""The example page of docs/browser in a real browser: Transformers.js answers as the runtime does.

Wants a Chromium, and in TRANSFORMERS_JS the node_modules folder that `npm install --ignore-scripts
@huggingface/transformers` made.
"""

import json
import os
import shutil
import subprocess
import threading
from collections.abc import Callable
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from distill.export.measure.latency import SYNTHETIC_TEXTS
from distill.export.runtime import load
from tests.support.command import ROOT

BROWSER = shutil.which("chromium") or shutil.which("google-chrome")
MODULES = os.environ.get("TRANSFORMERS_JS")
FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
).split()
PAGE = """<!doctype html><script type="module">
import { load } from "./classifier.js";
let answer;
try {
  const classifier = await load("bundle");
  const texts = await (await fetch("./texts.json")).json();
  answer = [];
  for (const text of texts) {
    const { labels } = await classifier.decide(text);
    answer.push({ ids: await classifier.ids(text), logits: await classifier.logits(text), labels });
  }
} catch (error) { answer = String(error); }
await fetch("/answer", { method: "POST", body: JSON.stringify(answer) });
</script>"""

pytestmark = pytest.mark.skipif(not BROWSER or not MODULES, reason="needs chromium and TRANSFORMERS_JS")


def handler(folder: Path, heard: Callable[[Any], None]) -> Callable[..., SimpleHTTPRequestHandler]:
    class Handler(SimpleHTTPRequestHandler):
        extensions_map = SimpleHTTPRequestHandler.extensions_map | {
            ".mjs": "text/javascript",
            ".wasm": "application/wasm",
        }

        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments, directory=str(folder))

        def do_POST(self) -> None:
            heard(json.loads(self.rfile.read(int(self.headers["content-length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            return

    return Handler


def site(folder: Path, bundle: Path, texts: list[str]) -> None:
    modules = Path(str(MODULES))
    shutil.copytree(ROOT / "docs/browser", folder)
    shutil.copytree(bundle, folder / "bundle")
    shutil.copy(modules / "@huggingface/transformers/dist/transformers.min.js", folder)
    for pattern in ("*.wasm", "*.mjs"):
        for path in (modules / "onnxruntime-web/dist").glob(pattern):
            shutil.copy(path, folder)
    (folder / "texts.json").write_text(json.dumps(texts))
    (folder / "test.html").write_text(PAGE)


def check_page(bundle: Path, folder: Path) -> None:
    """Check that the page, in the browser, has the ids, logits and decisions of the runtime."""
    classifier = load(bundle)
    texts = [*SYNTHETIC_TEXTS["short"], *SYNTHETIC_TEXTS["long"], *classifier.manifest.self_test.texts]
    site(folder / "site", bundle, texts)
    answers: list[Any] = []
    done = threading.Event()
    server = ThreadingHTTPServer(
        ("127.0.0.1", 0), handler(folder / "site", lambda answer: (answers.append(answer), done.set()))
    )
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}/test.html"
    command = [str(BROWSER), *FLAGS, f"--user-data-dir={folder / 'profile'}", address]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            assert done.wait(120), "the page did not answer"
        finally:
            process.kill()
            server.shutdown()
    found = answers[0]
    assert isinstance(found, list), found
    expected = classifier.predict(texts)
    logits = classifier.logits(texts)
    tolerance = classifier.manifest.self_test.tolerance
    for at, answer in enumerate(found):
        assert answer["ids"] == classifier.token_ids([texts[at]])[0], at
        assert answer["labels"] == list(expected[at].labels), at
        assert max(abs(a - float(b)) for a, b in zip(answer["logits"], logits[at], strict=True)) < tolerance, at


def test_transformers_js_answers_as_the_runtime(runs: Path, tmp_path: Path) -> None:
    check_page(Path(os.environ.get("BUNDLE", runs / "bundle")), tmp_path)


@pytest.mark.parametrize("name", ["ordinal-fp32", "ordinal-int8-static"])
def test_ordered_levels_are_decided_as_the_runtime_decides(name: str, tmp_path: Path) -> None:
    check_page(ROOT / "tests/golden" / name, tmp_path)
