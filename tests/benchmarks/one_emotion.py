"""Write the rows of GoEmotions that have exactly one of eight emotions, as a corpus of one label per row.

    python -m tests.benchmarks.one_emotion CORPORA/goemotions OUT [--test 1000] [--train 8000]

The rows are in their order; fewer are spread evenly over them. OUT has train.tsv, dev.tsv and test.tsv with a
header; beside it are OUT-unlabelled.txt, the texts of train, and OUT-labelled.tsv, 96 rows of dev.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

EMOTIONS = ("admiration", "amusement", "anger", "fear", "gratitude", "joy", "sadness", "surprise")
LABELLED = 12


def single_rows(path: Path, names: Sequence[str]) -> list[tuple[str, str]]:
    """Return text and emotion of the rows with exactly one label, which is one of `EMOTIONS`."""
    rows = []
    for line in path.read_text(encoding="utf-8").splitlines():
        text, labels, _ = line.rsplit("\t", 2)
        ids = labels.split(",")
        if len(ids) == 1 and names[int(ids[0])] in EMOTIONS and "\t" not in text and text.strip():
            rows.append((text, names[int(ids[0])]))
    return rows


def spread(rows: Sequence[tuple[str, str]], count: int | None) -> list[tuple[str, str]]:
    """Return at most `count` rows, spread evenly."""
    if count is None or count >= len(rows):
        return list(rows)
    return [rows[place * len(rows) // count] for place in range(count)]


def write(path: Path, rows: Sequence[tuple[str, str]]) -> None:
    """Write a table with a header."""
    lines = ["text\tlabels", *(f"{text}\t{label}" for text, label in rows)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def main() -> None:
    """Read the arguments, and write the folder."""
    parser = argparse.ArgumentParser()
    parser.add_argument("source", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--train", type=int)
    parser.add_argument("--dev", type=int)
    parser.add_argument("--test", type=int)
    given = parser.parse_args()
    names = (given.source / "labels.txt").read_text(encoding="utf-8").split()
    given.out.mkdir(parents=True, exist_ok=True)
    for split in ("train", "dev", "test"):
        rows = spread(single_rows(given.source / f"{split}.tsv", names), getattr(given, split))
        write(given.out / f"{split}.tsv", rows)
        if split == "train":
            texts = "".join(f"{text}\n" for text, _ in rows)
            (given.out.parent / f"{given.out.name}-unlabelled.txt").write_text(texts, encoding="utf-8")
        if split == "dev":
            few = [row for emotion in EMOTIONS for row in [one for one in rows if one[1] == emotion][:LABELLED]]
            write(given.out.parent / f"{given.out.name}-labelled.tsv", few)
        print(f"{split}: {len(rows)} rows")


if __name__ == "__main__":
    main()
