"""Texts that nobody can read, and crisis words, on GoEmotions."""

import base64
import random
import string
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from distill.export.runtime.deciding.hand_over import PieceReader
from distill.export.runtime.deciding.listed_words import WordFinder
from distill.export.runtime.reading.inputs import ONE_TEXT
from distill.export.runtime.reading.said import framing_of
from distill.variants.hand_over import fit_unreadable
from distill.variants.word_forms import LANGUAGES, crisis_words, forms_of

SHARE = 0.005
KEYS = ("qwertyuiop", "asdfghjkl", "zxcvbnm", "1234567890")
# made for this measurement: "I cannot go on", "I am very sad today" and the like
FOREIGN = {
    "Russian": ("Я больше так не могу", "Мне сегодня очень грустно", "Никто меня не слушает"),
    "Greek": ("Δεν αντέχω άλλο", "Είμαι πολύ λυπημένος σήμερα", "Κανείς δεν με ακούει"),
    "Arabic": ("لا أستطيع أن أكمل", "أنا حزين جدا اليوم", "لا أحد يسمعني"),
    "Hebrew": ("אני לא יכול יותר", "אני מאוד עצוב היום", "אף אחד לא מקשיב לי"),
    "Hindi": ("मैं और नहीं सह सकता", "आज मैं बहुत उदास हूँ", "कोई मेरी नहीं सुनता"),
    "Thai": ("ฉันทนไม่ไหวแล้ว", "วันนี้ฉันเศร้ามาก", "ไม่มีใครฟังฉัน"),
    "Chinese": ("我撑不下去了", "我今天很难过", "没有人听我说话"),
    "Japanese": ("もう耐えられない", "今日はとても悲しい", "誰も聞いてくれない"),
    "Korean": ("더 이상 견딜 수 없어", "오늘은 너무 슬퍼", "아무도 내 말을 듣지 않아"),
    "Georgian": ("მეტი აღარ შემიძლია", "დღეს ძალიან მოწყენილი ვარ", "არავინ მისმენს"),
}


def read_goemotions(path: Path, labels: int) -> tuple[list[str], NDArray[np.float64]]:
    """The texts of a split, and its labels as 0/1, (N, C)."""
    rows = [row.split("\t") for row in path.read_text(encoding="utf-8").split("\n") if row]
    gold = np.zeros((len(rows), labels))
    for at, row in enumerate(rows):
        gold[at, list(map(int, row[1].split(",")))] = 1
    return [row[0] for row in rows], gold


def unreadable_texts() -> dict[str, list[str]]:
    """400 texts of six kinds."""
    rng = random.Random(0)
    emoji = [chr(code) for code in (*range(0x1F600, 0x1F650), *range(0x1F300, 0x1F340), *range(0x1F900, 0x1F940))]

    def noise() -> str:
        row = rng.choice(KEYS[:3])
        return (
            "".join(rng.choices(row, k=rng.randint(8, 30)))
            if rng.random() < 0.5
            else " ".join(
                "".join(rng.choices(string.ascii_lowercase, k=rng.randint(4, 12)))
                for _ in range(rng.randint(1, 5))
            )
        )

    return {
        "empty and blank": ["", " ", "\n", "\t \n", "\u3000", "\u200b", "\u00a0"] * 4
        + [" " * n for n in range(1, 13)],
        "emoji alone": ["".join(rng.choices(emoji, k=rng.randint(1, 6))) for _ in range(60)],
        "ten scripts": [text for texts in FOREIGN.values() for text in texts * 4][:120],
        "keyboard noise": [noise() for _ in range(100)],
        "base64": [base64.b64encode(rng.randbytes(rng.randint(16, 200))).decode() for _ in range(80)],
    }


