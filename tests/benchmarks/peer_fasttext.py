"""fastText's own classifier (Joulin et al., arXiv 1607.01759), at the defaults of its documentation."""

from collections.abc import Sequence

import numpy as np

from distill.corpora.corpus import label_matrix
from distill.corpora.targets import CODECS
from distill.evaluation.decision import Logits
from tests.benchmarks.peer import Made, Peer, logits_of_scores, size_of

PREFIX = "__label__"


def fasttext_peers(made: Made) -> list[Peer]:
    """Trained on the same train rows, with its documented loss where a row may have several labels."""
    import fasttext

    task, rows, saved = made.corpus.task, made.folder / "fasttext.txt", made.folder / "fasttext.bin"
    gold = label_matrix(made.corpus.train, task) > 0
    lines = (
        " ".join([*(f"{PREFIX}{label}" for label in np.flatnonzero(has)), one_line(text)])
        for has, text in zip(gold, made.texts("train"), strict=True)
        if has.any()  # a row without a label is left out, as fastText would
    )
    rows.write_text("\n".join(lines) + "\n", encoding="utf-8")
    loss = "ova" if CODECS[task.kind].several else "softmax"
    model = fasttext.train_supervised(
        input=str(rows), loss=loss, seed=made.shipped.recipe.seed, thread=1, verbose=0
    )
    rows.unlink()  # no text stays behind
    model.save_model(str(saved))

    def logits(texts: Sequence[str]) -> Logits:
        found = np.zeros((len(texts), task.num_labels))
        for row, (labels, scores) in enumerate(zip(*model.predict(list(map(one_line, texts)), k=-1), strict=True)):
            found[row, [int(label.removeprefix(PREFIX)) for label in labels]] = scores
        return logits_of_scores(found, task.kind)

    return [Peer("fastText", "fastText", size_of(saved), logits)]


def one_line(text: str) -> str:
    """The text without line ends, which would end a row."""
    return " ".join(text.split())
