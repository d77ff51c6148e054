"""What `init` makes of the forms in which emotion and counselling corpora are published, with rows of our own."""

import json
import random
import tomllib

import pytest

from distill.corpora.assembly.read import read_corpus
from distill.export.runtime.errors import InputError
from distill.recipe.load import parse_recipe
from distill.recipe.sources import corpus_spec
from distill.recipe.starter.propose import propose_recipe

MOODS = ("anger", "fear", "joy", "sadness")
WORDS = "the lift stopped between floors again and then some people sang a song while rain fell".split()


def line(number):
    draw = random.Random(number)
    return " ".join(draw.choice(WORDS) for _ in range(9)) + f" no {number}"


def mood(number):
    return random.Random(7 * number + 1).choice(MOODS)


def saved(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, encoding="utf-8")
    return path


def table(path, rows, separator=","):
    return saved(
        path, "\n".join(separator.join(map(str, row)) for row in ([*rows[0]], *(r.values() for r in rows)))
    )


def lines(path, rows):
    return saved(path, "\n".join(map(json.dumps, rows)))


def proposed(path):
    """The [corpus] table, the recipe's text, and the corpus that it reads."""
    text = propose_recipe(path)
    recipe = tomllib.loads(text)
    corpus, _ = read_corpus(corpus_spec(parse_recipe(recipe, "recipe").corpus), seed=recipe["seed"])
    return recipe["corpus"], text, corpus


def rows_of(corpus):
    return sum(len(split) for _, split in corpus.splits())


# read


@pytest.mark.parametrize("ending", ["jsonl", "json", "parquet"])
def test_dialogues_as_parallel_lists(tmp_path, ending):
    talks = [
        {"dialog": [line(9 * t + i) for i in range(4)], "act": [1] * 4,
         "emotion": [MOODS.index(mood(9 * t + i)) for i in range(4)]}
        for t in range(30)
    ]  # fmt: skip
    path = tmp_path / f"a.{ending}"
    if ending == "parquet":
        import pyarrow as pa
        import pyarrow.parquet as pq

        pq.write_table(pa.Table.from_pylist(talks), path)
    else:
        saved(path, json.dumps(talks) if ending == "json" else "\n".join(map(json.dumps, talks)))
    corpus, _, read = proposed(path)
    assert (corpus["text"], corpus["labels"], corpus["task"]) == ("dialog[]", "emotion[]", "single_label")
    assert (rows_of(read), len({*read.train.groups, *read.validation.groups, *read.test.groups})) == (120, 30)


def test_a_list_of_another_length_costs_its_record_alone(tmp_path):
    talks = [
        {"said": [line(9 * t + i) for i in range(4)], "mood": [mood(9 * t + i) for i in range(4)]}
        for t in range(60)
    ]
    talks[50]["mood"].pop()
    corpus, text, read = proposed(lines(tmp_path / "a.jsonl", talks))
    assert (corpus["on_bad_row"], rows_of(read)) == ("quarantine", 236)
    assert "# 1 rows are bad and were put aside" in text


def test_posts_of_a_user_share_the_level_above_them(tmp_path):
    users = [{"user": f"u{u}", "posts": [line(9 * u + i) for i in range(3)], "level": mood(u)} for u in range(40)]
    corpus, _, read = proposed(lines(tmp_path / "a.jsonl", users))
    assert (corpus["text"], corpus["labels"], rows_of(read)) == ("posts[]", "level", 120)


def test_turns_that_are_shorter_than_the_situation_are_a_comment(tmp_path):
    talks = [
        {"emotion_type": mood(t), "situation": f"{line(t)} {line(t + 500)}",
         "dialog": [{"speaker": "seeker", "content": line(9 * t + i)} for i in range(4)]}
        for t in range(40)
    ]  # fmt: skip
    corpus, text, _ = proposed(saved(tmp_path / "a.json", json.dumps(talks)))
    assert (corpus["text"], corpus["labels"]) == ("situation", "emotion_type")
    assert '# text = "dialog[].content" would be one row per element of its list' in text


