"""A student that is trained beside its teacher: what it reads, what counts, what is saved, and what is refused."""

import dataclasses
import json
import shutil
from functools import partial
from pathlib import Path

import pytest
import torch
from torch import nn

from distill.corpora.storage.parquet import load_corpus
from distill.corpora.storage.token_rows import TokenRows
from distill.export.runtime.errors import InputError
from distill.objectives.features import relation_distance, state_distance
from distill.objectives.matching import FeatureDistiller, FeatureObjective, features
from distill.objectives.mixed import Objective
from distill.objectives.task_loss import LOSSES
from distill.pipeline.state import Run
from distill.recipe.load import load_recipe
from distill.recipe.recipe import Recipe
from distill.recipe.sources import CorpusRecipe
from distill.recipe.student import ObjectiveRecipe, StudentRecipe
from distill.students.networks.compact import Shape, compact_student
from distill.students.networks.layers import layers_student
from distill.students.vocabulary import trim
from distill.teachers.bodies import layers_of, parts_of
from distill.teachers.checkpoints import load_config
from distill.teachers.encoder import EncoderClassifier, Pooling
from distill.teachers.encoding import encode, pad_batch
from distill.teachers.finetune import parameter_groups
from distill.teachers.token_cache import TokenCache
from distill.teachers.tokenizers import load_tokenizer
from distill.training.alignment import aligned_rows, require_aligned, teacher_token_ids
from distill.training.batches import Examples, join_examples
from distill.training.callback import TrainingCallback, TrainingSchedule
from distill.training.feature_distillation import feature_terms
from distill.training.loop import FitResult, fit
from distill.training.preflight import check_models, check_vocabulary
from tests.support.finished import execute
from tests.support.tiny_models import TEXTS, bert_tokenizer, roberta_tokenizer, tiny_classifier

READ = TokenCache(Path(), 32)
ALL_THREE = ObjectiveRecipe(hidden_weight=1.0, relation_weight=0.5, relation_heads=4, embedding_weight=2.0)
PIECES = torch.arange(400)
IDS = torch.tensor([[5, 9, 12, 30, 7], [5, 8, 7, 0, 0], [5, 6, 0, 0, 0]])
MASK = (IDS > 0).long()
ROWS = [[2, 5 + row % 40, 6 + row % 7, 9 + row % 11, *([11] * (row % 5)), 3] for row in range(96)]


def compact(teacher: EncoderClassifier, dropout: float = 0.0) -> EncoderClassifier:
    return compact_student(teacher, Shape(2, 16, 2), texts=None, pooling=Pooling.MEAN, dropout=dropout, seed=5)


def distiller_of(
    teacher: EncoderClassifier,
    student: EncoderClassifier,
    recipe: ObjectiveRecipe = ALL_THREE,
    pieces: torch.Tensor = PIECES,
) -> FeatureDistiller:
    return FeatureDistiller(student, teacher.encoder, pieces, feature_terms(recipe, student, teacher.encoder))


@pytest.mark.parametrize("body", ["bert", "roberta", "distilbert"])
def test_queries_keys_and_values_are_what_the_layer_itself_makes(body: str) -> None:
    model = tiny_classifier(body)
    seen: list[torch.Tensor] = []
    parts = parts_of(model.encoder, layers_of(model.encoder)[1])
    for linear in (parts.query, parts.key, parts.value):
        linear.register_forward_hook(lambda _module, _inputs, output: seen.append(output))
    found = features(model.encoder, IDS, MASK)
    inside = tuple(seen)
    assert len(layers_of(model.encoder)) == 3
    assert len(found.states) == 4
    for own, made in zip(found.vectors(1), inside, strict=True):
        assert torch.equal(own, made)


@pytest.mark.parametrize("body", ["bert", "roberta", "distilbert"])
def test_a_copy_of_the_teacher_is_at_no_distance_and_keeps_its_logits(body: str) -> None:
    teacher = tiny_classifier(body)
    student = layers_student(teacher, [0, 1, 2], pooling=Pooling.MEAN, dropout=0.0)
    found = distiller_of(teacher, student).eval()(IDS, MASK, torch.tensor([True] * 3))
    assert torch.equal(found.logits, teacher(IDS, MASK))
    assert found.distance.abs().max() < 1e-6


