"""What every peer is: a model made of a finished run's rows, that gives raw logits of texts."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import logit
from tokenizers import Tokenizer

from distill.corpora.corpus import Corpus, Split, label_matrix
from distill.evaluation.decision import Logits
from distill.export.runtime.deciding.task import Task
from tests.support.finished import Shipped

EDGE = 1e-7


@dataclass(frozen=True)
class Peer:
    """One model to stand beside a bundle.

    `logits` gives raw ``(N, C)`` of texts, end to end; `known` those of whole splits where the run has them;
    `bytes` is all that has to be shipped, in whatever form its own library saves it.
    """

    name: str
    runtime: str
    bytes: int
    logits: Callable[[list[str]], Logits]
    known: Mapping[str, Logits] = field(default_factory=dict)


@dataclass(frozen=True)
class Made:
    """What a peer is made of: a finished run, its corpus, and a folder for its files."""

    shipped: Shipped
    corpus: Corpus
    folder: Path

    def texts(self, split: str) -> list[str]:
        """The texts of a split, in order."""
        return list(dict(self.corpus.splits())[split].texts)


class PlainTokenizer:
    """A model folder's tokenizer without transformers around it, which would cost more than some of the graphs."""

    def __init__(self, folder: Path, max_tokens: int) -> None:
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(max_length=max_tokens)
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        self._pad_id = int(config.get("pad_token_id") or 0)

    def __call__(self, texts: list[str]) -> tuple[Any, Any]:
        """Ids and mask, int64 ``(B, T)``, padded to the longest."""
        rows = [self._tokenizer.encode(text).ids for text in texts]  # encode_batch would use all cores
        lengths = np.array([len(row) for row in rows])
        mask = (np.arange(max(1, lengths.max())) < lengths[:, None]).astype(np.int64)
        ids = np.full(mask.shape, self._pad_id, dtype=np.int64)
        for index, row in enumerate(rows):
            ids[index, : len(row)] = row
        return ids, mask


def label_names(split: Split, task: Task) -> list[Any]:
    """The names of each row's labels; of single-label rows the name alone."""
    if task.kind == "single_label":
        return [task.labels[place] for place in np.asarray(split.targets).tolist()]
    return [[task.labels[place] for place in np.flatnonzero(row)] for row in label_matrix(split, task)]


def logits_of_scores(scores: Any, kind: str) -> Logits:
    """Raw logits ``(N, C)`` whose sigmoid, or softmax, is these scores."""
    clipped = np.asarray(scores, dtype=np.float64).clip(EDGE, 1 - EDGE)
    return (np.log(clipped) if kind == "single_label" else logit(clipped)).astype(np.float32)


def size_of(*paths: Path) -> int:
    """The bytes of files."""
    return sum(path.stat().st_size for path in paths)
