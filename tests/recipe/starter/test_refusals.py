"""What `init` used to misread without a word: each is read, or refused with the reason."""

import json

import pytest

from distill.export.runtime.errors import InputError
from distill.recipe.starter.propose import propose_recipe
from tests.recipe.starter.test_published import MOODS, line, lines, mood, proposed, rows_of, saved, table


@pytest.mark.parametrize("placeholder", ["NONE", "?", "-1", "unknown", ""])
@pytest.mark.parametrize("ids", [False, True])
def test_a_test_file_with_a_placeholder_has_no_gold(tmp_path, placeholder, ids):
    label = (lambda i: MOODS.index(mood(i))) if ids else mood
    for name, rows in (("train", range(80)), ("dev", range(80, 100))):
        table(tmp_path / f"{name}.csv", [{"text": line(i), "label": label(i)} for i in rows])
    table(tmp_path / "test.csv", [{"text": line(i), "label": placeholder} for i in range(100, 120)])
    _, _, read = proposed(tmp_path)
    assert (read.task.num_labels, rows_of(read), read.notes["rows_without_gold"]) == (4, 100, 20)


def test_a_test_file_of_one_known_label_has_gold(tmp_path):
    for name, rows in (("train", range(80)), ("dev", range(80, 100))):
        table(tmp_path / f"{name}.csv", [{"text": line(i), "label": mood(i)} for i in rows])
    table(tmp_path / "test.csv", [{"text": line(i), "label": "joy"} for i in range(100, 120)])
    assert "rows_without_gold" not in proposed(tmp_path)[2].notes


def test_a_label_column_in_another_spelling_is_named(tmp_path):
    table(tmp_path / "train.csv", [{"text": line(i), "label": mood(i)} for i in range(80)])
    table(tmp_path / "test.csv", [{"text": line(i), "Label": mood(i)} for i in range(80, 99)])
    with pytest.raises(InputError, match="no column 'label', which corpus.labels asks for, but 'Label'"):
        propose_recipe(tmp_path)


@pytest.mark.parametrize("key", ["{}", "turn_{}", "u{:03}"])
def test_objects_that_are_numbered_are_a_list(tmp_path, key):
    talks = {
        f"talk{t}": {
            "turns": {key.format(i): {"text": line(4 * t + i), "mood": mood(4 * t + i)} for i in range(4)}
        }
        for t in range(30)
    }
    corpus, _, read = proposed(saved(tmp_path / "a.json", json.dumps(talks)))
    assert (corpus["text"], corpus["labels"], rows_of(read)) == ("turns[].text", "turns[].mood", 120)


def test_a_list_of_label_objects_is_refused_unless_people_gave_them(tmp_path):
    def rows(**more):
        return [
            {"text": line(i), "labels": [{"name": mood(i)} | more, {"name": mood(i + 1)} | more]}
            for i in range(80)
        ]

    with pytest.raises(
        InputError, match=r"Several 'labels\[\].name' of a text may be its labels, or those of several"
    ):
        propose_recipe(lines(tmp_path / "a.jsonl", rows()))
    corpus, _, _ = proposed(lines(tmp_path / "b.jsonl", rows(annotator="x")))
    assert corpus["labels"] == "labels[].name"


def test_one_label_object_per_text_is_its_label(tmp_path):
    rows = [{"text": line(i), "annotations": [{"label": MOODS.index(mood(i)), "user": 1}]} for i in range(80)]
    corpus, _, read = proposed(lines(tmp_path / "a.jsonl", rows))
    assert (corpus["labels"], read.task.num_labels) == ("annotations[].label", 4)


def test_votes_as_names_are_refused(tmp_path):
    rows = [{"text": line(i), "votes": [mood(i), mood(i), mood(i + 1)]} for i in range(80)]
    with pytest.raises(InputError, match="'votes' names a label twice in 80 of 80 rows"):
        propose_recipe(lines(tmp_path / "a.jsonl", rows))


def words(number):
    return [(word, ("O", "B-geo", "I-geo")[len(word) % 3]) for word in line(number).split()]


def test_tags_of_tokens_in_a_csv_are_refused(tmp_path):
    rows = [
        {"Sentence #": "" if place else f"Sentence: {i}", "Word": word, "POS": "NN", "Tag": tag}
        for i in range(60)
        for place, (word, tag) in enumerate(words(i))
    ]
    with pytest.raises(InputError, match="Column 'Tag' holds tags of tokens"):
        propose_recipe(table(tmp_path / "a.csv", rows))


@pytest.mark.parametrize("joint", ["\t", " "])
def test_parts_of_speech_per_token_are_refused(tmp_path, joint):
    tags = {"O": "NOUN", "B-geo": "VERB", "I-geo": "DET"}
    blocks = ["\n".join(f"{word}{joint}{tags[tag]}" for word, tag in words(i)) for i in range(40)]
    with pytest.raises(InputError, match="CoNLL columns"):
        propose_recipe(saved(tmp_path / "a.txt", "\n\n".join(blocks)))


def test_blank_lines_in_a_table_of_texts_are_no_sentences(tmp_path):
    rows = [f"{line(i)}\t{mood(i).upper()}" + "\n" * (i % 4 == 3) for i in range(80)]
    assert rows_of(proposed(saved(tmp_path / "a.txt", "\n".join(rows)))[2]) == 80


