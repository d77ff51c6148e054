"""A vocabulary of a size or a coverage: the most frequent pieces by groups, none of too few, and no [UNK]."""

import json
from typing import Any

import numpy as np
import pytest
from tokenizers import Tokenizer

from distill.corpora.corpus import Corpus, Split
from distill.export.runtime.errors import InputError
from distill.recipe.load import load_recipe
from distill.recipe.student import StudentRecipe
from distill.runs.fingerprints import recipe_hash, student_inputs
from distill.students.pieces import Goal, count_pieces
from distill.students.vocabulary import trim
from distill.training.preflight import check_vocabulary
from distill.training.start import student_vocabulary
from tests.support.tiny_models import TEXTS, bert_tokenizer, multi_label_task, roberta_tokenizer, tiny_classifier

ROWS = [(text, str(row)) for row, text in enumerate([*TEXTS, *["so happy that the sun is out"] * 10])]
MAKERS = (bert_tokenizer, roberta_tokenizer)


def multi(tokenizer: Any) -> set[str]:
    """The pieces of more than one character that are no special tokens."""
    special = set(tokenizer.all_special_tokens)
    return {piece for piece in tokenizer.get_vocab() if len(piece.removeprefix("##")) > 1 and piece not in special}


@pytest.mark.parametrize("make", MAKERS)
def test_a_size_keeps_the_most_frequent_pieces_and_every_text_readable(make: Any) -> None:
    full = make()
    free = trim(full, ROWS, min_groups=2)
    fewest = trim(full, ROWS, min_groups=10**6).tokenizer
    pieces = len(fewest) + 8
    small = trim(full, ROWS, min_groups=2, goal=Goal(pieces=pieces)).tokenizer
    assert len(fewest) < len(small) <= pieces < len(free.tokenizer)
    kept = multi(small)
    assert kept < multi(free.tokenizer)
    names = {index: piece for piece, index in full.get_vocab().items()}
    groups = {names[old]: count for old, count in count_pieces(full, ROWS, up_to=100).groups.items()}
    # of BPE's a part is as frequent as what is made of it, which its own count does not say
    if make is bert_tokenizer:
        assert min(groups[piece] for piece in kept) >= max(groups[piece] for piece in multi(free.tokenizer) - kept)
    for text, _ in ROWS:
        assert small.unk_token_id not in small(text).input_ids
        assert small.decode(small(text).input_ids, skip_special_tokens=True).strip() == text


@pytest.mark.parametrize("make", MAKERS)
def test_a_coverage_keeps_the_fewest_that_reach_it(make: Any) -> None:
    full = make()
    counts = count_pieces(full, ROWS, up_to=1).occurrences
    sizes = []
    for coverage in (0.6, 0.8, 1.0):
        trimmed = trim(full, ROWS, min_groups=1, goal=Goal(coverage=coverage))
        old = {sources[0] for sources in trimmed.sources if len(sources) == 1}
        assert sum(counts.get(piece, 0) for piece in old) >= coverage * sum(counts.values())
        sizes.append(len(trimmed.sources))
    assert sizes == sorted(set(sizes))
    assert sizes[-1] <= len(trim(full, ROWS, min_groups=1).sources)


def test_a_part_is_kept_before_what_is_merged_out_of_it_whatever_their_ids() -> None:
    """RoBERTa's ids are by frequency: a whole may have a smaller one than its parts, and is as frequent."""
    full = roberta_tokenizer()
    state = json.loads(full.backend_tokenizer.to_str())
    vocabulary, first = state["model"]["vocab"], len(full.all_special_tokens)
    state["model"]["vocab"] = {
        piece: old if old < first else len(vocabulary) + first - 1 - old for piece, old in vocabulary.items()
    }
    turned = type(full)(tokenizer_object=Tokenizer.from_str(json.dumps(state)))
    least = len(trim(turned, ROWS, min_groups=10**6).sources)
    for more in range(1, 20):
        small = trim(turned, ROWS, min_groups=2, goal=Goal(pieces=least + more)).tokenizer
        merges = json.loads(small.backend_tokenizer.to_str())["model"]["merges"]
        assert multi(small) == {left + right for left, right in merges}, more


