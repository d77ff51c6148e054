"""The static student starts from its teacher, reads padding as nothing, and its graph says what PyTorch says."""

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper

from distill.export.graph.builder import GraphBuilder
from distill.export.graph.from_torch import torch_logits
from distill.export.graph.matmuls import find_roles
from distill.export.graph.roles import Role
from distill.export.graph.session import GraphRunner
from distill.export.int8.input_scales import fit_input_scales
from distill.export.int8.precisions import write_precision
from distill.export.runtime.errors import InputError
from distill.export.runtime.untrusted.graph_file import check_graph_file
from distill.recipe.load import load_recipe
from distill.students.networks.projection import principal_basis
from distill.students.networks.static import StaticClassifier, StaticConfig, static_student, token_outputs
from distill.students.static import StaticFamily
from distill.students.vocabulary import trim
from distill.teachers.checkpoints import build_classifier, load_classifier, load_config
from distill.teachers.tokenizers import load_tokenizer
from distill.training.preflight import check_models
from tests.support.export_models import MAX_TOKENS, VOCABULARY, batch, feeds, random_rows
from tests.support.tiny_models import TEXTS, bert_tokenizer, multi_label_task, roberta_tokenizer, tiny_classifier

# window channels, hash buckets, longest n-gram
OPTIONS = {
    "pooling": (0, 0, 2),
    "window": (24, 0, 2),
    "bigrams": (0, 64, 2),
    "all": (24, 64, 3),
}
FORMS = ("weights", "dynamic", "static")


def config_of(options: str, vocabulary: int = VOCABULARY, width: int = 16) -> StaticConfig:
    channels, buckets, ngrams = OPTIONS[options]
    return StaticConfig(vocabulary, width, channels, buckets, ngrams, hidden=32)


def random_static(options: str) -> StaticClassifier:
    """Weights large enough that every part matters."""
    torch.manual_seed(3)
    model = StaticClassifier(config_of(options), multi_label_task()).eval()
    with torch.no_grad():
        model.weights[1:] = torch.randn(VOCABULARY)
        for table in model.ngrams:
            table.weight[1:] = torch.randn(len(table.weight) - 1, model.config.width)
        model.head.weight.normal_()
    return model


