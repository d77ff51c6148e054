"""What `init` proposes for labels as spreadsheets, surveys and annotators leave them."""

import csv
import io
import json
import tomllib

import pytest

from distill.corpora.assembly.read import read_corpus
from distill.export.runtime.errors import InputError
from distill.recipe.load import parse_recipe
from distill.recipe.sources import corpus_spec
from distill.recipe.starter.propose import propose_recipe

MOODS = ("anger", "fear", "joy", "sadness")


def line(number):
    return f"some people in a lift sang song no {number}"


def saved(path, rows, separator=","):
    out = io.StringIO(newline="")
    csv.writer(out, delimiter=separator).writerows([rows[0], *(row.values() for row in rows)])
    path.write_text(out.getvalue(), encoding="utf-8", newline="")
    return path


def proposed(path):
    recipe = tomllib.loads(propose_recipe(path))
    corpus, _ = read_corpus(corpus_spec(parse_recipe(recipe, "recipe").corpus), seed=13)
    return recipe["corpus"], corpus


def test_flags_with_a_decimal_comma(tmp_path):
    rows = [
        {"Kommentar": line(i), **{m: f"{int((i + j) % 4 == 0)},0" for j, m in enumerate(MOODS)}} for i in range(60)
    ]
    corpus, read = proposed(saved(tmp_path / "a.csv", rows, ";"))
    assert corpus["labels"] == list(MOODS)
    assert read.task.kind == "single_label"


@pytest.mark.parametrize(("joint", "key"), [("/", "/"), (" ", " "), (" | ", "|"), (" & ", "&"), ("、", "、")])
def test_labels_joined_by_other_characters(tmp_path, joint, key):
    rows = [
        {"text": line(i), "mood": joint.join(MOODS[(i + j) % 4] for j in range(1 + (i % 5 == 0)))}
        for i in range(60)
    ]
    corpus, read = proposed(saved(tmp_path / "a.csv", rows))
    assert (corpus["task"], corpus["delimiter"]) == ("multi_label", key)
    assert read.task.labels == MOODS


def test_names_of_two_words_are_one_label(tmp_path):
    names = ("very sad", "sad", "so glad", "n/a level")
    rows = [{"text": line(i), "mood": names[i % 4]} for i in range(60)]
    corpus, read = proposed(saved(tmp_path / "a.csv", rows))
    assert corpus["task"] == "single_label"
    assert read.task.labels == tuple(sorted(names))


def test_shares_are_refused_in_columns_too(tmp_path):
    rows = [
        {"text": line(i), **{m: (0.7, 0.1, 0.2)[(i + j) % 3] for j, m in enumerate(MOODS[:3])}} for i in range(60)
    ]
    with pytest.raises(InputError, match="Columns anger, fear, joy hold shares or votes of annotators"):
        propose_recipe(saved(tmp_path / "a.csv", rows))


def test_votes_per_name_are_refused(tmp_path):
    rows = [{"text": line(i), "votes": {"anger": i % 3, "joy": 3 - i % 3}} for i in range(60)]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, rows)))
    with pytest.raises(InputError, match=r"votes\.anger, votes\.joy hold numbers of votes"):
        propose_recipe(tmp_path / "a.jsonl")


def test_a_score_is_no_label(tmp_path):
    rows = [{"text": line(i), "score": (0.25, 0.5, 0.75)[i % 3], "mood": MOODS[i % 4]} for i in range(60)]
    corpus, _ = proposed(saved(tmp_path / "a.csv", rows))
    assert corpus["labels"] == "mood"


def test_dates_and_constants_are_no_texts(tmp_path):
    rows = [
        {"polarity": (0, 4)[i % 2], "date": f"Mon Apr 06 22:19:{i:02} PDT 2009", "flag": "NO QUERY " * 9,
         "said": f"sang no {i}"}
        for i in range(60)
    ]  # fmt: skip
    corpus, _ = proposed(saved(tmp_path / "a.csv", rows))
    assert (corpus["text"], corpus["labels"]) == ("said", "polarity")


def test_a_line_for_spreadsheets_names_the_separator(tmp_path):
    content = "".join(f"{line(i)}, and more;{MOODS[i % 4]}\r\n" for i in range(60))
    (tmp_path / "a.csv").write_text(f"sep=;\r\ntext;label\r\n{content}", newline="")
    corpus, read = proposed(tmp_path / "a.csv")
    assert (corpus["text"], read.task.labels) == ("text", MOODS)


@pytest.mark.parametrize(
    "names", [("jo\ny", "sad"), ("a\tb", "sad"), ("\x1b[31mred", "sad"), ("\u202eevil", "sad")]
)
def test_control_characters_in_a_label_are_refused_escaped(tmp_path, names):
    rows = [{"text": line(i), "label": names[i % 2]} for i in range(60)]
    with pytest.raises(InputError, match="has control characters. Correct it") as refused:
        propose_recipe(saved(tmp_path / "a.csv", rows))
    assert str(refused.value).isprintable()


def test_an_unreadable_file_says_why(tmp_path):
    (tmp_path / "a.csv").write_text("text,label\n" + "one, two,a\n" * 9)
    with pytest.raises(
        InputError, match=r"no readable row \(row 2: too many fields: 3 where there are 2 columns\)"
    ):
        propose_recipe(tmp_path / "a.csv")
