"""The example of a labeller in CONTRIBUTING: rules of words give logits, stored and refused like a teacher's."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from distill.export.runtime.errors import InputError
from distill.teachers.store import LabelIdentity, label_split, read_logits

TEXTS = ["thank you so much", "i am afraid", "thank you, but i am afraid", "the sun"]


# A labeller turns texts into raw logits of the task's labels. What the logits depend on is its identity.
@dataclass(frozen=True)
class WordRules:
    """Labels texts by the words that they hold."""

    words: Mapping[str, tuple[str, ...]]
    present: float = 2.0
    absent: float = -2.0

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels in logit order."""
        return tuple(self.words)

    @property
    def digest(self) -> str:
        """The sha256 of all that an answer depends on."""
        rules = [{label: list(words) for label, words in self.words.items()}, self.present, self.absent]
        return hashlib.sha256(json.dumps(rules).encode()).hexdigest()

    def label(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return raw logits, float32 ``(N, C)``: `present` where a word of the label is in the text."""
        held = [[any(word in text for word in words) for words in self.words.values()] for text in texts]
        return np.where(np.array(held).reshape(len(texts), -1), self.present, self.absent).astype(np.float32)

    def identity(self, corpus_fingerprint: str, split: str) -> LabelIdentity:
        """Return what every shard of these logits carries, so that another corpus or rule refuses them."""
        return LabelIdentity(self.digest, "no tokenizer", corpus_fingerprint, split, self.labels, max_tokens=0)


RULES = WordRules({"gratitude": ("thank",), "fear": ("afraid", "scared")})


def test_logits_come_back_by_row_and_label(tmp_path: Path) -> None:
    identity = RULES.identity("of the corpus", "train")
    label_split(tmp_path, TEXTS, RULES.label, identity)
    assert read_logits(tmp_path, len(TEXTS), identity).tolist() == [[2, -2], [-2, 2], [2, 2], [-2, -2]]


def test_what_is_labelled_is_not_labelled_again(tmp_path: Path) -> None:
    identity = RULES.identity("of the corpus", "train")
    label_split(tmp_path, TEXTS, RULES.label, identity)

    def refuse(_texts: Sequence[str]) -> NDArray[np.float32]:
        raise AssertionError("labelled twice")

    label_split(tmp_path, TEXTS, refuse, identity)


def test_other_rules_labels_or_corpora_refuse_them(tmp_path: Path) -> None:
    identity = RULES.identity("of the corpus", "train")
    label_split(tmp_path, TEXTS, RULES.label, identity)
    others = {
        "teacher_hash": replace(RULES, present=3.0).identity("of the corpus", "train"),
        "corpus_fingerprint": RULES.identity("of another", "train"),
        "labels": WordRules(dict(reversed(RULES.words.items()))).identity("of the corpus", "train"),
    }
    assert others["labels"].labels == ("fear", "gratitude")
    for key, other in others.items():
        with pytest.raises(InputError, match="belong to another run"):
            read_logits(tmp_path, len(TEXTS), other)
        assert getattr(other, key) != getattr(identity, key)
