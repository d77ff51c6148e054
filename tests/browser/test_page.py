"""The page of docs/browser in a real browser: it answers as the runtime does, and without a network too.

Wants a Chromium, and in NODE_MODULES the folder that `npm install --ignore-scripts onnxruntime-web
@huggingface/transformers axe-core` made; without axe-core, nothing is said of accessibility.
"""

import gzip
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
from distill.export.runtime import Turn, load
from tests.support.command import ROOT

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
MODULES = os.environ.get("NODE_MODULES")
FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
).split()
RUNTIME = ("ort.wasm.min.mjs", "ort-wasm-simd-threaded.mjs", "ort-wasm-simd-threaded.wasm")
AXE = Path(str(MODULES)) / "axe-core/axe.min.js"
ASK = """<!doctype html><body><script type="module">
const texts = await (await fetch("./texts.json")).json();
let answer;
try { answer = await (async () => { %s })(); } catch (error) { answer = String(error); }
await fetch("/answer", { method: "POST", body: JSON.stringify(answer) });
</script>"""
OURS = """
const { load } = await import("./distill.js");
const classifier = await load("bundle");
const answers = [];
for (const text of texts) {
  const logits = await classifier.logits(text);
  answers.push({ ids: classifier.ids(text), logits, ...(await classifier.predict(text)) });
}
const times = [];
for (let at = 0; at < 100; at += 1) {
  const before = performance.now();
  await classifier.predict(texts[at %% texts.length]);
  times.push(performance.now() - before);
}
return { verified: await classifier.verify(), answers, milliseconds: times.sort((a, b) => a - b)[50] };
"""
TRANSFORMERS = """
const { AutoModelForSequenceClassification, AutoTokenizer, env } = await import("./transformers.min.js");
Object.assign(env, { allowLocalModels: true, allowRemoteModels: false, localModelPath: "./" });
env.backends.onnx.wasm.wasmPaths = "./";
const manifest = await (await fetch("./bundle/manifest.json")).json();
const dtype = manifest.model_file.endsWith("_quantized.onnx") ? "q8" : "fp32";
const tokenizer = await AutoTokenizer.from_pretrained("bundle");
const model = await AutoModelForSequenceClassification.from_pretrained("bundle", { dtype, device: "wasm" });
const answers = [];
for (const text of texts) {
  const inputs = await tokenizer(text);
  if (inputs.input_ids.data.length > manifest.max_tokens) { answers.push(null); continue; }
  const logits = Array.from((await model(inputs)).logits.data);
  answers.push({ ids: Array.from(inputs.input_ids.data, Number), logits });
}
return { answers };
"""
PAGE = """
const frame = document.body.appendChild(document.createElement("iframe"));
const until = async (check) => { while (!check()) await new Promise((resolve) => setTimeout(resolve, 50)); };
const shown = () => frame.contentDocument?.getElementById("decision")?.textContent ?? "";
async function typed(text) {
  frame.src = "index.html?lang=en";
  await new Promise((resolve) => (frame.onload = resolve));
  await until(() => frame.contentDocument.body.dataset.ready);
  const field = frame.contentDocument.querySelector("textarea");
  field.value = text;
  field.dispatchEvent(new frame.contentWindow.Event("input"));
  await until(() => shown().startsWith("Decision") || shown() === "No decision");
  const words = frame.contentDocument.getElementById("words");
  await until(() => words.children.length);
  return [shown(), words.textContent];
}
const first = await typed(texts[0]);
let serious = null;
if (texts[1]) {
  const script = frame.contentDocument.head.appendChild(frame.contentDocument.createElement("script"));
  script.src = "axe.min.js";
  await new Promise((resolve) => (script.onload = resolve));
  const { violations } = await frame.contentWindow.axe.run(frame.contentDocument);
  serious = violations.filter(({ impact }) => ["serious", "critical"].includes(impact)).map(({ id }) => id);
}
await until(() => frame.contentWindow.navigator.serviceWorker.controller);
await new Promise((resolve) => setTimeout(resolve, 1000));
await fetch("/down", { method: "POST", body: "null" });
return [first, await typed(texts[0]), serious];
"""
TALK = """
const frame = document.body.appendChild(document.createElement("iframe"));
frame.style.width = "360px";
const until = async (check) => { while (!check()) await new Promise((resolve) => setTimeout(resolve, 50)); };
const found = (id) => frame.contentDocument.getElementById(id);
async function opened(language) {
  frame.src = `index.html?lang=${language}`;
  await new Promise((resolve) => (frame.onload = resolve));
  await until(() => frame.contentDocument.body.dataset.ready);
}
async function typed(text) {
  const field = frame.contentDocument.querySelector("textarea");
  const before = found("decision").textContent;
  field.value = text;
  field.dispatchEvent(new frame.contentWindow.Event("input"));
  await until(() => found("decision").textContent !== before);
  return found("decision").textContent;
}
const blocks = () => Array.from(found("turns").children, (block) => ({
  said: block.querySelector(".said").textContent,
  decision: block.querySelector(".of-turn").textContent,
  scores: Array.from(block.querySelectorAll(".scores li"), (row) => row.textContent),
  read: block.querySelector(".quiet").textContent,
}));
await opened("en");
const ready = found("decision").textContent;
const wrong = await typed("client: sad\\nand tired");
const unfinished = await typed("client: sad\\nTherap");
const newest = await typed(texts.join("\\n"));
const { scrollWidth, clientWidth } = frame.contentDocument.documentElement;
let serious = null;
if (%s) {
  const script = frame.contentDocument.head.appendChild(frame.contentDocument.createElement("script"));
  script.src = "axe.min.js";
  await new Promise((resolve) => (script.onload = resolve));
  const { violations } = await frame.contentWindow.axe.run(frame.contentDocument);
  serious = violations.filter(({ impact }) => ["serious", "critical"].includes(impact)).map(({ id }) => id);
}
const english = blocks();
const button = found("roles").children[1];
button.focus();
const reached = frame.contentDocument.activeElement === button;
button.click();
const field = frame.contentDocument.querySelector("textarea");
const begun = [field.value.split("\\n").at(-1), reached, frame.contentDocument.activeElement === field];
const hidden = [found("file-section").hidden, found("scores-section").hidden];
await opened("zh");
const chinese = await typed(texts.join("\\n").replaceAll(": ", "\\uff1a"));
return { ready, wrong, unfinished, newest, english, begun, hidden, overflow: scrollWidth - clientWidth, serious,
  chinese, same: blocks().map(({ scores }) => scores) };
"""