@pytest.fixture(params=list(OPTIONS))
def options(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_the_graph_gives_pytorchs_logits(options: str, tmp_path: Path) -> None:
    model = random_static(options)
    StaticFamily.export(model, tmp_path / "x.onnx", MAX_TOKENS)
    runner = GraphRunner(tmp_path / "x.onnx")
    assert runner.inputs == ["input_ids", "attention_mask"]
    for count, length in ((1, 1), (1, 2), (1, MAX_TOKENS), (2, 5), (7, 9), (32, MAX_TOKENS)):
        ids, mask = batch(random_rows(count, seed=length, longest=length))
        np.testing.assert_allclose(runner(ids, mask), torch_logits(model, ids, mask), atol=1e-5)
    assert check_graph_file((tmp_path / "x.onnx").read_bytes(), "x.onnx") > 0


def test_padding_and_batch_mates_change_nothing(options: str, tmp_path: Path) -> None:
    model = random_static(options)
    StaticFamily.export(model, tmp_path / "x.onnx", MAX_TOKENS)
    runner = GraphRunner(tmp_path / "x.onnx")
    rows = random_rows(20, seed=1)
    alone = runner.run_rows(rows)
    ids, mask = batch(rows)
    assert alone.std() > 0.1
    for values, kept in ((ids, mask), (np.flip(ids, 1).copy(), np.flip(mask, 1).copy())):
        expected = alone if values is ids else runner.run_rows([row[::-1] for row in rows])
        np.testing.assert_allclose(runner(values, kept), expected, atol=1e-5)
        np.testing.assert_allclose(torch_logits(model, values, kept), expected, atol=1e-5)
    # whatever stands where the mask says that nothing does
    np.testing.assert_array_equal(runner(np.where(mask == 1, ids, 77), mask), runner(ids, mask))


def test_a_text_without_a_token_has_logits_too(tmp_path: Path) -> None:
    model = random_static("all")
    StaticFamily.export(model, tmp_path / "x.onnx", MAX_TOKENS)
    ids, mask = np.zeros((1, 3), dtype=np.int64), np.zeros((1, 3), dtype=np.int64)
    found = GraphRunner(tmp_path / "x.onnx")(ids, mask)
    assert np.isfinite(found).all()
    np.testing.assert_allclose(found, torch_logits(model, ids, mask), atol=1e-5)


@pytest.mark.parametrize(("part", "moves"), [("pooling", False), ("window", True), ("bigrams", True)])
def test_order_matters_where_windows_or_ngrams_see_it(part: str, moves: bool) -> None:
    model = random_static(part)
    ids = torch.tensor([[2, 5, 9, 7, 3], [2, 9, 5, 7, 3]])
    first, second = model(ids, torch.ones_like(ids))
    assert torch.allclose(first, second, atol=1e-5) is not moves


def test_no_token_stays_zero_while_the_rest_learns() -> None:
    model = random_static("all").train()
    rates = load_recipe("smoke").student
    optimizer = torch.optim.AdamW(StaticFamily.parameter_groups(model, **rates.rates()))
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    for row in random_rows(5, seed=2):
        ids, mask = (torch.from_numpy(values) for values in batch([row, row[:1]]))
        optimizer.zero_grad()
        model(ids, mask).square().sum().backward()
        optimizer.step()
    after = model.state_dict()
    for name in ("vectors.weight", "weights", "ngrams.0.weight", "ngrams.1.weight"):
        assert torch.equal(after[name][0], before[name][0]), name
        assert not torch.equal(after[name][1:], before[name][1:]), name
    assert all(not torch.equal(after[name], before[name]) for name in after if name.startswith(("window", "up")))


def test_it_trains_in_float32_where_others_multiply_bf16() -> None:
    model = random_static("all")
    ids, mask = (torch.from_numpy(values) for values in batch(random_rows(3)))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = model(ids, mask)
    assert torch.equal(found, model(ids, mask))


def test_tables_do_not_decay_and_learn_at_the_bodys_rate() -> None:
    model = random_static("all")
    rates = load_recipe("smoke", ["student.body_learning_rate=1e-3", "student.head_learning_rate=1e-2"]).student
    groups = StaticFamily.parameter_groups(model, **rates.rates())
    every = [id(parameter) for group in groups for parameter in group["params"]]
    assert sorted(every) == sorted(id(parameter) for parameter in model.parameters())
    assert [group["lr"] for group in groups] == [1e-3, 1e-2, 1e-2]
    assert [group["weight_decay"] for group in groups] == [0.0, rates.weight_decay, 0.0]
    assert {id(parameter) for parameter in groups[0]["params"]} >= {id(model.vectors.weight), id(model.weights)}


@pytest.mark.parametrize(("body", "make"), [("bert", bert_tokenizer), ("roberta", roberta_tokenizer)])
def test_token_vectors_are_the_principal_components_of_the_teachers_outputs(body, make) -> None:  # type: ignore[no-untyped-def]
    tokenizer = make()
    teacher = tiny_classifier(body, vocabulary=len(tokenizer))
    sources = [(piece,) for piece in range(len(tokenizer))]
    config = config_of("all", vocabulary=len(sources))
    student = static_student(teacher, tokenizer, sources, config, dropout=0.0, seed=1)
    piece = 40
    ids = torch.tensor([[tokenizer.cls_token_id, piece, tokenizer.sep_token_id]])
    hidden = teacher.encoder(input_ids=ids, attention_mask=torch.ones_like(ids)).last_hidden_state
    outputs = token_outputs(teacher, tokenizer, range(len(tokenizer)))
    assert torch.allclose(outputs[piece], hidden[0].mean(dim=0), atol=1e-5)
    expected = (outputs - outputs.mean(dim=0)) @ principal_basis(outputs, 16)
    vectors = student.vectors.weight.detach()[1:]
    assert torch.allclose(vectors, expected * (vectors.std() / expected.std()), atol=1e-4)
    assert float(vectors.std()) == pytest.approx(0.5, rel=1e-3)
    assert not student.vectors.weight[0].any()


def test_a_trimmed_vocabulary_starts_from_the_mean_of_its_sources() -> None:
    tokenizer = bert_tokenizer()
    teacher = tiny_classifier(vocabulary=len(tokenizer))
    trimmed = trim(tokenizer, [(text, str(row)) for row, text in enumerate(TEXTS)], min_groups=6)
    sources = list(trimmed.sources)
    sources[20] = (20, 21, 30)
    config = config_of("window", vocabulary=len(sources))
    student = static_student(teacher, tokenizer, sources, config, dropout=0.0, seed=1).eval()
    outputs = token_outputs(teacher, tokenizer, range(len(tokenizer)))
    table = torch.stack([outputs[list(ids)].mean(dim=0) for ids in sources])
    expected = (table - table.mean(dim=0)) @ principal_basis(table, 16)
    assert torch.allclose(student.vectors.weight[1:], expected * (0.5 / expected.std()), atol=1e-4)
    read = trimmed.tokenizer(TEXTS[:4], padding=True, return_tensors="pt")
    assert student(read.input_ids, read.attention_mask).shape == (4, 3)


def test_the_same_seed_gives_the_same_student_and_the_teacher_stays_as_it_was() -> None:
    tokenizer = bert_tokenizer()
    teacher = tiny_classifier(vocabulary=len(tokenizer))
    before = {name: tensor.clone() for name, tensor in teacher.state_dict().items()}
    sources = [(piece,) for piece in range(len(tokenizer))]
    config = config_of("all", vocabulary=len(sources))
    first, second, third = (
        static_student(teacher, tokenizer, sources, config, dropout=0.0, seed=seed).state_dict()
        for seed in (5, 5, 6)
    )
    assert all(torch.equal(tensor, second[name]) for name, tensor in first.items())
    assert not torch.equal(first["up.weight"], third["up.weight"])
    assert all(torch.equal(tensor, before[name]) for name, tensor in teacher.state_dict().items())
    assert not teacher.training


def test_it_is_saved_and_loaded_to_the_bit(options: str, tmp_path: Path) -> None:
    model = random_static(options)
    tokenizer = bert_tokenizer()
    StaticFamily.save(model, tokenizer, tmp_path)
    again = StaticFamily.load(tmp_path, multi_label_task()).eval()
    ids, mask = (torch.from_numpy(values) for values in batch(random_rows(6)))
    torch.testing.assert_close(again(ids, mask), model(ids, mask), rtol=0, atol=1e-6)
    assert load_tokenizer(tmp_path)("so happy").input_ids == tokenizer("so happy").input_ids
    published = StaticFamily.published_config(tmp_path)
    assert published["model_type"] == "distilbert"
    assert published["vocab_size"] == VOCABULARY


@pytest.mark.parametrize("broken", ["cut", "shape", "labels", "key", "text"])
def test_broken_files_are_refused_by_name(broken: str, tmp_path: Path) -> None:
    StaticFamily.save(random_static("window"), bert_tokenizer(), tmp_path)
    weights, path = tmp_path / "model.safetensors", tmp_path / "config.json"
    data = json.loads(path.read_text())
    if broken == "cut":
        weights.write_bytes(weights.read_bytes()[:-9])
    elif broken == "text":
        data["width"] = "wide"
    elif broken == "key":
        del data["hidden"]
    elif broken == "shape":
        data["hidden"] = 31
    else:
        data["labels"] = data["labels"][::-1]
    path.write_text(json.dumps(data))
    with pytest.raises(InputError, match="Train it again") as caught:
        StaticFamily.load(tmp_path, multi_label_task())
    assert str(tmp_path) in str(caught.value)


def test_nothing_starts_from_a_static_student(tmp_path: Path) -> None:
    StaticFamily.save(random_static("window"), bert_tokenizer(), tmp_path)
    task = multi_label_task()
    for attempt in (
        lambda: load_config(tmp_path),
        lambda: load_classifier(tmp_path, task),
        lambda: build_classifier(tmp_path, task, "mean", 0.1),  # type: ignore[arg-type]
    ):
        with pytest.raises(InputError, match="is a model of type 'static', which has no encoder"):
            attempt()


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("student.hash_buckets=1000", "power of two, for instance 8192"),
        ("student.hash_buckets=1000 student.layers=auto", "power of two, for instance 8192"),
        ("student.ngrams=3 student.hash_buckets=0", "needs hash_buckets"),
        ("student.layers=auto student.hash_buckets=1000", "power of two"),
        ("student.ngrams=4", "less than or equal to 3"),
        ("student.window_channels=-1", "window_channels"),
        ("student.width=24", "window_channels 128 must be at most 4 times width 24"),
        ("student.hidden=0", "hidden"),
    ],
)
def test_shapes_that_cannot_be_are_refused_in_the_recipe(override: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        load_recipe("smoke", ["student.kind=static", *override.split()])


def test_a_width_above_the_teachers_is_refused_and_heads_do_not_matter() -> None:
    config, narrow = tiny_classifier().config, ["student.kind=static", "student.window_channels=16"]
    with pytest.raises(InputError, match="at most the teacher's, 32"):
        check_models(load_recipe("smoke", ["student.kind=static", "student.width=64"]), config)
    check_models(load_recipe("smoke", [*narrow, "student.width=30", "student.heads=4"]), config)


@pytest.mark.parametrize("form", FORMS)
def test_every_int8_form_stays_near_fp32_and_keeps_still_in_a_batch(
    options: str, form: str, tmp_path: Path
) -> None:
    StaticFamily.export(random_static(options), tmp_path / "x.onnx", MAX_TOKENS)
    plain = GraphRunner(tmp_path / "x.onnx")
    rows = random_rows(64, seed=2)
    expected = plain.run_rows(rows)
    quantize(form, tmp_path / "x.onnx", tmp_path / "y.onnx")
    variant = GraphRunner(tmp_path / "y.onnx")
    alone = variant.run_rows(rows)
    assert (alone - expected).std() / expected.std() < (0.02 if form == "weights" else 0.05)
    np.testing.assert_array_equal(variant(*batch(rows)), alone)
    np.testing.assert_array_equal(variant(*batch([rows[0][:1], rows[1]]))[1], alone[1])
    assert check_graph_file((tmp_path / "y.onnx").read_bytes(), "y.onnx") > 0


def quantize(form: str, source: Path, target: Path) -> None:
    scales = fit_input_scales(source, feeds(random_rows(60, seed=9), GraphRunner(source).inputs))
    write_precision(f"int8-{form}", source, target, scales=scales)


def test_tables_get_a_scale_a_row_and_no_large_matrix_stays_in_floats(tmp_path: Path) -> None:
    StaticFamily.export(random_static("all"), tmp_path / "x.onnx", MAX_TOKENS)
    assert sorted(find_roles(GraphBuilder.load(tmp_path / "x.onnx")).values()) == [Role.FFN_UP]
    for form in FORMS:
        quantize(form, tmp_path / "x.onnx", tmp_path / "y.onnx")
        stored = {
            item.name: numpy_helper.to_array(item) for item in onnx.load(tmp_path / "y.onnx").graph.initializer
        }
        for table, rows in (("vectors", VOCABULARY + 1), ("table_2", 64), ("table_3", 64)):
            assert stored[f"{table}.int8"].dtype == np.int8
            assert stored[f"{table}.scale"].shape == (rows, 1)
            assert not stored[f"{table}.int8"][0].any()
        floats = [values for values in stored.values() if values.dtype == np.float32]
        # the head is too small to matter
        assert all(values.ndim < 2 or min(values.shape) <= 3 for values in floats)


def test_exporting_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        StaticFamily.export(random_static("all"), tmp_path / name, MAX_TOKENS)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
