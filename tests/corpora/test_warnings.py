"""Warnings about a corpus: each from its counts, none about a corpus that is fine."""

import json
from collections import Counter

import pytest

from distill.corpora.assembly.read import CorpusSpec, read_corpus
from distill.corpora.describe import describe
from distill.corpora.warnings import corpus_warnings
from distill.export.runtime.errors import InputError


def warnings(tmp_path, rows, **more):
    """The warnings about a corpus; `rows` are of one file, or of each split."""
    splits = rows if isinstance(rows, dict) else {"train": rows}
    for name, lines in splits.items():
        (tmp_path / f"{name}.jsonl").write_text("\n".join(map(json.dumps, lines)))
    spec = CorpusSpec(str(tmp_path), "single_label", ("text",), "labels", **more)
    corpus, bad = read_corpus(spec, seed=1)
    return corpus_warnings(describe(corpus, Counter(bad.reasons), None, 8))


def rows(count, labels="ab", name="line", **more):
    return [{"text": f"{name} {i}", "labels": labels[i % len(labels)], **more} for i in range(count)]


def three(**more):
    return {name: rows(200 if name == "train" else 110, name=name, **more) for name in ("train", "dev", "test")}


def test_a_corpus_that_is_fine_has_none(tmp_path):
    assert warnings(tmp_path, three()) == ()


def test_small_splits_and_labels_without_rows(tmp_path):
    splits = three() | {"dev": rows(30, "a", "dev")}
    small, without = warnings(tmp_path, splits)
    assert small.startswith("validation has 30 rows, so scores on it vary by chance")
    assert without.startswith("validation has no row of 1 labels (b)")


def test_leaks_and_repeats(tmp_path):
    splits = three()
    splits["train"] += splits["test"][:40]
    assert any("40 of 240 rows of train share a text with a held-out split and were removed" in w
               for w in warnings(tmp_path, splits))  # fmt: skip
    assert any("stay, as corpus.leaks says" in w for w in warnings(tmp_path, splits, leaks="keep"))
    splits = three()
    splits["test"] += splits["test"][:40]
    (found,) = warnings(tmp_path, splits)
    assert found.startswith("40 of 150 rows of the published test split repeat another and stay")
    found = warnings(tmp_path, splits, merge_test=True)
    assert any("40 of 460 rows repeat another and were merged" in warning for warning in found)
    assert any("40 rows of the published test split were merged" in warning for warning in found)
    assert warnings(tmp_path, splits, duplicates="keep") == ()


@pytest.mark.parametrize(
    "copies",
    [
        ("Joy", "joy"),
        ("very sad", "very_sad"),
        ("joy", "joy."),
        ("'joy'", "joy"),
        ("joy", "jo\u200by"),
        ("joy", "ｊｏｙ"),
        ("❤", "❤\ufe0f"),
        ("self-harm", "self harm"),
    ],
)
def test_label_names_that_are_nearly_the_same(tmp_path, copies):
    (found,) = warnings(tmp_path, three(labels=copies))
    assert (
        found == f"the labels {', '.join(sorted(copies))} are nearly the same name; write one of them everywhere"
    )


@pytest.mark.parametrize("labels", [("-1", "1"), ("?", "!"), ("सुख", "सख"), (":)", ":("), ("joy", "joys")])
def test_labels_that_are_not_nearly_the_same(tmp_path, labels):
    assert warnings(tmp_path, three(labels=labels)) == ()


def test_published_rows_that_lose_a_label_are_a_warning(tmp_path):
    splits = three()
    splits["test"][0]["labels"] = "other"
    (found,) = warnings(tmp_path, splits, min_rows=2)
    assert found.startswith("1 rows of published validation and test splits have a label that no row of train has")


def test_groups(tmp_path):
    splits = three()
    for lines in splits.values():
        for row, line in enumerate(lines):
            line["talk"] = row // 5
    (found,) = warnings(tmp_path, splits, group="talk")
    assert found.startswith("22 group ids are in several published splits")
    one = {"train": [{**line, "talk": row % 5} for row, line in enumerate(rows(2000))]}
    for name in ("dev", "test"):
        (tmp_path / f"{name}.jsonl").unlink()
    assert any("groups: too few for the shares" in warning for warning in warnings(tmp_path, one, group="talk"))


def test_rows_that_are_left_out(tmp_path):
    splits = three()
    splits["train"] += [{"text": "", "labels": "a"}] * 40
    splits["test"] = [{"text": line["text"]} for line in splits["test"]]
    found = warnings(tmp_path, splits, on_bad_row="quarantine")
    assert any("40 of 460 rows are bad and in quarantine" in warning for warning in found)
    assert any("110 rows have no label and are left out" in warning for warning in found)


@pytest.mark.parametrize("spelt", ["nan", "None", "n/a"])
def test_texts_that_are_spelt_like_missing_ones_are_counted(tmp_path, spelt):
    splits = three()
    splits["train"][3]["text"] = spelt
    assert not warnings(tmp_path, splits)
    splits["train"][4]["text"] = f" {spelt} "
    (found,) = warnings(tmp_path, splits, duplicates="keep")
    assert found.startswith("2 texts are spelt nan, None, null or the like and are read as texts")


def test_files_of_no_split_are_counted(tmp_path):
    (tmp_path / "codes.csv").write_text("text,labels\nso,a\n")
    (found,) = warnings(tmp_path, three())
    assert found.startswith(
        "1 data files or folders beside the splits have no split in their names and are not read"
    )


def test_a_tsv_that_looks_quoted(tmp_path):
    lines = "".join(f'"line ""{i}"""\t{"ab"[i % 2]}\n' for i in range(2000))
    (tmp_path / "a.tsv").write_text(f"text\tlabels\n{lines}")
    spec = CorpusSpec(str(tmp_path / "a.tsv"), "single_label", ("text",), "labels")
    corpus, bad = read_corpus(spec, seed=1)
    (found,) = corpus_warnings(describe(corpus, bad.reasons, None, 64))
    assert "set corpus.quoting = true" in found


def test_groups_that_make_the_shares_impossible_are_told_with_numbers(tmp_path):
    clients = [{**row, "client": "one" if at < 700 else f"c{at // 5}"} for at, row in enumerate(rows(1000))]
    told = [w for w in warnings(tmp_path, clients, group="client", split=(0.4, 0.3, 0.3)) if "asks for" in w]
    assert [warning.split()[0] for warning in told] == ["validation", "test"]
    for warning in told:
        assert "rows where corpus.split asks for 300, because rows of one group or text stay together" in warning


def test_a_split_that_groups_leave_without_a_row_is_refused(tmp_path):
    clients = [{**row, "client": f"c{at % 2}"} for at, row in enumerate(rows(100))]
    with pytest.raises(InputError, match=r"No row is left for the \w+ split of 100 rows.* Look at `group`"):
        warnings(tmp_path, clients, group="client")
