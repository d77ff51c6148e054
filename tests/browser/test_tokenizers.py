"""The browser's tokenizers give the ids and words of the tokenizers package, on texts in many scripts."""

import json
import os
import random
from pathlib import Path

import numpy as np
import pytest
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors, trainers

from distill.export.runtime import load
from distill.export.runtime.reading.inputs import Encoded, input_from_dict
from distill.export.runtime.reading.words_of import words_of
from tests.browser import tables
from tests.export.runtime.untrusted.test_tokenizer_file import charsmap
from tests.support.command import ROOT
from tests.support.node import needs_node, run_node

GOLDEN = ROOT / "tests/golden/static-int8-static"
# first and last code points of scripts, symbols, marks and forms
BLOCKS = """
20-7e a0-24f 300-36f 370-3ff 400-4ff 590-5ff 600-6ff 900-97f 980-9ff b80-bff e00-e7f 1100-11ff 1e00-1eff 2000-206f
2100-214f 3040-30ff 3131-318e 4e00-9fff ac00-d7a3 fe00-ffef 1f300-1faff
"""
BETWEEN = [" ", "", "  ", "\n", "\t", "\u3000", "'s ", "-", " don't ", "[MASK]", "\u0085", "\ufeff"]
SPECIAL = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
CALL = """
import { readFileSync } from "node:fs";
import { Tokenizer } from "@/tokenizer/tokenizer.js";
import { wordsOf } from "@/words.js";
const [files, texts] = JSON.parse(readFileSync(process.argv[2], "utf-8"));
const read = (file) => {
  const tokenizer = new Tokenizer(JSON.parse(readFileSync(file, "utf-8")));
  return texts.map((text) => {
    const tokens = tokenizer.encode(text).map((token) => ({ ...token, segment: 0 }));
    const words = wordsOf([text], tokens, 1000).map(({ start, end, places }) => [start, end, places]);
    return [tokens.map(({ id }) => id), words];
  });
};
console.log(JSON.stringify(files.map(read)));
"""


def made_texts(count: int) -> list[str]:
    draw = random.Random(11)
    blocks = [tuple(int(end, 16) for end in block.split("-")) for block in BLOCKS.split()]
    texts = []
    for _ in range(count):
        parts = []
        for _ in range(draw.randint(1, 10)):
            first, last = draw.choice(blocks)
            parts += [chr(draw.randint(first, last)) for _ in range(draw.randint(1, 8))]
            parts.append(draw.choice(BETWEEN))
        texts.append("".join(parts))
    return [*texts, "", " ", "I can't do this any more, thank you!", "nooooooo", "我今天很难过。", "mañana élan"]


def byte_level() -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0))
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trained(tokenizer, trainers.BpeTrainer(vocab_size=800, special_tokens=SPECIAL, initial_alphabet=alphabet))
    return tokenizer


def unigram() -> Tokenizer:
    tokenizer = Tokenizer(models.Unigram())
    blanks = normalizers.Replace(Regex(" {2,}"), " ")
    tokenizer.normalizer = normalizers.Sequence([normalizers.Precompiled(charsmap()), normalizers.NFKC(), blanks])
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    trained(tokenizer, trainers.UnigramTrainer(vocab_size=6000, special_tokens=SPECIAL, unk_token="<unk>"))
    return tokenizer


def without_words() -> Tokenizer:
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    trained(tokenizer, trainers.BpeTrainer(vocab_size=800, special_tokens=SPECIAL, limit_alphabet=300))
    return tokenizer


def whole_words() -> Tokenizer:
    tokenizer = Tokenizer(models.WordLevel(unk_token="<unk>"))
    steps = [normalizers.NFD(), normalizers.StripAccents(), normalizers.Lowercase(), normalizers.Strip()]
    tokenizer.normalizer = normalizers.Sequence(steps)
    splits = [pre_tokenizers.Whitespace(), pre_tokenizers.Digits(individual_digits=True)]
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([*splits, pre_tokenizers.Punctuation()])
    trained(tokenizer, trainers.WordLevelTrainer(vocab_size=500, special_tokens=SPECIAL))
    return tokenizer


def trained(tokenizer: Tokenizer, trainer: trainers.Trainer) -> None:
    trainer.show_progress = False
    tokenizer.train_from_iterator(made_texts(150), trainer)


@needs_node
def test_ids_and_words_are_those_of_the_package(tmp_path: Path) -> None:
    texts, files = made_texts(int(os.environ.get("BROWSER_TEXTS", "400"))), [GOLDEN / "tokenizer.json"]
    for make in (byte_level, unigram, without_words, whole_words):
        files.append(tmp_path / f"{make.__name__}.json")
        make().save(str(files[-1]))
    (tmp_path / "asked.json").write_text(json.dumps([list(map(str, files)), texts]))
    answers = run_node(tmp_path, CALL, str(tmp_path / "asked.json"))
    for file, answer in zip(files, answers, strict=True):
        tokenizer = Tokenizer.from_file(str(file))
        tokenizer.no_truncation()
        for at, (text, (ids, words)) in enumerate(zip(texts, answer, strict=True)):
            encoding = tokenizer.encode(text, add_special_tokens=False)
            assert ids == encoding.ids, (file.name, at)
            expected = words_of(text, encoding, range(len(encoding.ids)), 1000)
            if file.name != "unigram.json":  # NFKC swaps marks, and offsets with them
                assert [[*word.span.__dict__.values()][1:] for word in expected] == [one[:2] for one in words], (
                    file.name,
                    at,
                )


def test_the_tables_of_characters_are_those_of_the_package() -> None:
    assert tables.file() == tables.FILE.read_text(encoding="utf-8")


