"""Which columns `init` takes for texts, labels and groups where others look like them too."""

import pytest

from distill.export.runtime.errors import InputError
from distill.recipe.starter.propose import propose_recipe
from tests.recipe.starter.test_published import MOODS, line, lines, mood, proposed, table


def other(number):
    return MOODS[(MOODS.index(mood(number)) + 1 + number % 3) % 4]


def rows(**more):
    return [
        {"text": line(i), "label": mood(i)} | {name: make(i) for name, make in more.items()} for i in range(120)
    ]


def short(number):
    return " ".join(line(number).split()[:3]) + f" {number}"


@pytest.mark.parametrize("joint", [",", ";", "|", "/", "+", "-", " and ", "、"])
def test_joined_labels_of_which_none_is_alone(tmp_path, joint):
    two = [{"text": line(i), "label": f"{mood(i)}{joint}{other(i)}"} for i in range(120)]
    corpus, _, read = proposed(lines(tmp_path / "a.jsonl", two))
    assert (corpus["task"], read.task.labels) == ("multi_label", MOODS)


@pytest.mark.parametrize(
    "names", [("Work, stress", "Work, family", "Home, family"), ("bad/anger", "bad/fear", "good/joy")]
)
def test_names_with_a_character_between_are_one_label(tmp_path, names):
    one = [{"text": line(i), "label": names[i % 3]} for i in range(60)]
    corpus, _, read = proposed(lines(tmp_path / "a.jsonl", one))
    assert (corpus["task"], set(read.task.labels)) == ("single_label", set(names))


@pytest.mark.parametrize("ending", ["ids", "names", "list"])
def test_joined_votes_are_refused(tmp_path, ending):
    def votes(number):
        three = [mood(number), mood(number), other(number)]
        numbers = [MOODS.index(name) for name in three]
        return {"ids": ",".join(map(str, numbers)), "names": ";".join(three), "list": numbers}[ending]

    with pytest.raises(InputError, match="'votes' names a label twice in 80 of 80 rows"):
        propose_recipe(lines(tmp_path / "a.jsonl", [{"text": line(i), "votes": votes(i)} for i in range(80)]))


def test_two_numbers_with_a_comma_are_refused_with_both_readings(tmp_path):
    two = [{"text": line(i), "label": f"{MOODS.index(mood(i))},{MOODS.index(other(i))}"} for i in range(80)]
    with pytest.raises(InputError, match="decimal numbers, or two ids each"):
        propose_recipe(table(tmp_path / "a.csv", two, ";"))


@pytest.mark.parametrize(
    "words", ["nein ja", "no sí", "non oui", "não sim", "нет да", "否 是", "いいえ はい", "nie tak", "hayır evet"]
)
def test_yes_and_no_in_other_languages_are_flags(tmp_path, words):
    no, yes = words.split()
    flags = [{"text": line(i), **{m: yes if mood(i) == m else no for m in MOODS}} for i in range(80)]
    corpus, _, read = proposed(table(tmp_path / "a.csv", flags))
    assert (corpus["labels"], read.task.labels) == (list(MOODS), MOODS)


@pytest.mark.parametrize(
    ("cell", "reason"),
    [
        (lambda i, at: (7 * i + 3 * at) % 5 + 1, "hold numbers of votes or ratings"),
        (lambda i, at: ("absent", "present")[(i + at) % 3 == 0], "hold the same two values: write 1"),
        (
            lambda i, at: mood(i + at // 2),
            "hold the same values: of several annotators, several labels of a row",
        ),
        (
            lambda i, at: mood(i) if at == 0 or i % (2 * at) == 0 else "",
            "hold the same values: of several annotators",
        ),
    ],
)
@pytest.mark.parametrize("names", [("label1", "label2", "label3"), ("Anna", "Ben", "Carl")])
def test_neighbouring_columns_with_the_same_values_are_refused(tmp_path, cell, reason, names):
    same = [{"text": line(i), **{name: cell(i, at) for at, name in enumerate(names)}} for i in range(120)]
    with pytest.raises(InputError, match=f"Columns {', '.join(names)} {reason}"):
        propose_recipe(table(tmp_path / "a.csv", same))


@pytest.mark.parametrize("gold", ["majority", "gold_emotion", "final label", "consensus"])
def test_what_annotators_agreed_on_is_preferred(tmp_path, gold):
    several = [
        {"text": line(i), "label_1": mood(i), "label_2": mood(i), "label_3": other(i), gold: mood(i)}
        for i in range(120)
    ]
    assert proposed(table(tmp_path / "a.csv", several))[0]["labels"] == gold


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("predicted_label", other),
        ("gender", lambda i: ("male", "female")[i % 2]),
        ("platform", lambda i: ("twitter", "reddit")[i % 2]),
        ("user", lambda i: f"user{i % 9}"),
        ("date", lambda i: f"2020-0{i % 9 + 1}-01"),
        ("checked_label", lambda i: mood(i) if i % 20 == 0 else ""),
    ],
)
def test_what_is_beside_the_labels_is_not_preferred(tmp_path, name, make):
    beside = [{name: make(i), "text": line(i), "annotation": mood(i)} for i in range(120)]
    assert proposed(table(tmp_path / "a.csv", beside))[0]["labels"] == "annotation"


