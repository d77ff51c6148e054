"""The page's decision rule on the vectors that the runtime's is held to, in node: no browser, no model."""

import json
import shutil
import subprocess
from pathlib import Path

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
console.log(JSON.stringify(vectors.map(({ manifest, logits }) => decideLogits(manifest, logits))));
"""


@pytest.mark.skipif(NODE is None, reason="needs node, which runs the page's JavaScript without a browser")
def test_the_page_decides_as_the_vectors_say(tmp_path: Path) -> None:
    shutil.copy(ROOT / "docs/browser/classifier.js", tmp_path)
    (tmp_path / "package.json").write_text('{"type": "module"}')
    (tmp_path / "transformers.min.js").write_text(STUB)
    (tmp_path / "call.js").write_text(CALL)
    done = subprocess.run(
        [str(NODE), "call.js", str(VECTORS)], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    answers = json.loads(done.stdout)
    vectors = json.loads(VECTORS.read_text())
    assert len(answers) == len(vectors)
    for vector, answer in zip(vectors, answers, strict=True):
        assert answer["labels"] == vector["labels"], vector["name"]
        assert answer["abstained"] == vector["abstained"], vector["name"]
        assert list(answer["scores"].values()) == pytest.approx(vector["scores"], abs=1e-9)
        assert answer["confidence"] == pytest.approx(vector["confidence"], abs=1e-9)
