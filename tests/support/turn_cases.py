"""Conversations with what the runtime reads of their last turn, for the page's JavaScript and for training.

`python -m tests.support.turn_cases` writes tests/vectors/turns.json: a change of the template shows there.
"""

import json
import random
from dataclasses import asdict
from typing import Any

from tokenizers import Regex, Tokenizer, models, pre_tokenizers, processors

from distill.export.runtime.reading.encoder import Encoder
from distill.export.runtime.reading.inputs import Turn, Turns, Window
from tests.support.command import ROOT
from tests.support.tiny_turns import ROLES, TEMPLATE, WHOLE

VECTORS = ROOT / "tests/vectors/turns.json"

SAID = (
    *("", "i feel very sad today", "Mm-hm.", "yes", "thank you for the kind words " * 8, "[SEP] [C] [CLS]"),
    *(
        "😟 my hands 👩‍👩‍👧 wont stop",
        "我今天很難過",
        "私は大丈夫です。",
        "אני עצוב מאוד",
        "أنا حزين اليوم",
        "naïve café",
    ),
    *("e\u0301cole", "Ça va? Non.", "नमस्ते दुनिया", "a\u200bb\u200fc", "tabs\tand\nlines"),
)


def tokenizer() -> Tokenizer:
    """A tokenizer of single characters, whose ids never change."""
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *ROLES.values(), *sorted(set("".join(SAID)))]
    built = Tokenizer(models.WordLevel({piece: number for number, piece in enumerate(pieces)}, unk_token="[UNK]"))
    built.pre_tokenizer = pre_tokenizers.Split(Regex("[\\s\\S]"), "isolated")
    built.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    return built


def case_of(backend: Tokenizer, reads: Turns, max_tokens: int, turns: list[Turn]) -> dict[str, Any]:
    """One conversation as the page gets it, and what the runtime reads of its last turn."""
    *context, target = turns
    window = Window(Turn(target.speaker, "") if reads.predict == "next" else target, tuple(context))
    found = Encoder(backend, max_tokens, rows=reads).encode_one(window)
    assert reads.template is not None
    frames = {*reads.template.target, *reads.template.context} - {"{target}", "{newest}", "{turns}"}
    pieces = {*ROLES.values(), *frames}
    return {
        "input": asdict(reads),
        "max_tokens": max_tokens,
        "turns": [turn._asdict() for turn in turns],
        "texts": {turn.text: backend.encode(turn.text, add_special_tokens=False).ids for turn in turns},
        "pieces": {piece: backend.token_to_id(piece) for piece in sorted(pieces)},
        "read": {
            "ids": found.ids,
            "types": found.type_ids,
            "truncated": found.truncated,
            "turns": found.turns,
            "own": found.own,
            "shortened": found.shortened,
        },
    }


def drawn_cases(count: int, seed: int = 4) -> list[dict[str, Any]]:
    draw, backend, cases = random.Random(seed), tokenizer(), []
    for number in range(count):
        turns = [Turn(draw.choice(list(ROLES)), draw.choice(SAID)) for _ in range(draw.randint(1, 8))]
        most = draw.randint(0, 6)
        reads = Turns(
            most,
            ROLES,
            tuple(ROLES),
            "next" if number % 5 == 0 else "this",
            draw.choice([most + 1, 2, 1]),
            WHOLE if number % 3 == 0 else TEMPLATE,
        )
        cases.append(case_of(backend, reads, draw.choice([5, 12, 24, 64, 128]), turns))
    return cases


if __name__ == "__main__":
    VECTORS.write_text(json.dumps(drawn_cases(12, seed=1), indent=1) + "\n", encoding="utf-8")
