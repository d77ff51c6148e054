"""Sort a csv of messages: what a person must read comes first. Base install; mypy strict and pyright accept it."""

import csv
import sys
from pathlib import Path

import distill


def urgency(prediction: distill.Prediction) -> float:
    """Return 1 where the bundle decides nothing, and its lack of confidence elsewhere."""
    return 1.0 if prediction.abstained else 1.0 - prediction.confidence


def main(bundle: str, table: str, column: str) -> None:
    """Print the rows of a table, the least certain first."""
    try:
        classifier = distill.load(bundle)
    except distill.DistillError as error:
        sys.exit(f"error: {error}")
    with Path(table).open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    predictions = classifier.predict([row[column] for row in rows], top_k=3)
    order = sorted(range(len(rows)), key=lambda row: urgency(predictions[row]), reverse=True)
    for row in order:
        labels: str = ", ".join(predictions[row].labels) or "-"
        print(row + 1, f"{urgency(predictions[row]):.2f}", labels, sep="\t")


if __name__ == "__main__":
    main(*sys.argv[1:4])
