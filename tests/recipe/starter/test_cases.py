"""What `init` proposes for inputs that people really have: rebuilt small, and the shared ones where they are."""

import json
import os
import tomllib
from pathlib import Path

import pytest

from distill.corpora.assembly.read import read_corpus
from distill.export.runtime.errors import InputError
from distill.recipe.load import parse_recipe
from distill.recipe.sources import corpus_spec
from distill.recipe.starter.propose import propose_recipe

SHARED = Path(os.environ.get("DISTILL_SHARED", Path(__file__).parents[4] / "shared"))
MOODS = ("anger", "fear", "joy", "sadness")
WORDS = "the lift stopped between floors again and then some people sang a song".split()


def line(number):
    """A text that no other row has."""
    return " ".join(WORDS[(number * step + step) % len(WORDS)] for step in (1, 3, 5, 7)) + f" no {number}"


def proposed(path):
    """The [corpus] table, the recipe's text, and the corpus that it reads."""
    text = propose_recipe(path)
    recipe = tomllib.loads(text)
    corpus, _ = read_corpus(corpus_spec(parse_recipe(recipe, "recipe").corpus), seed=recipe["seed"])
    return recipe["corpus"], text, corpus


def csv_file(path, rows, separator=",", header=True, quote=False):
    mark = '"' if quote else ""
    lines = [separator.join(f"{mark}{cell}{mark}" for cell in row.values()) for row in rows]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([separator.join(rows[0]), *lines] if header else lines) + "\n", encoding="utf-8")
    return path


def test_one_hot_columns_are_labels_and_flags_and_raters_are_none(tmp_path):
    rows = [
        {
            "text": line(i), "id": f"e{i}", "rater_id": i % 3, "example_very_unclear": i % 9 == 0,
            **{mood: int(i % 4 == j or (i + j) % 7 == 0) for j, mood in enumerate(MOODS)},
        }
        for i in range(120)
    ]  # fmt: skip
    corpus, text, read = proposed(csv_file(tmp_path / "a.csv", rows))
    assert (corpus["task"], corpus["labels"]) == ("multi_label", list(MOODS))
    assert "group" not in corpus
    assert '# "rater_id" looks like the annotator of a row (3 of them)' in text
    assert read.task.labels == MOODS


@pytest.mark.parametrize("values", [(0, 1), ("False", "True")])
def test_one_hot_columns_with_one_label_per_row(tmp_path, values):
    rows = [{"comment": line(i), **{m: values[i % 4 == j] for j, m in enumerate(MOODS)}} for i in range(60)]
    corpus, _, _ = proposed(csv_file(tmp_path / "a.csv", rows))
    assert (corpus["task"], corpus["labels"]) == ("single_label", list(MOODS))


def test_raw_annotations_are_merged_by_their_row_id(tmp_path):
    rows = [
        {"text": line(i), "id": f"e{i}", "rater_id": (i * 3 + rater) % 20,
         **{m: int(i % 4 == j) for j, m in enumerate(MOODS)}}
        for i in range(40)
        for rater in range(3)
    ]  # fmt: skip
    corpus, _, read = proposed(csv_file(tmp_path / "a.csv", rows))
    assert (corpus["row_id"], corpus["duplicates"]) == (["id"], "majority")
    assert sum(len(split) for _, split in read.splits()) == 40


