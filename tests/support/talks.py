"""Conversations that a small run learns from, with canaries in them, and its settings."""

import json
import random
from pathlib import Path

from tests.support.canaries import canaries_of

CANARIES = tuple(canaries_of("turns")[shape] for shape in ("word", "cyrillic", "number"))

WORDS = "bright warm summer wet cold autumn loud fast storm quiet slow winter".split()

SETTINGS = (
    "corpus.task=single_label",
    'corpus.labels="next"',
    "corpus.max_tokens=40",
    "corpus.context={conversation='talk', order='place', speaker='who', turns=2, roles={anna='A', ben='B'}}",
    "student.kind=static",
    "student.width=16",
    "student.window_channels=0",
    "student.hash_buckets=0",
    "student.hidden=16",
    "student.epochs=20",
    "student.body_learning_rate=0.05",
    "student.head_learning_rate=0.01",
    "student.min_piece_groups=1",
    "objective.soft_weight=0",
    "export.max_label_flip_rate=0.5",
    "export.max_macro_f1_drop=0.5",
)


def write_talks(path: Path) -> Path:
    """Write talks; the label of Anna's turns is who spoke before, and a few turns have a canary."""
    draw = random.Random(3)
    rows, names = [], {talk: f"{canary} talk" for talk, canary in enumerate(CANARIES)}
    for talk in range(60):
        speakers = [draw.choice(("anna", "ben")) for _ in range(8)]
        for place, who in enumerate(speakers):
            label = speakers[place - 1] if place and who == "anna" else ""
            text = " ".join(draw.choices(WORDS, k=draw.randint(1, 5)))
            if place == 4 and talk < len(CANARIES):
                text = CANARIES[talk]
            rows.append({"talk": names.get(talk, talk), "place": place, "who": who, "text": text, "next": label})
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path