def test_distances_are_the_weighted_terms_of_aligned_rows() -> None:
    teacher = tiny_classifier()
    student = compact(teacher)
    distiller = distiller_of(teacher, student).eval()
    found = distiller(IDS, MASK, torch.tensor([True, False, True]))
    own, other = features(student.encoder, IDS, MASK), features(teacher.encoder, IDS, MASK)
    hidden, _, embedding = distiller.terms
    # two layers of three: 0 by 1, 1 by 2
    first, second = (
        state_distance(hidden.projection(own.states[layer + 1]), other.states[layer + 2], MASK) for layer in (0, 1)
    )
    relations = relation_distance(own.vectors(1), other.vectors(2), MASK, 4)
    embeddings = state_distance(embedding.projection(own.states[0]), other.states[0], MASK)
    expected = (first + second) / 2 + 0.5 * relations + 2 * embeddings
    assert torch.allclose(found.distance, expected * torch.tensor([1, 0, 1]), atol=1e-6)
    loss = FeatureObjective(Objective(LOSSES["multi_label"]))
    args = torch.randn(3, 3), torch.ones(3, 3), torch.tensor([True] * 3)
    assert torch.equal(
        loss(found, *args), Objective(LOSSES["multi_label"])(found.logits, *args) + found.distance.mean()
    )


def test_the_teacher_reads_its_own_ids_without_dropout_and_is_neither_trained_nor_saved() -> None:
    teacher = tiny_classifier()
    read: list[tuple[torch.Tensor, bool]] = []
    teacher.encoder.register_forward_pre_hook(
        lambda module, _args, kwargs: read.append((kwargs["input_ids"], module.training)), with_kwargs=True
    )
    distiller = distiller_of(teacher, compact(teacher), pieces=torch.arange(400).flip(0) - 1)
    distiller.train()
    distiller(IDS, MASK, torch.tensor([True] * 3)).distance.sum().backward()
    ((ids, training),) = read
    assert torch.equal(ids, (398 - IDS))
    assert not training
    assert all(parameter.grad is None for parameter in teacher.encoder.parameters())
    learning = dict(distiller.named_parameters())
    assert {name.split(".")[0] for name in distiller.state_dict()} == {"student", "terms"}
    assert set(distiller.state_dict()) == set(learning)
    # the head alone has no part in any distance
    assert [name for name, parameter in learning.items() if parameter.grad is None] == [
        name for name in learning if name.startswith("student.head")
    ]


def test_a_piece_that_the_teacher_has_not_is_no_error() -> None:
    teacher = tiny_classifier()
    distiller = distiller_of(teacher, compact(teacher), pieces=torch.full((400,), -1))
    assert distiller(IDS, MASK, torch.tensor([False] * 3)).distance.tolist() == [0.0, 0.0, 0.0]


class Killed(Exception):
    pass


def train_distilled(folder: Path, *, kill: int | None = None) -> tuple[FeatureDistiller, FitResult]:
    """A training with dropout in epochs of six steps, killed in a step."""
    folder.mkdir(exist_ok=True)
    teacher = tiny_classifier()
    torch.manual_seed(4)
    distiller, calls = distiller_of(teacher, compact(teacher, dropout=0.3)), iter(range(1, 99))
    objective = FeatureObjective(Objective(LOSSES["multi_label"]))

    def loss(*arguments: object) -> torch.Tensor:
        if next(calls) == kill:
            raise Killed
        return objective(*arguments)  # type: ignore[arg-type]

    def evaluate() -> dict[str, float]:
        return {"macro_f1": -float(distiller.terms[0].projection.weight.detach().sum())}

    count = len(ROWS)
    examples = Examples(
        TokenRows.of(ROWS), torch.zeros(count, 3), torch.zeros(count, 3), torch.ones(count, dtype=torch.bool),
        {"aligned": torch.arange(count) % 3 > 0},
    )  # fmt: skip
    settings = TrainingSchedule(
        max_steps=18, steps_per_epoch=6, batch_size=16, warmup=0.1, patience=99, seed=4,
        checkpoint_seconds=0.0 if kill else 300.0,
    )  # fmt: skip
    rates = {"body_learning_rate": 1e-3, "head_learning_rate": 1e-2, "weight_decay": 0.01}
    groups = parameter_groups(distiller.student, **rates)
    groups.append({"params": list(distiller.terms.parameters()), "lr": 1e-2, "weight_decay": 0.0})
    watch, pad = TrainingCallback(distiller, evaluate, settings, folder), partial(pad_batch, pad_id=0)
    return distiller, fit(distiller, examples, loss, settings, groups=groups, pad=pad, callback=watch)