def further_noise() -> dict[str, list[str]]:
    """Noise that is harder to tell from words: 300 texts of each kind."""
    rng = random.Random(7)

    def words(low: int, high: int) -> str:
        every = ("".join(rng.choices(string.ascii_lowercase, k=rng.randint(low, high))) for _ in range(10))
        return " ".join(list(every)[: rng.randint(1, 10)])

    def keys(among: str) -> str:
        return "".join(rng.choices(among, k=rng.randint(5, 30)))

    kinds: dict[str, Callable[[], str]] = {
        "words of 3 to 9 letters": lambda: words(3, 9),
        "words of 1 to 4 letters": lambda: words(1, 4),
        "keys of three rows with digits and punctuation": lambda: keys("".join(KEYS) + "[];',./-="),
        "keys of one row and punctuation": lambda: keys("asdfghjkl;'[],./"),
        "base64 of 6 to 120 bytes": lambda: base64.b64encode(rng.randbytes(rng.randint(6, 120))).decode(),
    }
    return {kind: [make() for _ in range(300)] for kind, make in kinds.items()}


def shuffled_texts(path: Path) -> dict[str, list[str]]:
    """Texts of a split with their words in another order, with the letters of each word, or all characters."""
    rng, texts = random.Random(0), read_goemotions(path, 28)[0]

    def mixed(part: str) -> str:
        return "".join(rng.sample(part, len(part)))

    def in_words(text: str) -> str:
        return " ".join(map(mixed, text.split()))

    def in_order(text: str) -> str:
        return " ".join(rng.sample(text.split(), len(text.split())))

    return {
        "test, words shuffled": list(map(in_order, texts)),
        "test, letters of words shuffled": list(map(in_words, texts)),
        "test, characters shuffled": list(map(mixed, texts)),
    }


def measure_unreadable(corpus: Path, tokenizer: Path) -> None:
    """Print how many of 400 unreadable texts are decided, and how much of GoEmotions is not."""
    opened = Tokenizer.from_file(str(tokenizer / "tokenizer.json" if tokenizer.is_dir() else tokenizer))
    opened.no_padding()
    opened.enable_truncation(64)
    framing = framing_of(ONE_TEXT, opened)

    def ids(texts: list[str]) -> list[list[int]]:
        return [encoding.ids for encoding in opened.encode_batch(texts)]

    splits = {name: ids(read_goemotions(corpus / f"{name}.tsv", 28)[0]) for name in ("dev", "test")}
    fitted = fit_unreadable(opened, splits["dev"], framing, SHARE)
    reader = PieceReader(fitted.rule, opened, framing)
    rule = fitted.rule
    print(f"from a share of {rule.from_share:.3f}, of words {rule.from_share_of_words}, {len(rule.blocks)} blocks")
    total = decided = 0
    for kind, texts in unreadable_texts().items():
        left = sum(not reader.unreadable(row) for row in ids(texts))
        total, decided = total + len(texts), decided + left
        print(f"{kind}: {left} of {len(texts)} decided")
    print(f"together: {decided} of {total} decided")
    for kind, texts in further_noise().items():
        print(f"{kind}: {sum(not reader.unreadable(row) for row in ids(texts))} of {len(texts)} decided")
    splits |= {name: ids(texts) for name, texts in shuffled_texts(corpus / "test.tsv").items()}
    for name, rows in splits.items():
        print(f"{name}: {np.mean(list(map(reader.unreadable, rows))):.2%} of {len(rows)} not decided")


def measure_words(corpus: Path) -> None:
    """Print how often the packaged crisis words flag a text of GoEmotions, and how long it takes."""
    texts = [
        text for split in ("train", "dev", "test") for text in read_goemotions(corpus / f"{split}.tsv", 28)[0]
    ]
    for name, forms in {**{one: crisis_words(one) for one in LANGUAGES}, "all": forms_of("crisis")[1]}.items():
        finder, start = WordFinder(forms), time.perf_counter()
        found = sum(map(finder.found_in, texts))
        microseconds = (time.perf_counter() - start) / len(texts) * 1e6
        share = f"{found} of {len(texts)} texts ({found / len(texts):.3%})"
        print(f"{name}: {len(forms)} forms, {share}, {microseconds:.0f} µs per text")
