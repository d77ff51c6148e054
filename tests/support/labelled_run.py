"""A run's folder with a tiny teacher and many short texts, to label in one process or in several."""

from pathlib import Path

import numpy as np

from distill.corpora.corpus import Corpus, Split
from distill.corpora.storage.parquet import load_corpus, save_corpus
from distill.export.runtime.reading.inputs import ONE_TEXT
from distill.labelling.on_ray import LabelWork
from distill.labelling.soft_labels import label, label_identity
from distill.runs.progress import Reporter
from distill.teachers.checkpoints import save_classifier
from distill.teachers.encoding import encode
from distill.teachers.tokenizers import load_tokenizer
from tests.support.tiny_models import bert_tokenizer, multi_label_task, tiny_classifier

MAX_TOKENS = 16
WORDS = ("happy", "sad", "today", "stairs", "thank", "address", "sun", "dark")


def write_run(folder: Path, rows: int) -> LabelWork:
    """Write a corpus with that many train rows and a teacher, and return what labels them into labels/."""
    chance = np.random.default_rng(5)
    texts = [" ".join(chance.choice(WORDS, size=chance.integers(1, 9))) for _ in range(rows)]
    task = multi_label_task()
    few = Split(texts[:4], np.eye(4, 3, dtype=np.float32))
    corpus = Corpus(task, Split(texts, np.zeros((rows, 3), dtype=np.float32)), few, few)
    save_corpus(corpus, folder / "corpus")
    save_classifier(tiny_classifier(), bert_tokenizer(), folder / "teacher")
    return open_run(folder)


def open_run(folder: Path) -> LabelWork:
    """Return what labels the train rows of a run that was written."""
    corpus = load_corpus(folder / "corpus")
    identity = label_identity(
        {"model.safetensors": "0" * 64, "tokenizer.json": "1" * 64},
        fingerprint=corpus.fingerprint,
        split="train",
        labels=corpus.task.labels,
        max_tokens=MAX_TOKENS,
    )
    return LabelWork(folder / "labels", folder / "teacher", folder / "corpus", None, ONE_TEXT, identity)


def label_locally(work: LabelWork, folder: Path) -> dict[str, bytes]:
    """Label the run as the local engine does, and return the files."""
    corpus, tokenizer = load_corpus(work.corpus), load_tokenizer(work.teacher)
    rows = encode(tokenizer, corpus.train.texts, MAX_TOKENS)
    pad_id = tokenizer.pad_token_id
    label(folder, work.teacher, corpus.task, rows, work.identity, pad_id=pad_id, reporter=Reporter(quiet=True))
    return files_of(folder)


def files_of(folder: Path) -> dict[str, bytes]:
    """Return the files of a folder by name."""
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}
