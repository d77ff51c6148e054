"""What a whole run in seconds needs: a small corpus, small teachers of any architecture, and small students."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.support import tiny_causal
from tests.support.tiny_bodies import DECODERS, tiny_body
from tests.support.tiny_models import TEXTS, bert_tokenizer, roberta_tokenizer

# settings over those of the smoke recipe
SHORT = (
    *("student.kind=static", "student.width=16", "student.window_channels=8", "student.hash_buckets=0"),
    *("student.hidden=16", "student.epochs=1", "objective.compare=false"),
    *("teacher.freeze=none", "teacher.max_unknown=1", "corpus.rows=80"),
)
NAMES = ("joy", "sadness", "joy,sadness", "joy")
OWN_TOKENIZERS: Mapping[str, Any] = {
    **dict.fromkeys(("roberta", "xlm-roberta", "mpnet"), roberta_tokenizer),
    **dict.fromkeys(DECODERS, tiny_causal.tokenizer),  # neither padding nor a first token
}


def tokenizer_of(kind: str) -> Any:
    return OWN_TOKENIZERS.get(kind, bert_tokenizer)()


def write_rows(folder: Path) -> str:
    """Write a hundred different rows with two labels, and return the setting that names them."""
    rows = [f'"{TEXTS[number % 6]}, part {number}","{NAMES[number % 4]}"' for number in range(100)]
    (folder / "rows.csv").write_text("\n".join(["text,labels", *rows]), encoding="utf-8")
    return f"corpus.source={folder / 'rows.csv'}"


def write_body(kind: str, folder: Path) -> Path:
    """Write a body with a tokenizer of its architecture, and return their folder."""
    tiny_body(kind).save_pretrained(folder)
    tokenizer_of(kind).save_pretrained(folder)
    return folder