PAIRS = """
import { readFileSync } from "node:fs";
import { inputOf } from "@/inputs.js";
import { Tokenizer } from "@/tokenizer/tokenizer.js";
const [file, inputs, rows, most] = JSON.parse(readFileSync(process.argv[2], "utf-8"));
const tokenizer = new Tokenizer(JSON.parse(readFileSync(file, "utf-8")));
console.log(JSON.stringify(inputs.map((input) => rows.map((row) => {
  const { ids, types, truncated } = inputOf({ input }).encode(tokenizer, row, most);
  return [ids, types, truncated];
}))));
"""


@needs_node
@pytest.mark.parametrize("most", [5, 12, 128])
def test_pairs_are_cut_as_the_runtime_cuts_them(most: int, tmp_path: Path) -> None:
    rules = [(None, "end"), (None, "start"), ("question", "end"), ("answer", "start")]
    inputs = [
        {"kind": "pair", "columns": ["question", "answer"], "truncate": {"column": column, "side": side}}
        for column, side in rules
    ]
    texts = made_texts(60)
    rows = list(zip(texts[::2], texts[1::2], strict=True))
    tokenizer = whole_words()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> $B:1 </s>:1", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    (tmp_path / "asked.json").write_text(json.dumps([str(tmp_path / "tokenizer.json"), inputs, rows, most]))
    answers = run_node(tmp_path, PAIRS, str(tmp_path / "asked.json"))
    for data, answer in zip(inputs, answers, strict=True):
        reader = input_from_dict(data, "test").reader(tokenizer, most, type_ids=True)
        expected = [reader.one(row) for row in rows]
        assert [Encoded(*one) for one in answer] == expected


EXPLAIN = """
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { load } from "@/distill.js";
// a graph whose logits are sums over ids, so that every word counts
class Tensor { constructor(type, data) { this.data = data; } }
const run = async ({ input_ids: { data } }) => {
  const sums = [0, 0, 0];
  for (const id of data) sums[Number(id) % 3] += Number(id) / 50 - 0.7;
  return { logits: { data: sums } };
};
const runtime = { Tensor, InferenceSession: { create: async () => ({ run }) } };
const read = async (url) => new Uint8Array(readFileSync(url));
const [folder, texts] = JSON.parse(readFileSync(process.argv[2], "utf-8"));
const classifier = await load(folder, { runtime, read });
const answers = [];
for (const text of texts) answers.push(await classifier.explain(text));
const pinned = { runtime, read, manifestSha256: "0".repeat(64) };
const refused = await load(folder, pinned).catch((error) => error.message);
const other = async (url) => (url.href.endsWith(".onnx") ? new Uint8Array(3) : read(url));
const altered = await load(folder, { runtime, read: other }).catch((error) => error.message);
const wrong = [];
const calls = [
  () => classifier.predict(3),
  () => classifier.predict("a \\ud800"),
  () => classifier.predictTurns([{ speaker: "a", text: "b" }]),
  () => classifier.explain("a", "no such"),
  () => load(),
  () => load("/no/such/bundle", { runtime }),
  () => load(folder),
];
for (const call of calls) await call().catch((error) => wrong.push(error.message));
process.chdir(fileURLToPath(folder));
const here = await load(".", { runtime });
const same = (await here.logits(texts[0])).join() === (await classifier.logits(texts[0])).join();
console.log(JSON.stringify([answers, [refused, altered, wrong, same, await classifier.verify()]]));
"""


@needs_node
def test_words_are_explained_as_the_runtime_explains_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    classifier = load(GOLDEN)

    network = classifier._network

    def forward(rows: list[Encoded]) -> np.ndarray:
        logits = np.zeros((len(rows), 3))
        for row, encoded in enumerate(rows):
            for number in encoded.ids:
                logits[row, number % 3] += number / 50 - 0.7
        return logits

    monkeypatch.setattr(network, "run_encoded", forward)
    monkeypatch.setattr(network, "run", lambda rows: (forward(network.encode(rows)), network.encode(rows)))
    texts = [text for text in made_texts(30) if text.strip()]
    (tmp_path / "asked.json").write_text(json.dumps([GOLDEN.as_uri(), texts]))
    answers, (refused, altered, wrong, same, verified) = run_node(tmp_path, EXPLAIN, str(tmp_path / "asked.json"))
    for text, answer in zip(texts, answers, strict=True):
        expected = classifier.explain(text)
        assert (answer["label"], answer["decided"]) == (expected.label, expected.decided)
        assert answer["score"] == pytest.approx(expected.score, abs=1e-9)
        for ours, word in zip(answer["words"], expected.words, strict=True):
            assert (ours["start"], ours["end"]) == (word.start, word.end)
            assert ours["change"] == pytest.approx(word.change, abs=1e-9)
            assert ours["maskedChange"] == pytest.approx(word.masked_change, abs=1e-9)
            assert (tuple(ours["gained"]), tuple(ours["lost"])) == (word.gained, word.lost)
    assert "is not the pinned one" in refused
    assert "sha256 is not that of the manifest" in altered
    expected_messages = (
        "text: The text must be a string.",
        "text: The text must be valid Unicode without lone surrogates.",
        "This bundle reads no conversations. Use predict.",
        "label: The bundle has no such label. Name one of joy, sadness, fear.",
        "folder: This must be the address of a bundle's folder.",
        "file:///no/such/bundle/manifest.json: The file cannot be read (ENOENT). Give the folder of a bundle.",
        "onnxruntime-web: There is no such package. Install it, or put its files beside distill.js.",
    )
    assert tuple(wrong) == expected_messages
    assert same  # a path, as an npm package has it, is the same bundle as an address
    assert not verified
