"""Soft labels: each teacher's logits of every text that the student learns from."""

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import final

from distill.corpora.storage.token_rows import TokenRows
from distill.evaluation.decision import Logits
from distill.evaluation.quality import EVALUATED
from distill.export.runtime.deciding.task import Task
from distill.export.runtime.reading.inputs import ONE_TEXT, Input, Pair
from distill.labelling.onnx_teacher import WORTH_ROWS, in_onnxruntime
from distill.labelling.prior import PRIOR_FILE
from distill.runs.progress import Reporter
from distill.teachers.bodies import reads_in_bf16
from distill.teachers.checkpoints import HEAD_FILE, load_classifier
from distill.teachers.device import best_device, multiplies_bf16
from distill.teachers.encoding import pad_batch
from distill.teachers.inference import Forward, by_length, torch_forward
from distill.teachers.store import LabelIdentity, label_split
from distill.teachers.tuning.stored import FOLDER, WEIGHTS_FILE

# what a language model was asked, and the prior of its scores
LABELLER_FILE = "labeller.json"

WEIGHT_FILES = ("model.safetensors", HEAD_FILE, LABELLER_FILE, PRIOR_FILE, f"{FOLDER}/{WEIGHTS_FILE}")

# where a body is too large for one file
SHARD = re.compile(r"model-\d+-of-\d+\.safetensors")

# texts whose logits from the graph are compared with PyTorch's before the graph labels
CHECKED_TEXTS = 64


@final
@dataclass(frozen=True)
class EncoderLabeller:
    """A fine-tuned encoder as a function of token ids.

    Attributes:
        identity: the sha256 of its weights.
        forward: a batch to raw logits.
        pad_id: the tokenizer's padding token.
        advance: takes the number of rows done since its last call.
    """

    identity: str
    forward: Forward
    pad_id: int
    advance: Callable[[int], None] = lambda rows: None

    def label(self, rows: Sequence[Sequence[int]]) -> Logits:
        """See `Labeller.label`."""
        return by_length(self.forward, rows, pad_id=self.pad_id, progress=self.advance)


def label(
    folder: Path,
    teacher: Path,
    task: Task,
    rows: TokenRows,
    identity: LabelIdentity,
    *,
    pad_id: int,
    reporter: Reporter,
) -> None:
    """Label one split with one teacher; an interrupted execution resumes after its last whole shard.

    Args:
        folder: gets the shards.
        teacher: its folder.
        task: the corpus's.
        rows: token ids of every text, by the teacher's tokenizer.
        identity: of the logits; every shard carries it.
        pad_id: the tokenizer's padding token.
        reporter: shows a bar.

    Raises:
        InputError: the teacher cannot be loaded.
    """
    labeller = open_labeller(teacher, task, rows, identity, pad_id=pad_id, reporter=reporter)
    with reporter.bar(f"label {identity.split}", len(rows)) as advance:
        label_split(folder, rows, replace(labeller, advance=advance).label, identity)


def open_labeller(
    teacher: Path,
    task: Task,
    rows: TokenRows,
    identity: LabelIdentity,
    *,
    pad_id: int,
    reporter: Reporter,
) -> EncoderLabeller:
    """Load a teacher as the labeller of a split, some of whose rows tell whether its graph gives its logits."""
    model = load_classifier(teacher, task)
    device = best_device()
    model.to(device).eval()
    # texts that a student only learns from may be labelled as coarsely as it trains; evaluated ones may not
    bf16 = identity.split not in EVALUATED and multiplies_bf16(device) and reads_in_bf16(model)
    forward = torch_forward(model, bf16=bf16)
    if device.type == "cpu" and not bf16 and len(rows) >= WORTH_ROWS:
        forward = in_onnxruntime(model, pad_batch(rows[:CHECKED_TEXTS], pad_id), reporter) or forward
    return EncoderLabeller(identity.teacher_hash, forward, pad_id)


def label_identity(
    teacher_files: Mapping[str, str],
    *,
    fingerprint: str,
    split: str,
    labels: tuple[str, ...],
    max_tokens: int,
    reads: Input = ONE_TEXT,
) -> LabelIdentity:
    """Return the identity of one teacher's logits of one split.

    Args:
        teacher_files: sha256 of each file of the teacher, by name.
        fingerprint: of the texts.
        split: their name.
        labels: in logit order.
        max_tokens: length at which the texts are cut.
        reads: what one row is.
    """
    return LabelIdentity(
        teacher_hash=teacher_hash(teacher_files),
        tokenizer_hash=teacher_files.get("tokenizer.json", ""),
        corpus_fingerprint=fingerprint,
        split=split,
        labels=labels,
        max_tokens=max_tokens,
        truncate=(reads.truncate.column, reads.truncate.side) if isinstance(reads, Pair) else None,
    )


def teacher_hash(files: Mapping[str, str]) -> str:
    """Return one sha256 of a teacher's weights, from the sha256 of each of its files."""
    shards = sorted(name for name in files if SHARD.fullmatch(name))
    weights = [files[name] for name in (*WEIGHT_FILES, *shards) if name in files]
    return hashlib.sha256("".join(weights).encode()).hexdigest()
