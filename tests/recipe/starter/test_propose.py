"""Starter recipes: what is guessed, and that they always can be read."""

import csv
import json
import string
import tomllib

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from distill.corpora.assembly.read import read_corpus
from distill.corpora.guessing.names import ID_NAME
from distill.export.runtime.errors import InputError
from distill.recipe.load import parse_recipe
from distill.recipe.sources import corpus_spec
from distill.recipe.starter.propose import propose_recipe

LONG = "a text that is long enough to be the longest column"


def write_csv(path, rows, header=True):
    with path.open("w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out)
        if header:
            writer.writerow(rows[0])
        writer.writerows(row.values() for row in rows)
    return path


def proposed(path):
    """The parsed recipe, after reading its corpus as a run would."""
    recipe = tomllib.loads(propose_recipe(path))
    read_corpus(corpus_spec(parse_recipe(recipe, "recipe").corpus), seed=recipe["seed"])
    return recipe


def test_a_single_label_table_with_a_group(tmp_path):
    rows = [
        {"line_id": i, "session_id": i // 4, "who": "ab"[i % 2], "said": f"{LONG} {i}", "emotion": "xyz"[i % 3]}
        for i in range(60)
    ]
    recipe = proposed(write_csv(tmp_path / "my talks.csv", rows))
    corpus = recipe["corpus"]
    assert recipe["name"] == "my-talks"
    assert (corpus["text"], corpus["labels"], corpus["group"]) == ("said", "emotion", "session_id")
    assert (corpus["task"], corpus["on_bad_row"], corpus["max_tokens"]) == ("single_label", "error", 32)
    assert corpus["split"] == [0.8, 0.1, 0.1]
    assert "min_rows" not in corpus
    assert set(recipe) == {"name", "seed", "corpus", "teacher", "student", "objective", "export"}


@pytest.mark.parametrize("delimiter", [",", ";", "|"])
def test_delimited_labels_make_a_multi_label_task(tmp_path, delimiter):
    cells = ["sad", f"sad{delimiter}angry", "angry", f"calm{delimiter}sad", "calm"]
    rows = [{"text": f"{LONG} {i}", "mood": cells[i % 5]} for i in range(60)]
    corpus = proposed(write_csv(tmp_path / "data.csv", rows))["corpus"]
    assert corpus["task"] == "multi_label"
    assert corpus.get("delimiter", ",") == delimiter


def test_a_comma_inside_a_name_does_not_split_it(tmp_path):
    rows = [{"text": f"{LONG} {i}", "mood": ["grief, loss", "calm"][i % 2]} for i in range(60)]
    assert proposed(write_csv(tmp_path / "data.csv", rows))["corpus"]["task"] == "single_label"


def test_lists_in_jsonl_make_a_multi_label_task(tmp_path):
    rows = [{"text": f"{LONG} {i}", "tags": [[], ["a"], ["a", "b"]][i % 3]} for i in range(60)]
    path = tmp_path / "data.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    corpus = proposed(path)["corpus"]
    assert (corpus["task"], corpus["labels"]) == ("multi_label", "tags")


def test_a_file_without_header_gets_columns(tmp_path):
    path = tmp_path / "data.tsv"
    path.write_text("".join(f"{LONG} {i}\t{i % 3}\tid{i}\n" for i in range(60)))
    corpus = proposed(path)["corpus"]
    assert corpus["columns"] == ["column1", "column2", "column3"]
    assert (corpus["text"], corpus["labels"]) == ("column1", "column2")
    text = propose_recipe(path)
    assert "# label_names" in text
    assert LONG not in text


def test_a_split_column_is_used(tmp_path):
    rows = [{"text": f"{LONG} {i}", "y": "ab"[i % 2], "part": ["train", "dev", "test"][i % 3]} for i in range(60)]
    assert proposed(write_csv(tmp_path / "data.csv", rows))["corpus"]["split"] == "part"


def test_bad_rows_and_rare_labels_get_the_leniency_they_need(tmp_path):
    rows = [{"text": f"{LONG} {i}", "label": "ab"[i % 2]} for i in range(60)]
    rows[5] = {"text": "", "label": "a"}
    rows[7] = {"text": "odd", "label": "rare"}
    corpus = proposed(write_csv(tmp_path / "data.csv", rows))["corpus"]
    assert (corpus["on_bad_row"], corpus["min_rows"]) == ("quarantine", 3)


def test_a_folder_of_splits_is_proposed_as_it_is(tmp_path):
    for name in ("train", "dev", "test"):
        write_csv(tmp_path / f"{name}.csv", [{"text": f"{name} {LONG} {i}", "y": "ab"[i % 2]} for i in range(20)])
    assert proposed(tmp_path)["corpus"]["source"] == str(tmp_path)


names = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=12)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=names, label=names, stem=st.text(string.printable, min_size=1, max_size=12))
def test_any_column_and_file_name_gives_valid_toml(tmp_path, text, label, stem):
    # a column called `id` is no label whatever it holds
    assume(text != label and "/" not in stem and not ID_NAME.search(label))
    rows = [{text: f"{LONG} {i}", label: "xy"[i % 2]} for i in range(20)]
    path = tmp_path / f"_{stem}.json"
    path.write_text(json.dumps(rows))
    corpus = proposed(path)["corpus"]
    assert (corpus["text"], corpus["labels"], corpus["source"]) == (text, label, str(path))
    path.unlink()


def test_files_named_like_other_sources_are_still_files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sample").mkdir()
    write_csv(tmp_path / "sample" / "data.csv", [{"text": f"{LONG} {i}", "y": "ab"[i % 2]} for i in range(20)])
    assert proposed(tmp_path.joinpath("sample").relative_to(tmp_path))["corpus"]["source"] == "./sample"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("text,id\n" + "".join(f"SECRET {i},{i}\n" for i in range(20)), "No column looks like labels"),
        ("text,y\n" + "".join(f"SECRET {i},same\n" for i in range(20)), "No column looks like labels"),
        ("text,y\n", "no readable row"),
        ("text,y\nSECRET,a,b\n", "no readable row"),
    ],
)
def test_a_file_that_no_recipe_can_read_is_refused(tmp_path, content, reason):
    path = tmp_path / "data.csv"
    path.write_text(content)
    with pytest.raises(InputError, match=reason) as caught:
        propose_recipe(path)
    assert "SECRET" not in str(caught.value)
