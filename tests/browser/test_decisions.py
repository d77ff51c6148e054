"""The page's decision rule on the vectors that the runtime's is held to, in node: no browser, no model."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.support.command import ROOT

NODE = shutil.which("node")
VECTORS = ROOT / "tests/vectors/decisions.json"
# the page's only import, of which the rule needs nothing
STUB = "export const AutoModelForSequenceClassification = null, AutoTokenizer = null, env = {};\n"
CALL = """
import { readFileSync } from "node:fs";
import { decideLogits } from "./classifier.js";
const vectors = JSON.parse(readFileSync(process.argv[2], "utf-8"));
console.log(JSON.stringify(vectors.map(({ manifest, logits, seen }) => decideLogits(manifest, logits, seen))));
"""


REFUSE = """
import { checkInput } from "./classifier.js";
const said = (input) => { try { checkInput({ input }); return ""; } catch (error) { return error.message; } };
const pair = { kind: "pair", columns: ["question", "answer"] };
console.log(JSON.stringify([undefined, { kind: "text" }, pair].map(said)));
"""


def run_node(folder: Path, script: str, *arguments: str) -> Any:
    shutil.copy(ROOT / "docs/browser/classifier.js", folder)
    (folder / "package.json").write_text('{"type": "module"}')
    (folder / "transformers.min.js").write_text(STUB)
    (folder / "call.js").write_text(script)
    command = [str(NODE), "call.js", *arguments]
    return json.loads(subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stdout)


@pytest.mark.skipif(NODE is None, reason="needs node, which runs the page's JavaScript without a browser")
def test_the_page_refuses_pairs_in_a_sentence(tmp_path: Path) -> None:
    plain, tagged, pair = run_node(tmp_path, REFUSE)
    assert (plain, tagged) == ("", "")
    assert pair == "This bundle reads pairs (question, answer), which this page cannot. Use the Python runtime."


@pytest.mark.skipif(NODE is None, reason="needs node, which runs the page's JavaScript without a browser")
def test_the_page_decides_as_the_vectors_say(tmp_path: Path) -> None:
    answers = run_node(tmp_path, CALL, str(VECTORS))
    vectors = json.loads(VECTORS.read_text())
    assert len(answers) == len(vectors)
    for vector, answer in zip(vectors, answers, strict=True):
        assert answer["labels"] == vector["labels"], vector["name"]
        assert answer["abstained"] == vector["abstained"], vector["name"]
        assert answer["handedOver"] == vector.get("handed_over", ["unsure"] * vector["abstained"]), vector["name"]
        assert answer["possible"] == vector.get("possible"), vector["name"]
        assert list(answer["scores"].values()) == pytest.approx(vector["scores"], abs=1e-9)
        assert answer["confidence"] == pytest.approx(vector["confidence"], abs=1e-9)
