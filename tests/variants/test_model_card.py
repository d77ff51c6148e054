"""The model card: Markdown whose table holds any label, with a sentence on abstention where there is a rule."""

from dataclasses import replace
from typing import Any

import pytest
import yaml

from distill.artifacts.quality import FloorRecord, SplitQuality
from distill.artifacts.records import from_dict
from distill.artifacts.report import Headline
from distill.evaluation.sets import SetsQuality
from distill.export.runtime.deciding.sets import Sets
from distill.export.runtime.manifest.promises import FittedFloor, RightWhenAnswered
from distill.export.runtime.reading.inputs import Pair, Truncate, Turns
from distill.variants.model_card import CardFacts, escape_cell, model_card
from tests.support.tiny_report import split_data


def facts(quality: SplitQuality, **changed: Any) -> CardFacts:
    values: dict[str, Any] = {
        "name": "tiny",
        "variant": "int8-static",
        "kind": "multi_label",
        "test": quality,
        "teacher": quality,
        "source": "rows.csv",
        "base_model": "a folder",
        "licence": None,
        "language": None,
        "max_tokens": 24,
        "headline": Headline(),
        "folds": None,
        "version": "0.1.0",
    }
    return CardFacts(**{**values, **changed})


def card(*labels: str, selective: dict[str, Any] | None = None, **changed: Any) -> str:
    data = split_data(labels or ("joy",))
    quality = from_dict(SplitQuality, {**data, "selective": data["selective"] | (selective or {})})
    return model_card(facts(quality, **changed))


def front_matter(text: str) -> dict[str, Any]:
    return dict(yaml.safe_load(text.split("---\n")[1]))


def test_the_card_says_what_is_promised_and_what_is_not_certified() -> None:
    quality = from_dict(SplitQuality, split_data(("joy",)))
    certificate = FittedFloor("recall", "joy", 0.9, 0.25, rows=60, missed=1, confidence=0.9, bound=0.912)
    found = facts(
        replace(quality, sets=SetsQuality(0.9, 1.4, (0.9,))),
        floors=(
            FloorRecord("joy", "recall", 0.9, 0.95, 0.93, True, certificate),
            FloorRecord("a|b", "recall", 0.999, 0.8, 0.7, True),
        ),
        answers=RightWhenAnswered("right when answered", 0.95, 0.9, rows=400, wrong=12, bound=0.955),
        sets=Sets("labels", 0.9, (0.2,)),
    )
    text = model_card(found)
    shown = "certified at 0.9: at least 0.912, 1 of 60 trials missed"
    assert f"- joy: recall of at least 0.9, {shown}; 0.930 on test.\n" in text
    assert "- a\\|b: recall of at least 0.999, not certified; 0.700 on test.\n" in text
    assert "at least 0.95 are decided exactly right, certified at 0.9 (12 of 400" in text
    assert "hold a label in 90.0% of its texts; 1.40 labels per text on test." in text
    assert "promise" not in card()


def test_a_label_is_one_cell_of_a_markdown_table() -> None:
    assert escape_cell("a|b <i> *c*") == r"a\|b \<i\> \*c\*"
    assert escape_cell("joy_or_grief (strong)") == "joy_or_grief (strong)"
    assert "\n| a\\|b \\<script\\> | 0.500 | 0.250 | 0.333 | 3 | 0.500 |\n\n**Misses" in card(
        "joy", "a|b <script>"
    )


def test_the_card_has_the_front_matter_and_the_quality() -> None:
    text = card()
    assert text.startswith("---\npipeline_tag: text-classification\n")
    assert "# tiny\n" in text
    assert "variant `int8-static`." in text
    assert "Macro-F1 0.500 (teacher 0.500), micro-F1 0.500,\nBrier 0.1250" in text
    assert "licence not stated; texts are cut at 24 tokens." in text
    assert text.endswith("\nNo contact is stated. Send questions and errors to the publisher of this folder.\n")
    assert "\nNobody has stated what the labels mean beyond their names" in text
    assert "\n\n\n" not in text