@pytest.mark.parametrize(
    "form", ["['{}' '{}']", "array(['{}', '{}'], dtype=object)", "{{'{}', '{}'}}", "('{}', '{}')"]
)
def test_printed_lists_are_several_labels(tmp_path, form):
    rows = [{"text": line(i), "labels": form.format(MOODS[i % 4], MOODS[(i + 1 + i // 9) % 4])} for i in range(60)]
    corpus, _, read = proposed(csv_file(tmp_path / "a.tsv", rows, "\t"))
    assert corpus["task"] == "multi_label"
    assert read.task.labels == MOODS


@pytest.mark.parametrize("form", ["[{} {} {}]", "{},{},{}", "{} {} {}"])
def test_vectors_are_several_labels(tmp_path, form):
    rows = [{"text": line(i), "labels": form.format(i % 2, i % 3 % 2, i % 5 % 2)} for i in range(60)]
    corpus, _, read = proposed(csv_file(tmp_path / "a.tsv", rows, "\t"))
    assert corpus["task"] == "multi_label"
    assert read.task.num_labels == 3


def test_strings_of_zeros_and_ones_are_vectors(tmp_path):
    rows = [{"text": line(i), "labels": f"{i % 2}{i % 3 % 2}{i % 5 % 2}"} for i in range(60)]
    corpus, _, read = proposed(csv_file(tmp_path / "a.csv", rows))
    assert (corpus["task"], corpus["label_form"], read.task.num_labels) == ("multi_label", "vector", 3)


def test_votes_and_shares_are_refused_with_the_reason(tmp_path):
    rows = [{"text": line(i), **{m: (i + j) % 4 for j, m in enumerate(MOODS)}} for i in range(60)]
    with pytest.raises(InputError, match="anger, fear, joy, sadness hold numbers of votes"):
        propose_recipe(csv_file(tmp_path / "a.csv", rows))
    rows = [{"text": line(i), "label": [0.5, 0.25, 0.25]} for i in range(60)]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, rows)))
    with pytest.raises(InputError, match="Column 'label' holds 3 shares or votes of annotators"):
        propose_recipe(tmp_path / "a.jsonl")


def test_rows_in_lists_of_lists(tmp_path):
    scenes = [
        {"scene": s, "lines": [{"said": line(9 * s + i), "mood": MOODS[(s + i) % 4]} for i in range(5)]}
        for s in range(30)
    ]
    episodes = [{"id": e, "scenes": scenes[3 * e : 3 * e + 3]} for e in range(10)]
    (tmp_path / "a.json").write_text(json.dumps({"episodes": episodes}))
    corpus, _, read = proposed(tmp_path / "a.json")
    assert (corpus["text"], corpus["group"]) == ("episodes[].scenes[].lines[].said", "episodes[].id")
    assert len({*read.train.groups, *read.validation.groups, *read.test.groups}) == 10


def test_ids_as_floats(tmp_path):
    rows = [{"text": line(i), "label": f"{i % 4}.0"} for i in range(60)]
    _, text, read = proposed(csv_file(tmp_path / "a.csv", rows))
    assert read.task.labels == ("0", "1", "2", "3")
    assert "# label_names" in text


def test_a_file_beside_names_ids(tmp_path):
    rows = [{"text": line(i), "label": i % 4, "id": f"x{i}"} for i in range(60)]
    csv_file(tmp_path / "train.tsv", rows, "\t", header=False)
    (tmp_path / "labels.txt").write_text("\n".join(MOODS))
    corpus, _, read = proposed(tmp_path)
    assert (corpus["label_names"], read.task.labels) == ("labels.txt", MOODS)


def test_text_semicolon_label(tmp_path):
    for split, count in (("train", 80), ("val", 20), ("test", 20)):
        rows = [{"t": f"{split} {line(i)}", "l": MOODS[i % 4]} for i in range(count)]
        csv_file(tmp_path / f"{split}.txt", rows, ";", header=False)
    corpus, _, read = proposed(tmp_path)
    assert (corpus["columns"], corpus["text"], corpus["labels"]) == (["column1", "column2"], "column1", "column2")
    assert (len(read.train), len(read.validation), len(read.test)) == (80, 20, 20)


@pytest.mark.parametrize("stray", [{8: ('"', "")}, {8: ('"', ""), 20: ("", '"')}])
def test_stray_quotation_marks_mean_no_quoting(tmp_path, stray):
    rows = [{"id": i, "said": line(i), "mood": MOODS[i % 4], "more": "x"} for i in range(60)]
    for row, (before, after) in stray.items():
        rows[row]["said"] = f"{before}{rows[row]['said']}{after}"
    corpus, _, read = proposed(csv_file(tmp_path / "a.csv", rows))
    assert corpus["quoting"] is False
    assert sum(len(split) for _, split in read.splits()) == 60


def test_a_quoted_file_that_stops_is_still_read_as_quoted(tmp_path):
    rows = [{"text": f"{line(i)},\n{i}, and so on", "mood": MOODS[i % 4]} for i in range(60)]
    rows[7]["text"] = "he wrote,joy\nthen,fear\nand left, so,anger"
    corpus, _, read = proposed(csv_file(tmp_path / "a.csv", rows, quote=True))
    assert (corpus["quoting"], corpus["on_bad_row"]) == (True, "error")
    assert sum(len(split) for _, split in read.splits()) == 60


def test_ids_that_restart_in_each_split(tmp_path):
    for split, count in (("train", 80), ("dev", 20), ("test", 20)):
        rows = [
            {"Sr No.": i, "Utterance": f"{split} {line(i)}", "Speaker": "ABC"[i % 3], "Emotion": MOODS[i % 4],
             "Dialogue_ID": i // 4, "Utterance_ID": i % 4}
            for i in range(count)
        ]  # fmt: skip
        csv_file(tmp_path / f"{split}.csv", rows)
    corpus, text, read = proposed(tmp_path)
    assert (corpus["text"], corpus["labels"], corpus["group"]) == ("Utterance", "Emotion", "Dialogue_ID")
    assert (len(read.train), len(read.validation), len(read.test)) == (80, 20, 20)
    assert '# labels = "Speaker" would be 3 labels' in text
    assert 'group_scope = "source" if they are the same' in text


def test_another_encoding_is_proposed(tmp_path):
    names = ("害怕", "悲伤", "生气")
    rows = "".join(f"{i},今天我觉得很难过{i},{names[i % 3]}\n" for i in range(60))
    (tmp_path / "a.csv").write_bytes(f"编号,内容,标签\n{rows}".encode("gb18030"))
    corpus, text, read = proposed(tmp_path / "a.csv")
    assert (corpus["encoding"], corpus["text"], corpus["labels"]) == ("gb18030", "内容", "标签")
    assert sorted(read.task.labels) == sorted(names)
    assert "encoder of the corpus's language" in text


def test_nested_conversations(tmp_path):
    talks = [
        {"id": f"t{t}", "topic": "ab"[t % 2],
         "turns": [{"said": line(t * 5 + i), "mood": MOODS[i % 4]} for i in range(5)]}
        for t in range(30)
    ]  # fmt: skip
    (tmp_path / "a.json").write_text(json.dumps({"version": 1, "talks": talks}))
    (tmp_path / "b.json").write_text(json.dumps(talks))
    corpus, _, read = proposed(tmp_path / "b.json")
    assert (corpus["text"], corpus["labels"]) == ("turns[].said", "turns[].mood")
    assert read.train.groups is not None
    corpus, _, read = proposed(tmp_path / "a.json")
    assert (corpus["text"], corpus["labels"]) == ("talks[].turns[].said", "talks[].turns[].mood")
    assert sum(len(split) for _, split in read.splits()) == 150


def test_a_label_that_does_not_apply_to_some_speakers_is_filtered(tmp_path):
    rows = [
        {"talk": i // 6, "who": ("client", "therapist")[i % 2], "said": line(i),
         "client_talk": "n/a" if i % 2 else ("change", "sustain")[i % 4 // 2]}
        for i in range(240)
    ]  # fmt: skip
    corpus, _, read = proposed(
        csv_file(tmp_path / "a.csv", [{**row, "label": row.pop("client_talk")} for row in rows])
    )
    assert corpus["where"] == {"who": "client"}
    assert read.task.labels == ("change", "sustain")


def test_answers_share_the_label_of_their_question(tmp_path):
    rows = [
        {"questionID": q, "questionTitle": f"a question about {line(q)}",
         "questionText": f"{line(q)}, {line(q + 1)}", "topic": MOODS[q % 4],
         "answerText": f"{line(900 + 3 * q + a)} {line(q)} {line(a)}", "upvotes": a % 2}
        for q in range(60)
        for a in range(3)
    ]  # fmt: skip
    corpus, text, _ = proposed(csv_file(tmp_path / "a.tsv", rows, "\t"))
    assert (corpus["text"], corpus["labels"]) == (["questionTitle", "questionText"], "topic")
    assert (corpus["group"], corpus["duplicates"]) == ("questionID", "majority")
    assert '# labels = "upvotes" would be 2 labels' in text


def test_levels_are_a_comment_and_never_chosen_in_silence(tmp_path):
    rows = [{"text": line(i), "risk": ("low", "moderate", "high", "none")[i % 4]} for i in range(60)]
    corpus, text, _ = proposed(csv_file(tmp_path / "a.csv", rows))
    assert corpus["task"] == "single_label"
    assert '# task = "ordinal" if these are levels; label_names = ["none", "low", "moderate", "high"]' in text


def test_few_groups_are_told_and_left_out(tmp_path):
    rows = [{"text": line(i), "label": MOODS[i % 4], "session_id": i // 30} for i in range(120)]
    corpus, text, _ = proposed(csv_file(tmp_path / "a.csv", rows))
    assert "group" not in corpus
    assert '# "session_id" may be a group, but 4 groups are too few for the shares of split' in text


def test_small_corpora_get_more_passes(tmp_path):
    small = propose_recipe(
        csv_file(tmp_path / "a.csv", [{"text": line(i), "y": MOODS[i % 4]} for i in range(100)])
    )
    large = propose_recipe(
        csv_file(tmp_path / "b.csv", [{"text": line(i), "y": MOODS[i % 4]} for i in range(9000)])
    )
    passes = [tomllib.loads(text)["student"]["epochs"] for text in (small, large)]
    assert passes == [40, 5]


# the inputs themselves

RIGHT = {
    "01-onehot.csv": {"task": "multi_label", "labels": list(MOODS)},
    "03-printed-arrays.csv": {"task": "multi_label", "labels": "labels"},
    "04-float-ids.csv": {"task": "single_label", "labels": "label"},
    "05-save-to-disk-dict": {"task": "single_label", "labels": "label"},
    "05-save-to-disk-single": {"task": "single_label", "labels": "label"},
    "06-lines-in.json": {"task": "single_label", "labels": "label"},
    "07-text-semicolon-label": {"columns": ["column1", "column2"], "labels": "column2"},
    "08-open.csv": {"quoting": False, "labels": "context", "text": "utterance", "on_bad_row": "error"},
    "08-swallow.csv": {"quoting": False, "labels": "context", "text": "utterance", "on_bad_row": "error"},
    "08-extra.csv": {"on_bad_row": "quarantine", "labels": "context"},
    "09-restarting-group-ids": {"group": "Dialogue_ID", "labels": "Emotion"},
    "10-trailing-empty-columns.csv": {"labels": "label", "text": "text", "on_bad_row": "error"},
    "11-gb18030.csv": {"encoding": "gb18030", "labels": "标签"},
}


@pytest.mark.parametrize("name", RIGHT)
def test_the_shared_inputs(name):
    path = SHARED / "cases" / name
    if not path.exists():
        pytest.skip("the shared inputs are not beside this checkout")
    corpus, _, read = proposed(path)
    assert {key: corpus.get(key) for key in RIGHT[name]} == RIGHT[name]
    assert "group" not in corpus or name.startswith("09")
    assert read.notes["rows_quarantined"] == (name == "08-extra.csv")
    assert len(read.task.labels) == 4


PUBLISHED = {
    "goemotions": {"task": "multi_label", "label_names": "labels.txt", "quoting": True, "duplicates": "keep"},
    "counsel_chat": {
        "text": ["questionTitle", "questionText"], "labels": "topic", "group": "questionID", "split": "split",
    },
    "annomi": {
        "text": "utterance_text", "labels": "client_talk_type", "group": "transcript_id", "leaks": "groups",
        "where": {"interlocutor": "client"}, "row_id": ["transcript_id", "utterance_id"],
    },
    "clue_emotion": {"task": "single_label", "text": "content", "labels": "label", "duplicates": "keep"},
    "cssrs500": {"task": "single_label", "text": "Post", "labels": "Label"},
}  # fmt: skip


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_corpora(name):
    path = SHARED / "corpora" / name
    if not path.exists():
        pytest.skip("the published corpora are not beside this checkout")
    corpus = tomllib.loads(propose_recipe(path))["corpus"]
    assert {key: corpus.get(key) for key in PUBLISHED[name]} == PUBLISHED[name]
    assert "group" in PUBLISHED[name] or "group" not in corpus
