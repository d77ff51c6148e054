"""The browser's decision rule on the vectors that the runtime's is held to."""

import json
import random
from dataclasses import asdict
from pathlib import Path

import pytest

from distill.export.runtime import Turn
from distill.export.runtime.classifier import open_bundle
from distill.export.runtime.deciding.hand_over import HandOver, Unreadable
from distill.export.runtime.manifest.manifest import Manifest
from tests.support.command import ROOT
from tests.support.node import needs_node, run_node
from tests.support.turn_cases import drawn_cases

pytestmark = needs_node

VECTORS = ROOT / "tests/vectors/decisions.json"
TURN_VECTORS = ROOT / "tests/vectors/turns.json"
CALL = """
import { readFileSync } from "node:fs";
import { decideLogits } from "@/decisions.js";
import { lookoutOf } from "@/hand_over.js";
const vectors = JSON.parse(readFileSync(process.argv[2], "utf-8"));
console.log(JSON.stringify(vectors.map(({ manifest, logits, seen }) => {
  const { text, pieces, truncated } = seen ?? { text: "", pieces: ["a"], truncated: false };
  return decideLogits(manifest, logits, lookoutOf(manifest)({ texts: [text], pieces, truncated }));
})));
"""
READ = """
import { readFileSync } from "node:fs";
import { readTurns } from "@/turns.js";
const cases = JSON.parse(readFileSync(process.argv[2], "utf-8"));
console.log(JSON.stringify(cases.map(({ input, max_tokens, turns, texts, pieces }) =>
  readTurns({ input, max_tokens }, turns, (text) => texts[text], (piece) => pieces[piece]))));
"""
TALK = """
import { readFileSync } from "node:fs";
import { load } from "@/distill.js";
const scored = (length) => ({ logits: { data: Float32Array.from([1, length / 10 - 1, -1]) } });
const run = async ({ input_ids: { data } }) => scored(data.length);
const runtime = {
  Tensor: class { constructor(type, data) { this.data = data; } },
  InferenceSession: { create: async () => ({ run }) },
};
const read = async (url) => new Uint8Array(readFileSync(url));
const classifier = await load(process.argv[2], { runtime, read });
const turns = [["therapist", "so happy"], ["client", "i feel sad"], ["client", "thank you"]];
const talk = turns.map(([speaker, text]) => ({ speaker, text }));
const answers = await classifier.predictTurns(talk);
const said = [];
for (const value of ["a secret", [], [{ speaker: "nobody", text: "a" }], talk.slice(0, 1)]) {
  await classifier.predict(value).catch((error) => said.push(error.message));
}
for (const value of [[{ speaker: "nobody", text: "a secret" }, ...talk], "a secret", [["client"]]]) {
  await classifier.predictTurns(value).catch((error) => said.push(error.message));
}
const paired = await classifier.predictTurns(turns);
if (JSON.stringify(paired) !== JSON.stringify(answers)) said.push("pairs are read otherwise");
console.log(JSON.stringify([
  classifier.manifest.self_test.texts.map((window) => classifier.ids(window)),
  answers.map((answer) => answer && answer.context),
  (await classifier.predict(talk)).scores,
  said,
]));
"""
NOTICED = """
import { readFileSync } from "node:fs";
import { load } from "@/distill.js";
const [, , folder, input, objects, talks] = process.argv;
const run = async () => ({ logits: { data: Float32Array.from([1, -1, -1]) } });
const runtime = {
  Tensor: class { constructor(type, data) { this.data = data; } },
  InferenceSession: { create: async () => ({ run }) },
};
const read = async (url) => {
  const bytes = new Uint8Array(readFileSync(url));
  if (!url.href.endsWith("manifest.json")) return bytes;
  const manifest = JSON.parse(new TextDecoder().decode(bytes));
  Object.assign(manifest.input, JSON.parse(input));
  return new TextEncoder().encode(JSON.stringify({ ...manifest, ...JSON.parse(objects) }));
};
const classifier = await load(folder, { runtime, read });
const answers = [];
for (const talk of JSON.parse(talks)) answers.push(await classifier.predictTurns(talk));
console.log(JSON.stringify(answers.map((found) => found.map((one) => one && one.handedOver))));
"""
LINES = """
import { LANGUAGES } from "@/strings.js";
import { decidedRows, turnsOf } from "@/talk.js";
const roles = ["client", "client 2", "therapist"];
const read = (content, language = "en") => {
  try {
    return turnsOf(content, roles, LANGUAGES[language]).map(({ speaker, text }) => `${speaker}|${text}`);
  } catch (error) {
    return error.message;
  }
};
const turns = [["client", "a"], ["therapist", "b"], ["client", "c"]].map(([speaker, text]) => ({ speaker, text }));
const shortly = ({ turns: { length, [length - 1]: last }, isToCome }) => [length, last.text, isToCome];
const SILENT = [["a", " ", ""], ["", "b", "\\x1c\\x85\\u3000"], ["a", "\\ufeff"], ["", " "]];
const rows = (input) => decidedRows(input, turns).map(shortly);
console.log(JSON.stringify([
  read("client: hello: you\\n\\n  Therapist： 你好\\nCLIENT 2 :x\\ntherapist:\\ncli"),
  read("client: a\\nnobody: b"),
  read("hello", "zh"),
  read("cl\\nclient: a"),
  rows({ decides: ["client"], predict: "this" }),
  rows({ decides: ["therapist"], predict: "next" }),
  decidedRows({ decides: ["therapist"], predict: "next" }, []),
  rows({ decides: ["client", "therapist"], predict: "conversation" }),
  SILENT.map((texts) => decidedRows(
    { decides: ["client", "therapist"], predict: "conversation" },
    texts.map((text) => ({ speaker: "client", text })),
  ).map(shortly)),
]));
"""
REFUSE = """
import { checkTask } from "@/decisions.js";
import { inputOf } from "@/inputs.js";
const said = (call) => { try { call(); return ""; } catch (error) { return error.message; } };
console.log(JSON.stringify([
  said(() => inputOf({})),
  said(() => inputOf({ input: { kind: "image" } })),
  said(() => inputOf({ input: { kind: "toString" } })),
  said(() => checkTask({ task: "ranking" })),
]));
"""


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


