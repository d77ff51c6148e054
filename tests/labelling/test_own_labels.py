"""A corpus without labels: how it is read, what labels it gets, and which rows a person should label."""

from pathlib import Path

import numpy as np
import pytest

from distill.corpora.assembly.read import CorpusSpec, read_corpus
from distill.corpora.corpus import label_matrix
from distill.corpora.storage.parquet import load_corpus, save_corpus
from distill.export.runtime.deciding.kinds.multi_label import MultiLabel
from distill.export.runtime.deciding.kinds.ordinal import Ordinal
from distill.export.runtime.deciding.kinds.single_label import SingleLabel
from distill.export.runtime.errors import InputError
from distill.labelling.own_labels import decided_by, with_own_labels, write_own_labels
from distill.labelling.review import PARTS, most_worth, write_review
from distill.recipe.load import load_recipe

LABELS = ("joy", "sadness", "fear")


def unlabelled(folder: Path, name: str = "rows.csv", task: str = "single_label") -> CorpusSpec:
    rows = [f"text number {number} of these" for number in range(50)]
    table = ["text", *rows, rows[0]] if name.endswith(".csv") else [*rows, rows[0]]
    (folder / name).write_text("\n".join(table) + "\n")
    return CorpusSpec(str(folder / name), task, ("text",), (), label_names=LABELS)


@pytest.mark.parametrize("task", ["single_label", "multi_label", "ordinal"])
@pytest.mark.parametrize("name", ["rows.csv", "lines.txt"])
def test_texts_alone_are_a_corpus(tmp_path: Path, name: str, task: str) -> None:
    corpus, bad = read_corpus(unlabelled(tmp_path, name, task), seed=1)
    assert not bad.first
    assert not corpus.is_labelled
    assert (len(corpus.train), len(corpus.validation), len(corpus.test)) == (40, 5, 5)
    assert (corpus.notes["rows_unlabelled"], corpus.notes["rows_merged"]) == (51, 1)
    with pytest.raises(InputError, match="no labels"):
        label_matrix(corpus.train, corpus.task)
    save_corpus(corpus, tmp_path / "saved")
    loaded = load_corpus(tmp_path / "saved")
    assert (loaded.is_labelled, loaded.fingerprint) == (False, corpus.fingerprint)
    gold = {name: np.eye(3, dtype=np.uint8)[np.arange(len(split)) % 3] for name, split in loaded.splits()}
    write_own_labels(gold, tmp_path)
    labelled = with_own_labels(loaded, tmp_path)
    assert (label_matrix(labelled.train, labelled.task) == gold["train"]).all()
    assert labelled.fingerprint != corpus.fingerprint


def test_the_labels_must_be_named(tmp_path: Path) -> None:
    spec = unlabelled(tmp_path)
    with pytest.raises(InputError, match="`label_names` is missing"):
        CorpusSpec(spec.source, spec.task, spec.text, ())


def test_own_labels_are_the_highest_or_those_above_even_odds() -> None:
    values = np.array([[-1.0, 2.0, 0.5], [-3.0, -2.0, -4.0]])
    assert decided_by(values, SingleLabel(LABELS)).tolist() == [[0, 1, 0], [0, 1, 0]]
    assert decided_by(values, Ordinal(LABELS)).tolist() == [[0, 1, 0], [0, 1, 0]]
    assert decided_by(values, MultiLabel(LABELS)).tolist() == [[0, 1, 1], [0, 0, 0]]


BASE = ("corpus.labels=false", "corpus.label_names=['a','b']", "teacher.kind=endpoint", "endpoint.model=m")


@pytest.mark.parametrize(
    "override",
    [
        "teacher.kind=classifier", "objective.soft_weight=0.5", "verbaliser.shots=1", "corpus.folds=2",
        "verbaliser.calibration=affine", "decisions.recall_floor={a = 0.5}", "teacher.fit_temperature=true",
    ],
)  # fmt: skip
def test_what_needs_labels_is_refused(override: str) -> None:
    assert load_recipe("smoke", list(BASE)).objective.soft_weight == 1.0
    with pytest.raises(InputError):
        load_recipe("smoke", [*BASE, override])


def test_rows_in_doubt_that_differ_from_each_other_are_worth_a_label(tmp_path: Path) -> None:
    texts = [f"a sure text about {word}" for word in ("rain", "snow", "wind", "hail") * 20]
    scores = np.log(np.tile([[0.98, 0.01, 0.01]], (80, 1)))
    doubtful = [3, 7, 11, 40]
    for row, text in zip(doubtful, ("one odd thing", "one odd thing", "quite another matter", "hmm"), strict=True):
        texts[row] = text
        scores[row] = np.log([0.34, 0.33, 0.33])
    labels = decided_by(scores, SingleLabel(LABELS))
    done: list[int] = []
    chosen = most_worth(texts, scores, labels, 4, 0, done.append).tolist()
    assert sum(done) == PARTS * labels.shape[1]
    assert set(chosen[:3]) in ({3, 11, 40}, {7, 11, 40})  # of two equal texts only one
    assert len(set(most_worth(texts, scores, labels, 200, seed=0).tolist())) == 80
    write_review(tmp_path / "r.csv", [("train", texts[:10]), ("test", ["=1+1", *texts[11:]])], [["joy"]] * 80,
                 np.array([3, 10]))  # fmt: skip
    lines = (tmp_path / "r.csv").read_text().splitlines()
    assert lines == [
        "split,row,text,labels_of_model,labels", "train,3,one odd thing,joy,", "test,0,'=1+1,joy,",
    ]  # fmt: skip
