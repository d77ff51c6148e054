"""Tokenizer files that must be refused, with true hashes."""

import json
from collections.abc import Callable
from pathlib import Path

from tests.support.hostile_changes import TOKENIZER, Hostile, content

ADDED = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": True, "special": False}


def tokenizer(**changes: object) -> Callable[[Path], None]:
    """Set top keys of the tokenizer."""
    return content(TOKENIZER, lambda before: json.dumps(json.loads(before) | changes).encode())


def model_of_tokenizer(**changes: object) -> Callable[[Path], None]:
    """Set keys of the tokenizer's model."""

    def edit(before: bytes) -> bytes:
        data = json.loads(before)
        data["model"] |= changes
        return json.dumps(data).encode()

    return content(TOKENIZER, edit)


def step(kind: str, **more: object) -> dict[str, object]:
    return {"type": kind, **more}


def replacing(pattern: str, text: str) -> dict[str, object]:
    return step("Replace", pattern={"String": pattern}, content=text)


def nested(depth: int) -> dict[str, object]:
    """Sequences in sequences."""
    return step("Sequence", normalizers=[nested(depth - 1)]) if depth else step("NFKD")


def template(special: dict[str, object], text: str = "A") -> dict[str, object]:
    single = [{"SpecialToken": {"id": "[CLS]", "type_id": 0}}, {"Sequence": {"id": text, "type_id": 0}}]
    return step("TemplateProcessing", single=single, pair=[], special_tokens=special)


TOKENIZERS = (
    Hostile("a tokenizer that is garbage", content(TOKENIZER, lambda _: b"\x00\xff"), "is not strict JSON"),
    Hostile("a tokenizer that is empty", content(TOKENIZER, lambda _: b""), "is not strict JSON"),
    Hostile("a tokenizer without a model", content(TOKENIZER, lambda _: b"{}"), "is not a tokenizer"),
    Hostile(
        "a tokenizer that says a thing twice",
        content(TOKENIZER, lambda before: b'{"normalizer": {"type": "Evil"},' + before.lstrip()[1:]),
        "is not strict JSON",
    ),
    Hostile("an unknown model", model_of_tokenizer(type="Remote"), "the model 'Remote'"),
    Hostile("an unknown key in a tokenizer", tokenizer(plugin="x"), "the unknown key 'plugin'"),
    Hostile("an unknown step", tokenizer(normalizer=step("Evil")), "the normalizer 'Evil'"),
    Hostile(
        "a step without a type", tokenizer(normalizer={"precompiled_charsmap": "AAAA"}), "the normalizer 'None'"
    ),
    Hostile(
        "an unknown step in a sequence",
        tokenizer(pre_tokenizer=step("Sequence", pretokenizers=[step("Evil")])),
        "the pre_tokenizer 'Evil'",
    ),
    Hostile(
        "a pattern that takes for ever",
        tokenizer(pre_tokenizer=step("Split", pattern={"Regex": "(a+)+$"}, behavior="Isolated", invert=False)),
        "a pattern of its own",
    ),
    Hostile(
        "a text made a million times longer", tokenizer(normalizer=replacing("a", "a" * 10**6)), "times longer"
    ),
    Hostile(
        "a text doubled forty times",
        tokenizer(normalizer=step("Sequence", normalizers=[replacing("a", "aa")] * 31)),
        "times longer",
    ),
    Hostile(
        "a text doubled thirty times by its bytes",
        tokenizer(normalizer=step("Sequence", normalizers=[step("ByteLevel")] * 30)),
        "times longer",
    ),
    Hostile(
        "a template with a second text",
        tokenizer(post_processor=template({"[CLS]": {"id": "[CLS]", "ids": [2], "tokens": ["[CLS]"]}}, "B")),
        "a text that is not there",
    ),
    Hostile(
        "a template with a second text, said in another way",
        content(TOKENIZER, lambda before: before.replace(b'"single": [', b'"single": [{"Sequence": ["B", 0]},')),
        "a text that is not there",
    ),
    Hostile(
        "merges that are cut inside of a character",
        model_of_tokenizer(
            type="BPE", vocab={"a": 0, "日": 1, "a日": 2}, merges=[["a", "日"]], continuing_subword_prefix="x"
        ),
        "a prefix of continuing tokens",
    ),
    Hostile(
        "an added token that is nothing once normalized",
        tokenizer(
            normalizer=step("Strip", strip_left=True, strip_right=True),
            added_tokens=[{"id": 20, "content": " "} | ADDED],
        ),
        "An added token is empty",
    ),
    Hostile(
        "more added tokens than anybody needs",
        tokenizer(added_tokens=[{"id": number, "content": f"t{number}"} | ADDED for number in range(10_001)]),
        "more than 10000 added tokens",
    ),
    Hostile("an empty pattern", tokenizer(normalizer=replacing("", "x")), "an empty pattern"),
    Hostile(
        "a chain of a hundred steps",
        tokenizer(normalizer=step("Sequence", normalizers=[step("NFKD")] * 100)),
        "more than 32 steps",
    ),
    Hostile(
        "a map of characters that leads out of itself",
        tokenizer(normalizer=step("Precompiled", precompiled_charsmap="BAAAAAAAAAA=")),
        "a broken map of characters",
    ),
    Hostile(
        "a map of characters that is garbage",
        tokenizer(normalizer=step("Precompiled", precompiled_charsmap="%")),
        "a broken map of characters",
    ),
    Hostile(
        "a special token that is not there",
        tokenizer(post_processor=template({})),
        "a special token or a text that is not there",
    ),
    Hostile(
        "a special token without an id",
        tokenizer(post_processor=template({"[CLS]": {"id": "[CLS]", "ids": [], "tokens": []}})),
        "out of range",
    ),
    Hostile(
        "sequences in sequences", tokenizer(normalizer=nested(12)), "sequences in sequences as its normalizer"
    ),
    Hostile(
        "a million lists",
        tokenizer(truncation=[[] for _ in range(1_000_001)]),
        "more than 1000000 lists",
    ),
    Hostile("pieces dropped at random", model_of_tokenizer(dropout=0.5), "drops tokens at random"),
    Hostile("words of any length", model_of_tokenizer(max_input_chars_per_word=10**9), "more than 200 characters"),
    Hostile("an id beyond all tables", model_of_tokenizer(vocab={"[UNK]": 2**40}), "has no id in range"),
    Hostile(
        "a piece of a megabyte", model_of_tokenizer(vocab={"[UNK]": 0, "a" * 10**6: 1}), "more than 512 characters"
    ),
    Hostile("a vocabulary that is a list", model_of_tokenizer(vocab=["[UNK]"]), "has no id in range"),
    Hostile("no unknown token", model_of_tokenizer(vocab={"a": 0}), "no token for unknown words"),
    Hostile(
        "an added token of nothing",
        tokenizer(added_tokens=[{"id": 0, "content": ""}]),
        "an added token that does not have 1 to 512",
    ),
)