def test_what_is_unknown_is_refused_in_a_sentence(tmp_path: Path) -> None:
    nothing, kind, inherited, task = run_node(tmp_path, REFUSE)
    assert nothing == ""
    assert kind == "This bundle reads image, which this page cannot. Use the Python runtime."
    assert "which this page cannot" in inherited
    assert task == "This bundle's task is ranking, which this page cannot. Use the Python runtime."


def test_the_page_reads_turns_as_the_runtime_and_as_training(tmp_path: Path) -> None:
    """The vectors, and a thousand conversations in many scripts."""
    cases = [*json.loads(TURN_VECTORS.read_text()), *drawn_cases(1000)]
    (tmp_path / "cases.json").write_text(json.dumps(cases))
    answers = run_node(tmp_path, READ, str(tmp_path / "cases.json"))
    for case, answer in zip(cases, answers, strict=True):
        assert answer == case["read"]


def test_lines_of_the_page_are_turns_each_with_its_speaker(tmp_path: Path) -> None:
    spoken, unknown, chinese, early, this, following, nothing, whole, silent = run_node(tmp_path, LINES)
    assert spoken == ["client|hello: you", "therapist|你好", "client 2|x", "therapist|"]
    assert unknown == ("Line 2 begins with no speaker. Write one of client:, client 2:, therapist: before it.")
    assert chinese.startswith("第 1 行")
    assert early.startswith("Line 1 begins with no speaker")
    assert this == [[1, "a", False], [3, "c", False]]
    assert following == [[2, "b", False], [4, "", True]]
    assert nothing == []
    assert whole == [[3, "c", False]]
    assert silent == [[[1, "a", False]], [[2, "b", False]], [[2, "\ufeff", False]], [[2, " ", False]]]


def test_a_bundle_of_turns_is_read_as_its_self_test_says(tmp_path: Path) -> None:
    bundle = ROOT / "tests/golden/turns-int8-static"
    ids, contexts, scores, said = run_node(tmp_path, TALK, bundle.as_uri())
    manifest = json.loads((bundle / "manifest.json").read_text())
    assert ids == manifest["self_test"]["input_ids"]
    assert contexts == [None, 1, 2]
    assert list(scores) == manifest["labels"]
    assert said[0] == "text: This must be a list of turns, each with a speaker (client, therapist) and a text."
    assert said[1] == "text: The list of turns is empty. Give at least the turn to decide."
    assert said[3].startswith(
        "text: The last turn is of a role that this bundle does not decide. It decides client."
    )
    assert said[4:] == [said[0].replace("text:", "turns:")] * 3
    assert "secret" not in "".join(said)


@pytest.mark.parametrize(
    ("predict", "decides"), [("this", "client"), ("next", "therapist"), ("conversation", "client")]
)
def test_turns_are_handed_over_in_the_page_as_in_the_runtime(tmp_path: Path, predict: str, decides: str) -> None:
    golden = ROOT / "tests/golden/turns-int8-static"
    data = json.loads((golden / "manifest.json").read_text())
    changed = {"predict": predict, "decides": [decides]}
    objects = {
        "unreadable": asdict(Unreadable("continuation_mark", "##", "[UNK]", (0,), 0.5, 0.5)),
        "hand_over": asdict(HandOver("text", truncated=False, list_name="own", words=("sad",))),
    }
    manifest = Manifest.from_dict(
        {**data, **json.loads(json.dumps(objects)), "input": data["input"] | changed}, "manifest"
    )
    model, tokenizer = ((golden / name).read_bytes() for name in (manifest.model_file, manifest.tokenizer_file))
    classifier = open_bundle(manifest, model, tokenizer, where=golden)
    draw = random.Random(4)
    texts = ["i feel sad", "thank you", "", "喜", "\U0001f622", "so happy today", "\U0001f622 \U0001f622 i"]
    speakers = ["client", "therapist"]
    talks = [[(draw.choice(speakers), draw.choice(texts)) for _ in range(draw.randint(1, 6))] for _ in range(60)]
    answers = run_node(
        tmp_path, NOTICED, *map(str, (golden.as_uri(), *map(json.dumps, (changed, objects, talks))))
    )
    found = [classifier.predict_turns([Turn(*turn) for turn in talk]) for talk in talks]
    assert answers == [[None if one is None else list(one.handed_over) for one in talk] for talk in found]
    given = [reason for talk in answers for one in talk if one for reason in one]
    assert given.count("unreadable") > 3
    assert given.count("crisis word") > 3