def test_an_act_of_a_dialogue_is_a_label_and_no_group(tmp_path):
    acts = [{"utterance": short(i), "dialog_act": mood(i)} for i in range(120)]
    corpus = proposed(table(tmp_path / "a.csv", acts))[0]
    assert (corpus["labels"], corpus.get("group")) == ("dialog_act", None)


@pytest.mark.parametrize("name", ["participant", "video", "interview_nr", "document"])
def test_more_names_of_groups(tmp_path, name):
    grouped = [{name: f"x{i // 8}", "text": line(i), "label": mood(i)} for i in range(120)]
    assert proposed(table(tmp_path / "a.csv", grouped))[0]["group"] == name


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("uid", lambda i: f"035c4ea0-d73b-5bde-bd6f-{i:012}"),
        ("wav", lambda i: f"/data/corpora/sessions/Session1/sentences/wav/{i:04}.wav"),
        ("vector", lambda i: str([i / 7 + k for k in range(9)])),
        ("words", lambda i: str(line(i).split())),
        ("explanation", lambda i: f"The writer feels so because {line(i)}"),
        ("context", lambda i: f"{line(i + 1)} {line(i + 2)}"),
    ],
)
def test_a_longer_column_beside_the_text_is_not_the_text(tmp_path, name, make):
    beside = [{"utt": short(i), name: make(i), "label": mood(i)} for i in range(120)]
    assert proposed(lines(tmp_path / "a.jsonl", beside))[0]["text"] == "utt"
    alone = [{name: make(i), "label": mood(i)} for i in range(120)]
    if name in ("explanation", "context"):
        assert proposed(lines(tmp_path / "b.jsonl", alone))[0]["text"] == name


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("sentence_range", lambda i: f"({i % 3 * 5}, {i % 3 * 5 + 5})"),
        ("score", lambda i: i * 3 % 37),
        ("upvotes", lambda i: i % 9),
        ("prev_emotion", lambda i: mood(i - 1)),
    ],
)
def test_measures_and_other_turns_are_not_preferred_to_a_flag(tmp_path, name, make):
    beside = [{name: make(i), "text": line(i), "label": i * 7 % 3 % 2} for i in range(120)]
    assert proposed(lines(tmp_path / "a.jsonl", beside))[0]["labels"] == "label"


@pytest.mark.parametrize("names", [("anger,fear", "anger,joy", "fear,joy")])
def test_pairs_of_three_labels_are_several_labels(tmp_path, names):
    pairs = [{"text": line(i), "label": names[i * 7 % 3]} for i in range(60)]
    assert proposed(lines(tmp_path / "a.jsonl", pairs))[2].task.labels == ("anger", "fear", "joy")


def test_a_ranking_of_all_labels_is_refused(tmp_path):
    ranked = [{"text": line(i), "labels": sorted(MOODS, key=lambda m: (m != mood(i), m))} for i in range(80)]
    with pytest.raises(InputError, match="'labels' names all 4 labels in every row, as a ranking does"):
        propose_recipe(lines(tmp_path / "a.jsonl", ranked))


def test_labels_split_inside_names_and_labels_of_whole_groups_are_comments(tmp_path):
    names = ("positive", "negative", "positive-negative", "neutral")
    mixed = [{"text": line(i), "label": names[i % 4]} for i in range(80)]
    text = proposed(lines(tmp_path / "a.jsonl", mixed))[1]
    assert '# labels are split at "-": task = "single_label" reads each cell as one label' in text
    talks = [{"talk_id": i // 8, "utterance": line(i), "topic": mood(i // 8)} for i in range(240)]
    assert (
        '# all rows of a group have the same label: predict = "conversation"'
        in proposed(lines(tmp_path / "b.jsonl", talks))[1]
    )
