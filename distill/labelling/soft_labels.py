"""Soft labels: what each teacher says of every text that the student learns from, and the average of them."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from distill.artifacts.logits import LOGITS_FILE, read_logits_file, write_logits_file
from distill.artifacts.training import TRAINING_FILE
from distill.corpora.corpus import Corpus, label_matrix
from distill.corpora.storage.parquet import load_corpus, load_texts
from distill.evaluation.decision import Logits
from distill.evaluation.evaluator import evaluator_of
from distill.evaluation.quality import JUDGED
from distill.export.runtime.records import file_record
from distill.files.json_files import read_json, write_json
from distill.labelling.augmentation import AUGMENTED_FILE
from distill.labelling.ensemble import average_logits
from distill.labelling.onnx_teacher import WORTH_ROWS, in_onnxruntime
from distill.recipe.ensemble import members_of
from distill.runs.context import Job
from distill.teachers.checkpoints import HEAD_FILE, load_classifier
from distill.teachers.device import best_device, multiplies_bf16
from distill.teachers.encoding import encode, pad_batch
from distill.teachers.inference import label_texts, torch_forward
from distill.teachers.store import LabelIdentity, label_split, read_logits
from distill.teachers.tokenizers import load_tokenizer

AUGMENTED = "augmented"

TEMPERATURES_FILE = "temperatures.json"

# whose logits by a graph are compared with PyTorch's before the graph labels
CHECKED_TEXTS = 64


def unlabelled_texts(job: Job, corpus: Corpus) -> dict[str, Sequence[str]]:
    """The texts without labels that the student learns from, by what they are: the transfer split, made ones."""
    found = {} if corpus.transfer is None else {"transfer": corpus.transfer.texts}
    made = job.augmented / AUGMENTED_FILE
    return {**found, AUGMENTED: load_texts(made)} if job.recipe.augmentation.rows else found


def texts_of(job: Job, corpus: Corpus, split: str) -> Sequence[str]:
    """The texts of a split, or those made out of the train rows."""
    return unlabelled_texts(job, corpus)[AUGMENTED] if split == AUGMENTED else dict(corpus.splits())[split].texts


def label(job: Job, folder: Path, split: str, index: int) -> None:
    """Store one teacher's raw logits of one split in shards; goes on where an interrupted run stopped."""
    corpus, teacher = load_corpus(job.corpus), job.member(index)
    tokenizer = load_tokenizer(teacher)
    model = load_classifier(teacher, corpus.task)
    texts, device, max_tokens = texts_of(job, corpus, split), best_device(), job.recipe.corpus.max_tokens
    model.to(device).eval()
    # what a student only learns from may be as coarse as its own training is; what is judged may not
    coarse = split not in JUDGED and multiplies_bf16(device)
    forward = torch_forward(model, bf16=coarse)
    if device.type == "cpu" and not coarse and len(texts) >= WORTH_ROWS:
        sample = pad_batch(encode(tokenizer, texts[:CHECKED_TEXTS], max_tokens), tokenizer.pad_token_id)
        forward = in_onnxruntime(model, sample, job.reporter) or forward
    with job.reporter.bar(f"label {split}", len(texts)) as advance:

        def infer(some: Sequence[str]) -> Logits:
            return label_texts(forward, tokenizer, some, max_tokens, advance)

        label_split(folder, texts, infer, label_identity(job, corpus, split, index))


def label_identity(job: Job, corpus: Corpus, split: str, index: int = 0) -> LabelIdentity:
    """What one teacher's logits of one split belong to, from the files of the teacher and the corpus."""
    teacher = job.member(index)
    weights = [teacher / name for name in ("model.safetensors", HEAD_FILE)]
    hashes = [file_record(path).sha256 for path in weights if path.is_file()]
    texts = file_record(job.augmented / AUGMENTED_FILE).sha256 if split == AUGMENTED else corpus.fingerprint
    return LabelIdentity(
        teacher_hash=hashlib.sha256("".join(hashes).encode()).hexdigest(),
        tokenizer_hash=file_record(teacher / "tokenizer.json").sha256,
        corpus_fingerprint=texts,
        split=split,
        labels=corpus.task.labels,
        max_tokens=job.recipe.corpus.max_tokens,
    )


def soft_labels(job: Job, corpus: Corpus, split: str) -> Logits:
    """The logits ``(N, C)`` that the student learns: the teacher's, or the ensemble's average."""
    rows = len(texts_of(job, corpus, split))
    members = [
        read_logits(job.labels(split, member.index), rows, label_identity(job, corpus, split, member.index))
        for member in members_of(job.recipe)
    ]
    return average_logits(
        members, temperatures(job, corpus), evaluator_of(corpus.task), job.recipe.teacher.average
    )


def temperatures(job: Job, corpus: Corpus) -> list[float]:
    """What each teacher's logits are divided by: 1, or fitted on validation."""
    members = members_of(job.recipe)
    if not job.recipe.teacher.fit_temperature:
        return [1.0] * len(members)
    gold = label_matrix(corpus.validation, corpus.task)
    fit = evaluator_of(corpus.task).fit_temperature
    return [fit(read_logits_file(job.member(member.index))["validation"], gold) for member in members]


def average_members(job: Job, folder: Path) -> None:
    """Write an ensemble's logits of validation and test, its temperatures, and how many weights it has."""
    corpus, members = load_corpus(job.corpus), members_of(job.recipe)
    found = temperatures(job, corpus)
    logits = [read_logits_file(job.member(member.index)) for member in members]
    evaluator, how = evaluator_of(corpus.task), job.recipe.teacher.average
    averaged = {split: average_logits([one[split] for one in logits], found, evaluator, how) for split in JUDGED}
    write_logits_file(averaged, folder / LOGITS_FILE)
    write_json({"temperatures": found}, folder / TEMPERATURES_FILE)
    sizes = [read_json(job.member(member.index) / TRAINING_FILE)["parameters"] for member in members]
    write_json({"parameters": int(np.sum(sizes))}, folder / TRAINING_FILE)