def test_projections_are_trained_and_a_killed_training_ends_with_the_same_weights(tmp_path: Path) -> None:
    whole, result = train_distilled(tmp_path / "whole")
    with pytest.raises(Killed):
        train_distilled(tmp_path / "killed", kill=11)
    again, same_result = train_distilled(tmp_path / "killed")
    assert result == same_result
    for name, tensor in whole.state_dict().items():
        assert torch.equal(tensor, again.state_dict()[name]), name
    start = distiller_of(tiny_classifier(), compact(tiny_classifier()))
    start_distance = start.eval()(*pad_batch(ROWS, 0), torch.ones(len(ROWS))).distance.mean()
    assert whole.eval()(*pad_batch(ROWS, 0), torch.ones(len(ROWS))).distance.mean() < 0.8 * start_distance


def test_joined_examples_keep_what_the_model_reads_beside() -> None:
    one = Examples(
        TokenRows.of([[1]]), torch.zeros(1), torch.zeros(1, 3), torch.ones(1), {"aligned": torch.ones(1)}
    )
    two = dataclasses.replace(one, extra_inputs={"aligned": torch.zeros(1)})
    assert join_examples(one, two).extra_inputs["aligned"].tolist() == [1, 0]


@pytest.mark.parametrize("make", [bert_tokenizer, roberta_tokenizer])
def test_rows_are_aligned_where_trimming_left_every_piece_whole(make) -> None:  # type: ignore[no-untyped-def]
    full = make()
    rows = [(text, str(row)) for row, text in enumerate(TEXTS)]
    own = trim(full, rows, min_groups=5).tokenizer
    texts = [*TEXTS[:6], "zanzibar and the sun", "nobody knows zanzibar"]
    tokens, full_tokens = encode(own, texts, 32), encode(full, texts, 32)
    found = aligned_rows(tokens, full_tokens, teacher_token_ids(own, full))
    by_piece = [
        own.convert_ids_to_tokens(one) == full.convert_ids_to_tokens(other)
        for one, other in zip(tokens, full_tokens, strict=True)
    ]
    assert found.tolist() == by_piece
    assert found[:6].any()
    if make is bert_tokenizer:  # it had the rare name as one piece
        assert not found[6:].any()
    assert require_aligned(own, full, [texts[:6], texts[6:]], encode(own, texts, 32), READ).tolist() == by_piece


def test_another_tokenizer_is_refused_with_the_share() -> None:
    own, teachers = bert_tokenizer(), roberta_tokenizer()
    with pytest.raises(InputError, match=r"only 0% of the texts have the same tokens .*trim_vocabulary=false"):
        require_aligned(own, teachers, [TEXTS], encode(own, TEXTS, 32), READ)
    assert require_aligned(own, own, [TEXTS], encode(own, TEXTS, 32), READ).all()


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("objective.layer_map=[[0,1],[1,2]]", r"\[1, 2\]; the student has layers 0 to 0, the teacher 0 to 2"),
        ("objective.layer_map=[[0,3]]", r"\[0, 3\]; .* teacher 0 to 2"),
        ("objective.relation_layer=3", "relation_layer is 3; the teacher has layers 0 to 2"),
        ("objective.relation_heads=16", None),
        ("objective.relation_heads=12", "relation_heads is 12; it must divide the student's width, 16, and"),
    ],
)
def test_what_cannot_be_matched_is_refused_before_anything_is_trained(override: str, said: str | None) -> None:
    on = ["objective.hidden_weight=1", "objective.relation_weight=1"]
    shape = ["student.width=16", "student.heads=2"]
    recipe = load_recipe("smoke", [*on, *shape, override])
    if said is None:
        check_models(recipe, tiny_classifier().config)
        return
    with pytest.raises(InputError, match=said):
        check_models(recipe, tiny_classifier().config)