pytestmark = pytest.mark.skipif(not CHROMIUM or not MODULES, reason="needs chromium and NODE_MODULES")


class Site:
    """A static server that also takes an answer, and can act as if there were no network."""

    def __init__(self, folder: Path) -> None:
        self.answer: Any = None
        self.done, self.is_down = threading.Event(), False
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler(folder))

    def _handler(self, folder: Path) -> Callable[..., SimpleHTTPRequestHandler]:
        site = self

        class Handler(SimpleHTTPRequestHandler):
            extensions_map = SimpleHTTPRequestHandler.extensions_map | {
                ".js": "text/javascript",
                ".mjs": "text/javascript",
                ".wasm": "application/wasm",
            }

            def __init__(self, *arguments: Any) -> None:
                super().__init__(*arguments, directory=str(folder))

            def do_GET(self) -> None:
                if site.is_down:
                    self.close_connection = True
                    return
                super().do_GET()

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                if self.path == "/down":
                    site.is_down = True
                else:
                    site.answer = body
                    site.done.set()
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                return

        return Handler


def ask(folder: Path, bundle: Path, texts: list[str], script: str) -> Any:
    """Return what a script in a page beside a bundle returns."""
    site, modules = folder / "site", Path(str(MODULES))
    shutil.copytree(ROOT / "docs/browser", site)
    shutil.copytree(bundle, site / "bundle")
    for name in RUNTIME:
        shutil.copy(modules / "onnxruntime-web/dist" / name, site)
    if script is TRANSFORMERS:
        shutil.copy(modules / "@huggingface/transformers/dist/transformers.min.js", site)
        for pattern in ("*.wasm", "*.mjs"):
            for path in (modules / "onnxruntime-web/dist").glob(pattern):
                shutil.copy(path, site)
    if AXE.is_file():
        shutil.copy(AXE, site)
    (site / "texts.json").write_text(json.dumps(texts))
    (site / "ask.html").write_text(ASK % script.replace("%%", "%"))
    served = Site(site)
    threading.Thread(target=served.server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{served.server.server_port}/ask.html"
    command = [str(CHROMIUM), *FLAGS, f"--user-data-dir={folder / 'profile'}", address]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            assert served.done.wait(180), "the page did not answer"
        finally:
            process.kill()
            served.server.shutdown()
            served.server.server_close()
    assert not isinstance(served.answer, str), served.answer
    return served.answer


@pytest.fixture
def bundle(request: pytest.FixtureRequest) -> Path:
    """A bundle as today's code makes it, or the one in BUNDLE."""
    given = os.environ.get("BUNDLE")
    return Path(given) if given else Path(request.getfixturevalue("runs")) / "bundle"


def texts_for(bundle: Path) -> list[str]:
    self_test = load(bundle).manifest.self_test.texts
    return [*SYNTHETIC_TEXTS["short"], *SYNTHETIC_TEXTS["long"], *self_test, "", "😀😀", "我很难过 kill myself"]


def check(bundle: Path, texts: list[str], answers: list[Any], *, decisions: bool) -> None:
    classifier = load(bundle)
    expected, logits = classifier.predict(texts), classifier.logits(texts)
    tolerance = classifier.manifest.self_test.tolerance
    for at, answer in enumerate(answers):
        if answer is None:
            continue
        assert answer["ids"] == classifier.token_ids([texts[at]])[0], at
        assert max(abs(a - float(b)) for a, b in zip(answer["logits"], logits[at], strict=True)) < tolerance, at
        if decisions:
            assert answer["labels"] == list(expected[at].labels), at
            assert answer["handedOver"] == list(expected[at].handed_over), at
            assert answer["truncated"] == expected[at].truncated, at


@pytest.mark.parametrize("name", ["ordinal-fp32", "ordinal-int8-static", "static-int8-static"])
def test_the_page_answers_as_the_runtime(name: str, tmp_path: Path) -> None:
    bundle = ROOT / "tests/golden" / name
    texts = texts_for(bundle)
    found = ask(tmp_path, bundle, texts, OURS)
    assert found["verified"]
    check(bundle, texts, found["answers"], decisions=True)


def test_the_page_answers_for_a_bundle_of_today(bundle: Path, tmp_path: Path) -> None:
    texts = texts_for(bundle)
    found = ask(tmp_path, bundle, texts, OURS)
    print(f"p50 {found['milliseconds']:.2f} ms per text")
    check(bundle, texts, found["answers"], decisions=True)


def test_transformers_js_reads_the_bundle(bundle: Path, tmp_path: Path) -> None:
    texts = texts_for(bundle)
    check(bundle, texts, ask(tmp_path, bundle, texts, TRANSFORMERS)["answers"], decisions=False)


def test_what_is_typed_is_decided_without_a_network_too(tmp_path: Path) -> None:
    bundle = ROOT / "tests/golden/static-int8-static"
    text = load(bundle).manifest.self_test.texts[0]
    has_axe = ["axe"] if AXE.is_file() else []
    with_network, without, serious = ask(tmp_path, bundle, [text, *has_axe], PAGE)
    assert with_network == without
    assert with_network[1] == text
    assert with_network[0].startswith(("Decision", "No decision"))
    assert not serious


def test_a_conversation_is_decided_turn_by_turn(tmp_path: Path) -> None:
    bundle = ROOT / "tests/golden/turns-int8-static"
    talk = [("therapist", "so happy"), ("client", "i feel sad"), ("therapist", "thank you"), ("client", "so calm")]
    script = TALK.replace("%s", str(AXE.is_file()).lower())
    answer = ask(tmp_path, bundle, [f"{speaker}: {text}" for speaker, text in talk], script)
    expected = [found for found in load(bundle).predict_turns([Turn(*turn) for turn in talk]) if found is not None]
    assert answer["ready"] == "Type or paste a conversation."
    assert answer["wrong"] == "Line 2 begins with no speaker. Write one of client:, therapist: before it."
    assert answer["unfinished"].startswith("Newest turn: ")
    assert answer["newest"] == f"Newest turn: {answer['english'][-1]['decision']}"
    assert [block["said"] for block in answer["english"]] == ["client: i feel sad", "client: so calm"]
    for block, found in zip(answer["english"], expected, strict=True):
        assert block["decision"] == f"Decision: {', '.join(found.labels) or 'none of the labels'}"
        assert sorted(block["scores"]) == sorted(f"{label}{score:.2f}" for label, score in found.scores.items())
    assert [block["read"] for block in answer["english"]] == [
        "Read with one turn before it.",
        "Read with 3 turns before it.",
    ]
    assert answer["begun"] == ["therapist: ", True, True]
    assert answer["hidden"] == [True, True]
    assert answer["overflow"] <= 0
    assert not answer["serious"]
    assert answer["chinese"].startswith("最新一句——")
    assert answer["same"] == [block["scores"] for block in answer["english"]]


def test_the_page_is_small_over_the_wire() -> None:
    """The page, ONNX Runtime and a bundle of two megabytes: 17 MB as they are, 6 MB compressed, are the bounds."""
    dist = Path(str(MODULES)) / "onnxruntime-web/dist"
    files = [path for path in (ROOT / "docs/browser").rglob("*") if path.is_file() and path.suffix != ".ts"]
    contents = [path.read_bytes() for path in [*files, *(dist / name for name in RUNTIME)]]
    raw, packed = sum(map(len, contents)), sum(len(gzip.compress(content)) for content in contents)
    print(f"{raw / 1e6:.2f} MB, {packed / 1e6:.2f} MB gzip, without the bundle")
    assert raw <= 15e6
    assert packed <= 4e6