@pytest.mark.parametrize("name", ["annotation", "annotations", "judgement"])
def test_annotations_are_labels(tmp_path, name):
    corpus, _, read = proposed(table(tmp_path / "a.csv", [{"text": line(i), name: mood(i)} for i in range(80)]))
    assert (corpus["labels"], read.task.labels) == (name, MOODS)


def test_a_label_inside_an_annotation_is_a_label(tmp_path):
    rows = [{"data": {"text": line(i)}, "annotation": {"label": mood(i)}} for i in range(80)]
    assert proposed(lines(tmp_path / "a.jsonl", rows))[0]["labels"] == "annotation.label"


@pytest.mark.parametrize("name", ["labeled_by", "annotated_by", "coded by", "labelledBy", "rater", "ann1"])
def test_who_labelled_a_row_is_no_label(tmp_path, name):
    rows = [{"text": line(i), "mood": mood(i), name: "ab"[i % 2]} for i in range(80)]
    assert proposed(table(tmp_path / "a.csv", rows))[0]["labels"] == "mood"


def test_texts_spelt_nan_are_a_comment(tmp_path):
    rows = [{"text": line(i) if i % 10 else "nan", "label": mood(i)} for i in range(80)]
    assert (
        "# 8 texts are spelt nan, as programs write a missing one" in proposed(table(tmp_path / "a.csv", rows))[1]
    )


@pytest.mark.parametrize(("joint", "delimiter"), [("\n", "\n"), (" and ", " and ")])
def test_labels_joined_by_lines_and_words(tmp_path, joint, delimiter):
    rows = [{"text": line(i), "labels": sorted({mood(i), mood(i + 1)})} for i in range(80)]
    content = "".join(f'{row["text"]},"{joint.join(row["labels"])}"\n' for row in rows)
    corpus, _, read = proposed(saved(tmp_path / "a.csv", f"text,labels\n{content}"))
    assert (corpus["delimiter"], read.task.labels) == (delimiter, MOODS)


def test_a_few_texts_with_the_separator_are_bad_rows(tmp_path):
    rows = [f"{line(i)}{'; and so' * (i % 20 == 7)};{mood(i)}" for i in range(200)]
    _, text, read = proposed(saved(tmp_path / "a.txt", "\n".join(rows)))
    assert rows_of(read) == 190
    assert "# 10 rows are bad and were put aside" in text


@pytest.mark.parametrize("name", ["held_out", "heldout", "eval", "goemotions-evaluation", "Holdout.2"])
def test_files_that_are_no_split_are_counted(tmp_path, name):
    for split, rows in (("train", range(80)), ("test", range(80, 100)), (name, range(100, 120))):
        table(tmp_path / f"{split}.csv", [{"text": line(i), "label": mood(i)} for i in rows])
    text = proposed(tmp_path)[1]
    assert "# 1 files, sheets or tables of other names were not read" in text
    assert f'# "{name}.csv" is not read: name it validation if' in text


@pytest.mark.parametrize("cell", ["{}%", "{} %", "{},0%", "{}"])
def test_percentages_per_label_are_refused(tmp_path, cell):
    rows = [
        {"text": line(i), **{m: cell.format(s) for m, s in zip(MOODS, (50 + i % 3, 20, 30 - i % 3), strict=False)}}
        for i in range(80)
    ]
    with pytest.raises(InputError, match="Columns anger, fear, joy hold shares or votes of annotators"):
        propose_recipe(table(tmp_path / "a.csv", rows, ";"))


@pytest.mark.parametrize(
    "cell", ["{}: 70%, {}: 30%", "{} 70%; {} 30%", "{}=0.7|{}=0.3", "{} (2), {} (1)", "{}:2,{}:1"]
)
def test_numbers_beside_labels_in_a_cell_are_refused(tmp_path, cell):
    rows = [{"text": line(i), "label": cell.format(mood(i), MOODS[MOODS.index(mood(i)) - 1])} for i in range(80)]
    with pytest.raises(InputError, match="Column 'label' holds a number beside each label: shares or votes"):
        propose_recipe(lines(tmp_path / "a.jsonl", rows))


@pytest.mark.parametrize("names", [("F32", "G40"), ("SDG 1", "SDG 5"), ("topic:1", "topic:2")])
def test_numbers_in_names_of_labels_are_no_votes(tmp_path, names):
    rows = [
        {"text": line(i), "label": ", ".join(names[i % 2 : 1 + i % 3])} for i in range(80) if i % 6 not in (3,)
    ]
    assert proposed(lines(tmp_path / "a.jsonl", rows))[2].task.labels == names


@pytest.mark.parametrize("separator", [";", ",", "|", "\t"])
@pytest.mark.parametrize("place", ["first", "last"])
def test_lines_whose_texts_have_the_separator_are_refused(tmp_path, separator, place):
    cells = [(f"{line(i)}{separator * (1 + i % 2)} and so", mood(i)) for i in range(80)]
    rows = [separator.join(pair[:: 1 if place == "last" else -1]) for pair in cells]
    with pytest.raises(
        InputError, match=f"The {place} fields of the lines.* are 4 values that repeat like labels"
    ):
        propose_recipe(saved(tmp_path / "a.txt", "\n".join(rows)))
    with pytest.raises(InputError, match="80 of 80 rows are bad|rows are bad, .* too many fields|too many fields"):
        propose_recipe(saved(tmp_path / "a.csv", f"text{separator}label\n" + "\n".join(rows)))