@pytest.mark.parametrize("depth", [1, 3])
def test_layers_that_are_left_open_are_as_many_as_asked_for(depth: int) -> None:
    open_layers = ["student.kind=layers", "student.layers=auto", f"student.depth={depth}"]
    good, wrong = f"objective.layer_map=[[{depth - 1},2]]", f"objective.layer_map=[[{depth},2]]"
    on = "objective.hidden_weight=1"
    check_models(load_recipe("smoke", [*open_layers, on, good]), tiny_classifier().config)
    with pytest.raises(InputError, match=f"the student has layers 0 to {depth - 1}, "):
        check_models(load_recipe("smoke", [*open_layers, on, wrong]), tiny_classifier().config)


def test_a_student_without_layers_is_refused() -> None:
    """Another kind of student has no states to match."""
    other = StudentRecipe.model_construct(kind="static")
    with pytest.raises(InputError, match="relation_weight needs a student with layers .*Set it to 0"):
        Recipe(
            name="one",
            corpus=CorpusRecipe(task="multi_label"),
            student=other,
            objective=ObjectiveRecipe(relation_weight=1.0),
        )


def test_an_explicit_layer_map_is_kept_and_equal_widths_start_as_they_are() -> None:
    teacher = tiny_classifier()
    student = layers_student(teacher, [0, 2], pooling=Pooling.MEAN, dropout=0.0)
    recipe = ObjectiveRecipe(hidden_weight=3.0, layer_map=[(1, 0)])
    ((weight, term),) = feature_terms(recipe, student, teacher.encoder)
    assert weight == 3.0
    assert torch.equal(term.projection.weight, torch.eye(32))
    own, other = (features(model.encoder, IDS, MASK) for model in (student, teacher))
    assert torch.equal(term(own, other, MASK), state_distance(own.states[2], other.states[1], MASK))
    assert [type(module) for module in term.children()] == [nn.Linear]


def trained(runs: Path, folder: Path, *overrides: str) -> Run:
    """The smoke run as far as its models, with some values changed, in a copy of a finished one."""
    shutil.copytree(runs, folder)
    return execute(folder, *overrides, until="train")


def test_only_the_student_is_trained_anew_when_a_term_comes_in(runs: Path, tmp_path: Path) -> None:
    found = trained(runs, tmp_path / "smoke", "objective.intra_class_weight=1")
    redone = [name for name, record in found.records.items() if not record.skipped]
    assert redone == ["student", "quality/student"]
    plain, changed = (folder / "student/model.safetensors" for folder in (runs, tmp_path / "smoke"))
    assert plain.read_bytes() != changed.read_bytes()


def test_a_run_learns_from_the_insides_of_its_teacher_and_keeps_nothing_of_them(
    runs: Path, tmp_path: Path
) -> None:
    weights = [f"objective.{name}_weight=1" for name in ("hidden", "relation", "embedding")]
    trained(runs, tmp_path / "smoke", *weights, "student.min_piece_groups=1", "objective.compare=false")
    names = {path.name for path in (tmp_path / "smoke/student").iterdir()}
    assert names == {path.name for path in (runs / "student").iterdir()}
    distiller, plain = (first_loss(folder / "student") for folder in (tmp_path / "smoke", runs))
    assert distiller > plain


def first_loss(folder: Path) -> float:
    lines = map(json.loads, (folder / "metrics.jsonl").read_text().splitlines())
    return next(float(line["loss"]) for line in lines if "loss" in line)


def test_a_corpus_of_rare_words_is_refused_before_the_teacher_is_trained(runs: Path, tmp_path: Path) -> None:
    recipe = load_recipe("smoke", ["objective.hidden_weight=1"])
    read = load_config(runs / "teacher"), load_tokenizer(runs / "teacher"), load_corpus(runs / "corpus")
    with pytest.raises(InputError, match=r"only \d+% of the texts .*lower student.min_piece_groups"):
        check_vocabulary(recipe, *read)
    check_vocabulary(load_recipe("smoke"), *read)
    check_vocabulary(load_recipe("smoke", ["objective.hidden_weight=1", "student.min_piece_groups=1"]), *read)
    with pytest.raises(InputError, match="same tokens"):  # nor where the teacher stands already
        trained(runs, tmp_path / "smoke", "objective.hidden_weight=1")