def test_the_card_says_what_labels_mean() -> None:
    text = card("joy", "a|b", meanings={"a|b": "Says *so*."})
    assert "\n## Labels\n\n- joy: no meaning is stated.\n- a\\|b: Says \\*so\\*.\n\n## Quality" in text
    assert "beyond their names" not in text


@pytest.mark.parametrize(
    ("contact", "shown"),
    [
        ("https://example.org/~us?a=1&b=2", "<https://example.org/~us?a=1&b=2>"),
        ("a.b+c@example.org", "<a.b+c@example.org>"),
        ("The *team*, room 3 <x@example.org>", r"The \*team\*, room 3 \<x@example.org\>"),
        ("https://a.org/<b>", r"https://a.org/\<b\>"),
    ],
)
def test_the_card_names_a_contact(contact: str, shown: str) -> None:
    text = card(contact=contact)
    assert text.endswith(f"\n## Contact\n\nQuestions and errors: {shown}\n")
    assert "publisher" not in text


@pytest.mark.parametrize(
    ("truncate", "said"),
    [
        (Truncate(), "the longer text loses its end first."),
        (Truncate("answer", "start"), "answer, and then the other, loses its beginning first."),
    ],
)
def test_the_card_of_pairs_says_how_they_are_cut(truncate: Truncate, said: str) -> None:
    text = card(reads=Pair(("question", "answer"), truncate))
    assert f"It reads pairs of texts, question and answer; where a pair is too long, {said}\n" in text
    assert "pairs" not in card()


def test_the_card_of_turns_says_what_is_read() -> None:
    text = card(reads=Turns(5, {"client": "[C]", "therapist": "[T]"}, ("client",)))
    assert (
        "It reads a turn of a conversation with up to 5 turns before it, as many as fit, and decides turns of"
        in text
    )
    assert 'classifier.predict_turns([distill.Turn("client", "a turn")])' in text
    assert "\n\n\n" not in text
    assert "conversation" not in card()


def test_another_headline_comes_first() -> None:
    data = {**split_data(("joy",)), "kappa": 0.75}
    quality = from_dict(SplitQuality, data)
    text = model_card(facts(quality, headline=Headline("kappa", "weighted kappa")))
    assert "split\n\nThe headline is weighted kappa: 0.750 (teacher 0.750).\nMacro-F1 0.500" in text


def test_abstention_is_a_paragraph_where_there_is_a_rule() -> None:
    assert (
        "validation.\n\nBelow a confidence of 0.125 it abstains, and a person should decide. It answers 75.0% of "
        "the texts, of which 25.0% are not decided exactly (50.0% of all texts without abstention).\n\n| label |"
    ) in card()
    nothing = {"selective_risk": None, "selective_macro_f1": None, "coverage": 0.0}
    assert "It answers 0.0% of the texts.\n\n| label |" in card(selective=nothing)
    assert "validation.\n\n| label |" in card(selective={"below": None})


def test_the_front_matter_is_what_the_hub_reads() -> None:
    quality = {"licence": "Apache-2.0", "language": "en", "base_model": "org/base", "name": 'a "name": x'}
    found = front_matter(card(source="hub:org/corpus:simplified@abc", **quality))
    assert (found["license"], found["language"], found["base_model"]) == ("apache-2.0", ["en"], "org/base")
    assert (found["datasets"], found["metrics"]) == (["org/corpus"], ["f1"])
    (model,) = found["model-index"]
    assert model["name"] == 'a "name": x'
    assert model["results"][0]["metrics"] == [{"type": "f1", "name": "macro-F1", "value": 0.5}]
    local = front_matter(card(licence="for research: ask"))
    assert (local["license"], local["license_name"]) == ("other", "for research: ask")
    assert not {"language", "base_model", "datasets"} & set(local)


def test_the_card_says_what_is_missed_most_and_how_to_load_it() -> None:
    text = card("joy", "fear")
    assert "**Misses most often:** joy (75.0% of 3 rows), fear (75.0% of 3 rows).\n" in text
    assert '    classifier.predict(["a text"])\n' in text
    pairs = card(reads=Pair(("question", "answer"), Truncate()))
    assert '    classifier.predict([("first text", "second text")])\n' in pairs