@pytest.mark.parametrize("joint", ["###", " +++$+++ ", " ::: "])
def test_texts_and_labels_joined_by_several_characters(tmp_path, joint):
    path = saved(tmp_path / "a.txt", "\n".join(f"{line(i)}{joint}{mood(i)}" for i in range(80)))
    corpus, _, read = proposed(path)
    assert (corpus["columns"], corpus["labels"], read.task.labels) == (["column1", "column2"], "column2", MOODS)


def test_empty_fields_behind_rows_without_a_header(tmp_path):
    corpus, _, read = proposed(saved(tmp_path / "a.csv", "\n".join(f"{mood(i)},{line(i)}," for i in range(80))))
    assert (corpus["text"], corpus["labels"], rows_of(read)) == ("column2", "column1", 80)


def test_a_total_under_the_rows_is_left_out_and_counted(tmp_path):
    rows = "\n".join(f"{line(i)},{mood(i)}" for i in range(80))
    corpus, text, read = proposed(saved(tmp_path / "a.csv", f"text,label\n{rows}\nTotal,80\n"))
    assert (corpus["min_rows"], read.task.labels, rows_of(read)) == (3, MOODS, 80)
    assert "# 1 labels have too few rows and were left out" in text


def test_semicolons_and_decimal_commas(tmp_path):
    rows = [{"text": line(i), "score": f"0,{i % 3}5", "label": f"{i % 4},0"} for i in range(80)]
    corpus, text, read = proposed(table(tmp_path / "a.csv", rows, ";"))
    assert (corpus["labels"], read.task.labels) == ("label", ("0", "1", "2", "3"))
    assert '"score" would be' not in text