def test_neither_goal_keeps_a_piece_of_too_few_groups() -> None:
    """One client says it a hundred times: it would be the most frequent by occurrences."""
    rows = [*ROWS, *[("zanzibar zanzibar", "one client")] * 100]
    for goal in (Goal(pieces=149), Goal(coverage=0.3)):
        assert "zanzibar" not in trim(bert_tokenizer(), rows, min_groups=2, goal=goal).tokenizer.get_vocab()
    with pytest.raises(InputError, match=r"coverage` is 0.99, .*`min_piece_groups`.* Lower one of the two"):
        trim(bert_tokenizer(), rows, min_groups=2, goal=Goal(coverage=0.99))


def test_goals_that_cannot_be_are_one_sentence() -> None:
    with pytest.raises(InputError, match=r"bytes` is enough for 3 pieces, .*always kept, are \d+. Raise it"):
        trim(bert_tokenizer(), ROWS, min_groups=1, goal=Goal(pieces=3))
    least = len(trim(bert_tokenizer(), ROWS, min_groups=10**6).sources)
    with pytest.raises(
        InputError, match=r"coverage` is 1, which takes \d+ pieces, and `vocabulary_bytes` is enough"
    ):
        trim(bert_tokenizer(), ROWS, min_groups=1, goal=Goal(pieces=least + 2, coverage=1.0))


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (
            ["student.trim_vocabulary=false", "student.vocabulary_bytes=9"],
            "vocabulary_bytes needs trim_vocabulary, which is false",
        ),
        (["student.trim_vocabulary=false", "student.vocabulary_coverage=0.9"], "coverage needs trim_vocabulary"),
        (["student.vocabulary_coverage=1.5"], "student.vocabulary_coverage is 1.5"),
        (["student.vocabulary_bytes=0"], "student.vocabulary_bytes is 0"),
        (
            ["student.vocabulary_bytes=9", "budget.size_mb=3"],
            "Use student.vocabulary_coverage, or set",
        ),
    ],
)
def test_keys_that_do_not_go_together_are_refused(values: list[str], said: str) -> None:
    with pytest.raises(InputError) as caught:
        load_recipe("smoke", values)
    assert said in str(caught.value)


def corpus() -> Corpus:
    texts = [text for text, _ in ROWS]
    split = Split(texts, np.zeros((len(texts), 3), dtype=np.uint8), np.arange(len(texts)))
    return Corpus(multi_label_task(), split, split, split, None)


def test_bytes_are_those_of_the_table_in_int8() -> None:
    config = tiny_classifier().config  # 32 wide
    for values, each, more in (
        # the table of 70 rows is one of at most 70 x (width of int8 and a float32 scale)
        ({"kind": "compact", "width": 16}, 16 + 4, 0),
        ({"kind": "layers"}, 32 + 4, 0),
        ({"kind": "static", "width": 32}, 32 + 4 + 4, 1),
    ):
        recipe = StudentRecipe.model_validate({**values, "min_piece_groups": 1, "vocabulary_bytes": 70 * each})
        trimmed = student_vocabulary(recipe, config, bert_tokenizer(), corpus())
        assert trimmed is not None
        assert len(trimmed.sources) + more == 70, values


def test_a_goal_out_of_reach_is_refused_before_the_teacher_is_trained() -> None:
    config = tiny_classifier().config
    recipe = load_recipe("smoke", ["student.vocabulary_bytes=50"])
    with pytest.raises(InputError, match="`vocabulary_bytes` is enough for 0 pieces"):
        check_vocabulary(recipe, config, bert_tokenizer(), corpus())
    check_vocabulary(load_recipe("smoke"), config, bert_tokenizer(), corpus())


def test_keys_that_are_not_set_leave_finished_runs_as_they_are() -> None:
    """What [student] was when these keys came, and the hash that recipes had then."""
    before = {
        *("kind", "layers", "depth", "width", "start", "heads", "window_channels", "hash_buckets", "ngrams"),
        *("hidden", "dropout", "trim_vocabulary", "min_piece_groups", "epochs", "batch_size"),
        *("body_learning_rate", "head_learning_rate", "weight_decay", "warmup", "patience"),
    }
    assert set(student_inputs(StudentRecipe())) == before
    asked = student_inputs(StudentRecipe(vocabulary_coverage=0.9), exclude=("epochs",))
    assert set(asked) == before - {"epochs"} | {"vocabulary_coverage"}
    recipe = load_recipe("smoke")
    assert recipe_hash(recipe) != recipe_hash(load_recipe("smoke", ["student.vocabulary_coverage=0.9"]))
    assert recipe_hash(recipe) == "9c36b5224f239a48943759ed01f4960bb0c8e0689b0ed58fbd9dfce1cd9795a1"
