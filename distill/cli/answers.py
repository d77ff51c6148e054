"""Answers of a bundle on stdout: a line of labels, or a JSON object, for each row of a file or conversation."""

import json
import sys
from collections import deque
from contextlib import closing
from io import BufferedIOBase
from pathlib import Path
from typing import TYPE_CHECKING, cast

from distill.export.runtime.deciding.task import UNREADABLE, UNSURE
from distill.files.printable import printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from distill.bundles.rows import Columns
    from distill.export.runtime import Classifier, Prediction
    from distill.export.runtime.reading.inputs import Row
    from distill.runs.progress import Reporter


def predict_conversations(
    classifier: "Classifier",
    texts: list[str] | None,
    file: Path | None,
    identity: str | None,
    reporter: "Reporter",
    *,
    as_json: bool,
) -> None:
    """Print the decisions on each conversation: one JSON object, or a line per decided turn with both numbers."""
    from distill.bundles.conversations import decide_conversations, file_lines, require_turns, stream_lines

    if file is None:
        require_turns(classifier, texts)
    lines = stream_lines(stdin_bytes()) if file is None else file_lines(file)
    with closing(decide_conversations(classifier, lines, identity, reporter)) as decided:
        for found in decided:
            if as_json:
                print(json_line(found.to_dict()), flush=True)
                continue
            name = found.line if found.identity is None else found.identity
            for number, turn in enumerate(found.turns, 1):
                if turn is not None:
                    print(printable(str(name)), number, answer_line(turn), sep="\t", flush=True)


def predict_file(
    classifier: "Classifier",
    file: Path,
    columns: "Columns",
    identity: str | None,
    reporter: "Reporter",
    *,
    as_json: bool,
) -> None:
    """Print the decision on each row of a file, with the row's number and the value of its `identity` column."""
    from distill.bundles.predict import predict_rows
    from distill.bundles.rows import read_numbered

    keys: deque[dict[str, object]] = deque()

    def rows() -> "Iterator[Row]":
        for number, value, row in read_numbered(file, columns, classifier.input, identity):
            keys.append({"row": number} if identity is None else {"row": number, "id": value})
            yield row

    blocks = predict_rows(classifier, rows(), reporter)
    with closing(blocks):  # otherwise the bar outlives an error
        for predictions in blocks:
            for prediction in predictions:
                key = keys.popleft()
                shown = (*(printable(str(value)) for value in key.values()), answer_line(prediction))
                print(json_line({**key, **prediction.to_dict()}) if as_json else "\t".join(shown))
            sys.stdout.flush()


def stdin_bytes() -> BufferedIOBase:
    """Return the bytes of stdin."""
    return cast(BufferedIOBase, sys.stdin.buffer)


def json_line(values: "Mapping[str, object]") -> str:
    """Return an object as one line of JSON that the stream can hold."""
    # an escape of the stream's own would not be JSON
    escaped = not (getattr(sys.stdout, "encoding", None) or "ascii").lower().startswith("utf")
    return json.dumps(dict(values), ensure_ascii=escaped)


def answer_line(prediction: "Prediction") -> str:
    """Return one text's decision in one line, or why there is none, and reasons to read the text."""
    reasons = list(prediction.handed_over)
    if UNREADABLE in reasons:
        decided = "not decided"
    elif prediction.abstained:
        decided = f"abstained (confidence {prediction.confidence:.2f})"
        reasons.remove(UNSURE)
    else:
        named = [f"{printable(name)} {prediction.scores[name]:.2f}" for name in prediction.labels]
        decided = ", ".join(named) or "-"
    return f"{decided} [{', '.join(reasons)}]" if reasons else decided
