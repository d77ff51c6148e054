"""How a student's tokenizer reads words beside its teacher's: which become [UNK], which fall into more pieces.

On the corpus's test split, and on three lists that the package carries (`words/`): slang, emoji, and words of
crisis and counselling. What is given of the corpus is rates alone; the lists are the project's own and
quote nobody.
"""

import string
from collections import Counter
from collections.abc import Iterable, Mapping
from importlib import resources
from typing import Any

import numpy as np
from numpy.typing import NDArray

from distill.teachers.tokenizers import uncut

LISTS = ("slang", "emoji", "crisis")


def word_rates(own: Any, teachers: Any, texts: Iterable[str]) -> dict[str, Any]:
    """Rates on the words of texts and on each list, as plain data; and the crisis words that are read worse.

    Args:
        own: the student's fast tokenizer.
        teachers: the teacher's.
        texts: the test split.
    """
    lists = {name: read_list(name) for name in LISTS}
    found = {"corpus": rates(own, teachers, words_of(texts))}
    found |= {name: rates(own, teachers, Counter(words.keys())) for name, words in lists.items()}
    crisis = lists["crisis"]
    (unknown, pieces), (_, theirs) = (_read(one, list(crisis)) for one in (own, teachers))
    worse = [
        {"word": word, "field": crisis[word], "unknown": bool(lost), "pieces": int(more), "teacher": int(full)}
        for word, lost, more, full in zip(crisis, unknown, pieces, theirs, strict=True)
        if lost or more > full
    ]
    return {"rates": found, "crisis_words": worse}


def words_of(texts: Iterable[str]) -> Counter[str]:
    """How often each word stands in texts: what is between blanks, without punctuation around it."""
    found: Counter[str] = Counter()
    for text in texts:
        found.update(word for part in text.split() if (word := part.strip(string.punctuation)))
    return found


def rates(own: Any, teachers: Any, words: Mapping[str, int]) -> dict[str, float]:
    """Shares of the words, each as often as it is said, and mean numbers of pieces.

    Args:
        own: the student's tokenizer.
        teachers: the teacher's.
        words: how often each is said.
    """
    names = list(words)
    counts = np.array([words[name] for name in names], dtype=np.int64)
    total = max(int(counts.sum()), 1)
    unknown, pieces = _read(own, names)
    teachers_unknown, teachers_pieces = _read(teachers, names)
    return {
        "words": sum(words.values()),
        # whole numbers until here: rounded shares of each word could add up to more than all of them
        "unknown": int(counts @ unknown) / total,
        "unknown_to_teacher": int(counts @ teachers_unknown) / total,
        "split_more": int(counts @ (pieces > teachers_pieces)) / total,
        "pieces": int(counts @ pieces) / total,
        "pieces_of_teacher": int(counts @ teachers_pieces) / total,
    }


def read_list(name: str) -> dict[str, str]:
    """One of LISTS: each word with what it is for."""
    text = (resources.files("distill.report") / "word_lists" / f"{name}.tsv").read_text(encoding="utf-8")
    lines = [line.split("\t") for line in text.splitlines() if not line.startswith("# ")]
    return {line[0]: line[1] for line in lines}


def _read(tokenizer: Any, words: list[str]) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
    """Of each word whether a piece of it is unknown, and how many pieces it is ``(W,)``."""
    # as inside a text: byte-level BPE has other pieces behind a blank
    encodings = uncut(tokenizer).encode_batch([f" {word}" for word in words], add_special_tokens=False)
    unknown = [tokenizer.unk_token_id in encoding.ids for encoding in encodings]
    return np.array(unknown, dtype=np.bool_), np.array([len(one.ids) for one in encodings], dtype=np.int64)
