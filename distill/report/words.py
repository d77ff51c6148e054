"""Reading of words by the student's tokenizer beside the teacher's: which become [UNK], which take more tokens.

Measured on the corpus's test split and on three lists that the package carries (`word_lists/`): slang, emoji, and
words of crisis and counselling. The report has rates alone of the corpus's words; the lists are the project's own
and quote nobody.
"""

import string
from collections import Counter
from collections.abc import Iterable, Mapping
from importlib import resources
from typing import Any

import numpy as np
from numpy.typing import NDArray

from distill.artifacts.report import CrisisWord, WordRates, WordReport
from distill.students.whole_words import crisis_topics
from distill.teachers.tokenizers import without_truncation

LISTS = ("slang", "emoji", "crisis")


def word_report(student: Any, teacher: Any, texts: Iterable[str]) -> WordReport:
    """Return rates on the words of texts and on each list, and the crisis words that the student reads worse.

    Args:
        student: the student's fast tokenizer.
        teacher: the teacher's.
        texts: the test split.
    """
    lists = {name: read_list(name) for name in LISTS}
    rates = {"corpus": word_rates(student, teacher, count_words(texts))}
    rates |= {name: word_rates(student, teacher, Counter(words.keys())) for name, words in lists.items()}
    crisis = lists["crisis"]
    unknown, tokens = _tokenize(student, list(crisis))
    _, teacher_tokens = _tokenize(teacher, list(crisis))
    worse = tuple(
        CrisisWord(
            word, topic=crisis[word], unknown=bool(lost), tokens=int(count), teacher_tokens=int(teacher_count)
        )
        for word, lost, count, teacher_count in zip(crisis, unknown, tokens, teacher_tokens, strict=True)
        if lost or count > teacher_count
    )
    return WordReport(rates, worse)


def count_words(texts: Iterable[str]) -> Counter[str]:
    """Count each word in texts; a word is what lies between blanks, without surrounding punctuation."""
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(word for part in text.split() if (word := part.strip(string.punctuation)))
    return counts


def word_rates(student: Any, teacher: Any, words: Mapping[str, int]) -> WordRates:
    """Return shares of the words, weighted by their counts, and mean numbers of tokens per word.

    Args:
        student: the student's fast tokenizer.
        teacher: the teacher's.
        words: the count of each word.
    """
    names = list(words)
    counts = np.array([words[name] for name in names], dtype=np.int64)
    total = max(int(counts.sum()), 1)
    unknown, tokens = _tokenize(student, names)
    teacher_unknown, teacher_tokens = _tokenize(teacher, names)
    return WordRates(
        words=sum(words.values()),
        # whole numbers up to this point: rounded shares could add up to more than 1
        unknown=int(counts @ unknown) / total,
        unknown_to_teacher=int(counts @ teacher_unknown) / total,
        split_more=int(counts @ (tokens > teacher_tokens)) / total,
        tokens=int(counts @ tokens) / total,
        teacher_tokens=int(counts @ teacher_tokens) / total,
    )


def read_list(name: str) -> dict[str, str]:
    """Return one of LISTS: each word with its topic."""
    if name == "crisis":
        return crisis_topics()
    text = (resources.files("distill.report") / "word_lists" / f"{name}.tsv").read_text(encoding="utf-8")
    lines = [line.split("\t") for line in text.splitlines() if not line.startswith("# ")]
    return {line[0]: line[1] for line in lines}


def _tokenize(tokenizer: Any, words: list[str]) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
    """Return for each word whether any token of it is unknown, and its number of tokens, both ``(W,)``."""
    # with a blank before it, as inside a text: byte-level BPE has other tokens there
    encodings = without_truncation(tokenizer).encode_batch(
        [f" {word}" for word in words], add_special_tokens=False
    )
    unknown = [tokenizer.unk_token_id in encoding.ids for encoding in encodings]
    return np.array(unknown, dtype=np.bool_), np.array(
        [len(encoding.ids) for encoding in encodings], dtype=np.int64
    )