def test_flags_in_several_spellings_are_flags(tmp_path):
    spelt = (("0", "false"), ("1", "true"))
    rows = [{"text": line(i), **{m: spelt[mood(i) == m][i // 7 % 2] for m in MOODS}} for i in range(80)]
    corpus, _, read = proposed(table(tmp_path / "a.csv", rows))
    assert (corpus["labels"], read.task.labels, rows_of(read)) == (list(MOODS), MOODS, 80)


def test_emotions_are_preferred_to_sentiments(tmp_path):
    sentiments = ("positive", "negative")
    rows = [{"Utterance": line(i), "Emotion": mood(i), "Sentiment": sentiments[i % 2]} for i in range(80)]
    corpus, text, _ = proposed(table(tmp_path / "a.csv", rows))
    assert corpus["labels"] == "Emotion"
    assert '# labels = "Sentiment" would be 2 labels' in text


def test_chosen_options_are_preferred_to_whether_somebody_answered(tmp_path):
    rows = [{"text": line(i), "accept": [mood(i)], "answer": ("accept", "reject")[i % 5 == 0]} for i in range(80)]
    assert proposed(lines(tmp_path / "a.jsonl", rows))[0]["labels"] == "accept"


def test_a_dash_among_names_is_a_missing_label_and_among_signs_a_label(tmp_path):
    rows = [{"text": line(i), "label": (mood(i), "-")[i % 10 == 0]} for i in range(80)]
    corpus, text, read = proposed(table(tmp_path / "a.csv", rows))
    assert (corpus["missing"], read.task.labels, rows_of(read)) == (["-"], MOODS, 72)
    assert "# - among the labels may be a missing value or a name" in text
    rows = [{"text": line(i), "label": "+-"[i % 2]} for i in range(80)]
    assert proposed(table(tmp_path / "b.csv", rows))[2].task.labels == ("+", "-")


@pytest.mark.parametrize("escape", ["_comma_ ", "&amp; ", "<br /> ", "\\n "])
def test_what_a_program_wrote_in_place_of_characters_is_a_comment(tmp_path, escape):
    rows = [{"text": line(i).replace(" ", f" {escape}", 1), "label": mood(i)} for i in range(80)]
    text = proposed(table(tmp_path / "a.csv", rows))[1]
    assert f"# 100% of the texts have {escape.strip()} in place of characters" in text


def pairs(path, names):
    rows = [{**{name: line(100 * at + i) for at, name in enumerate(names)}, "label": mood(i)} for i in range(80)]
    return table(path, [{**row, "parse": "(x)"} if "parse" in names else row for row in rows])


def test_two_texts_side_by_side_are_offered_as_a_pair(tmp_path):
    text = propose_recipe(pairs(tmp_path / "a.csv", ("question", "answer")))
    assert '# text = ["question", "answer"]' in text
    assert '# joiner = "segments"' in text
    plain = text.replace('# text = ["', 'text = ["').replace("# joiner", "joiner").split("\n")
    edited = "\n".join(row for row in plain if not row.startswith('text = "'))
    assert corpus_spec(parse_recipe(tomllib.loads(edited), "recipe").corpus).reads.columns == (
        "question",
        "answer",
    )


@pytest.mark.parametrize(
    "names", [("sentence1", "parse", "sentence2"), ("premise", "hypothesis"), ("text_a", "text_b")]
)
def test_texts_that_belong_together_are_a_pair(tmp_path, names):
    corpus, _, read = proposed(pairs(tmp_path / "a.csv", names))
    assert (corpus["text"], corpus["joiner"]) == ([names[0], names[-1]], "segments")
    assert corpus["max_tokens"] == 32  # of both texts
    assert rows_of(read) == 80


def annotated(number, *choices):
    """A task as Label Studio exports it, with an annotation per list of choices."""
    results = [
        [{"from_name": "mood", "to_name": "text", "type": "choices", "value": {"choices": list(names)}}]
        for names in choices
    ]
    found = [{"id": number, "result": result, "was_cancelled": False} for result in results]
    return {"id": number, "data": {"text": line(number)}, "annotations": found, "predictions": []}


def test_annotations_below_a_text_are_its_labels(tmp_path):
    tasks = [annotated(number, [mood(number)]) for number in range(200)]
    table, _, corpus = proposed(saved(tmp_path / "export.json", json.dumps(tasks)))
    assert (table["text"], table["task"]) == ("data.text", "single_label")
    assert table["labels"] == "annotations[].result[].value.choices"
    assert (rows_of(corpus), corpus.task.labels) == (200, MOODS)


def test_a_text_that_several_people_annotated_is_one_text_and_one_that_nobody_did_is_a_bad_row(tmp_path):
    tasks = [annotated(number, [mood(number)], [mood(number)]) for number in range(100)]
    path = saved(tmp_path / "export.json", json.dumps(tasks))
    assert rows_of(proposed(path)[2]) == 100
    recipe = tomllib.loads(propose_recipe(path))
    saved(path, json.dumps([*tasks, annotated(100)]))
    with pytest.raises(InputError, match=r"row 101.*has no element here, so the text has no label"):
        read_corpus(corpus_spec(parse_recipe(recipe, "recipe").corpus), seed=1)


@pytest.mark.parametrize(
    ("cells", "sizes"),
    [
        (("Training", "PublicTest", "PrivateTest"), (160, 20, 20)),
        (("train set", "Dev set", "test_2"), (160, 20, 20)),
    ],
)
def test_a_column_that_says_the_split_is_the_published_split(tmp_path, cells, sizes):
    splits = [cells[0]] * 8 + list(cells[1:])
    rows = [{"emotion": mood(n), "text": line(n), "Usage": splits[n % 10]} for n in range(200)]
    found, _, corpus = proposed(table(tmp_path / "icml.csv", rows))
    assert found["split"] == "Usage"
    assert tuple(len(split) for _, split in corpus.splits() if len(split)) == sizes


def test_one_text_is_no_pair(tmp_path):
    rows = [{"text": line(i), "link": f"http://example.org/{line(i)}", "label": mood(i)} for i in range(80)]
    assert "joiner" not in propose_recipe(table(tmp_path / "a.csv", rows))


def test_a_small_test_split_is_offered_folds(tmp_path):
    rows = [{"text": line(i), "label": mood(i)} for i in range(2400)]
    small = propose_recipe(table(tmp_path / "a.csv", rows[:80]))
    assert "# folds = 5" in small
    assert "a test split of 9 rows shows little" in small or "a test split of 7 rows shows little" in small
    parse_recipe(tomllib.loads(small.replace("# folds", "folds")), "recipe")
    assert "folds" not in propose_recipe(table(tmp_path / "b.csv", rows))
    for split in ("train", "test"):
        table(tmp_path / "c" / f"{split}.csv", [{**row, "text": f"{split} {row['text']}"} for row in rows[:80]])
    assert "folds" not in propose_recipe(tmp_path / "c")


# refused, with the way on


@pytest.mark.parametrize(
    ("name", "rows", "reason"),
    [
        (
            "printed dialogues",
            [{"dialog": str([line(i), line(i + 500)]), "emotion": f"[{i % 3} {i % 2}]"} for i in range(60)],
            "Each cell of 'dialog' holds as many texts as 'emotion' has labels, 120 in all",
        ),
        (
            "joined dialogues",
            [{"dialog": f"{line(i)} __eou__ {line(i + 500)} __eou__", "emotion": f"0 {i % 2}"} for i in range(60)],
            "Each cell of 'dialog' holds as many texts as 'emotion' has labels, 120 in all",
        ),
        (
            "annotators",
            [{"text": line(i), "annotator1": mood(i), "annotator2": mood(i + i % 3)} for i in range(60)],
            "Only annotator1, annotator2 hold few values, and their names are those of annotators or speakers",
        ),
        (
            "chats",
            [
                {"messages": [{"role": "user", "content": line(i)}, {"role": "bot", "content": "so"}]}
                for i in range(60)
            ],
            r"Only messages\[\].role hold few values",
        ),
        (
            "marks",
            [{"text": line(i), **{m: ("x" if mood(i) == m else "") for m in MOODS}} for i in range(60)],
            "Columns anger, fear, joy, sadness hold one value or nothing: write 1 where a label is meant",
        ),
        (
            "signs",
            [{"text": line(i), **{m: (1 if mood(i) == m else -1) for m in MOODS}} for i in range(60)],
            "Columns anger, fear, joy, sadness hold -1 and 1: write 1 where a label is meant, and 0 elsewhere",
        ),
        (
            "questions",
            [{"Context": line(i // 3), "Response": line(i + 500) * 2} for i in range(60)],
            "No column looks like labels",
        ),
        (
            "shares with commas",
            [{"text": line(i), "anger": "0,5", "fear": "0,25", "joy": "0,25"} for i in range(60)],
            "Columns anger, fear, joy hold shares or votes",
        ),
    ],
)
def test_what_would_be_a_guess_is_refused(tmp_path, name, rows, reason):
    with pytest.raises(InputError, match=reason):
        propose_recipe(lines(tmp_path / "a.jsonl", rows))


@pytest.mark.parametrize("label", [lambda i: f"{mood(i).upper()}:x", lambda i: str(i % 5)])
def test_lines_that_begin_with_their_label_are_refused(tmp_path, label):
    path = saved(tmp_path / "a.txt", "\n".join(f"{label(i)} {line(i)}" for i in range(60)))
    with pytest.raises(
        InputError, match=r"The lines of 'text' begin with one of \d words, like labels: write a tab"
    ):
        propose_recipe(path)


def test_an_ending_of_another_program_names_the_way_on(tmp_path):
    path = saved(tmp_path / "train_5500.label", "DESC:x How so ?\n")
    with pytest.raises(InputError, match="Give a text file the one of them that it is"):
        propose_recipe(path)


def test_texts_as_lists_of_words_are_refused(tmp_path):
    rows = {f"{i}_gab": {"post_id": f"{i}_gab", "post_tokens": line(i).split(), "annotators": [{"label": mood(i)}]}
            for i in range(60)}  # fmt: skip
    with pytest.raises(InputError, match="Column 'post_tokens' holds texts as lists of words: join each list"):
        propose_recipe(saved(tmp_path / "a.json", json.dumps(rows)))


def test_short_turns_beside_a_topic_are_the_texts(tmp_path):
    talks = [
        {"topic": ("work life", "school day")[t % 2],
         "dialog": [" ".join(line(9 * t + i).split()[:3]) for i in range(4)],
         "emotion": [MOODS.index(mood(9 * t + i)) for i in range(4)]}
        for t in range(30)
    ]  # fmt: skip
    corpus, text, _ = proposed(lines(tmp_path / "a.jsonl", talks))
    assert (corpus["text"], corpus["labels"]) == ("dialog[]", "emotion[]")
    assert '# labels = "topic" would be 2 labels' in text
