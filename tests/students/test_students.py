"""Students start from their teachers as they say, and trimmed tokenizers read what the full ones could."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from distill.corpora.corpus import Corpus, Split
from distill.export.runtime.errors import InputError
from distill.recipe.load import load_recipe
from distill.students.networks.compact import Shape, compact_student
from distill.students.networks.layers import layers_student
from distill.students.networks.projection import low_rank, principal_basis, residual_basis
from distill.students.pieces import count_pieces
from distill.students.vocabulary import apply_trim, trim
from distill.teachers.bodies import embeddings_of, evenly_spaced, layers_of, parts_of, require_supported
from distill.teachers.checkpoints import load_classifier, save_classifier
from distill.teachers.encoder import EncoderClassifier, Pooling
from distill.teachers.tokenizers import load_tokenizer
from distill.training.preflight import check_models
from distill.training.start import texts_and_groups
from tests.support.tiny_models import TEXTS, bert_tokenizer, multi_label_task, roberta_tokenizer, tiny_classifier

BODIES = ("bert", "roberta", "distilbert")
EACH_ALONE = [(text, str(row)) for row, text in enumerate(TEXTS)]
IDS = torch.tensor([[5, 9, 12, 30, 7], [5, 8, 7, 1, 1]])
MASK = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]])


@pytest.mark.parametrize("body", BODIES)
def test_all_layers_give_the_teachers_logits_to_the_bit(body: str) -> None:
    teacher = tiny_classifier(body)
    student = layers_student(teacher, [0, 1, 2], pooling=Pooling.MEAN, dropout=0.0).eval()
    torch.testing.assert_close(student(IDS, MASK), teacher(IDS, MASK), rtol=0, atol=1e-6)


@pytest.mark.parametrize("body", BODIES)
def test_layers_are_copies_and_the_teacher_stays_untouched(body: str) -> None:
    teacher = tiny_classifier(body)
    before = {name: tensor.clone() for name, tensor in teacher.state_dict().items()}
    student = layers_student(teacher, [0, 2], pooling=Pooling.MEAN, dropout=0.0)
    student(IDS, MASK).sum().backward()
    with torch.no_grad():
        for parameter in student.parameters():
            parameter.add_(1.0)
    assert all(torch.equal(tensor, before[name]) for name, tensor in teacher.state_dict().items())
    assert len(before) > len(student.state_dict())


@pytest.mark.parametrize("layers", [[], [2, 1], [0, 0], [3], [-1]])
def test_impossible_layers_are_refused_with_the_bound(layers: list[int]) -> None:
    with pytest.raises(InputError, match="0 to 2"):
        layers_student(tiny_classifier(), layers, pooling=Pooling.MEAN, dropout=0.0)


def some_texts(batches: int = 4) -> list[tuple[torch.Tensor, torch.Tensor]]:
    draw = torch.Generator().manual_seed(0)
    ids = torch.randint(5, 400, (batches, 8, 12), generator=draw)
    mask = (torch.arange(12) < torch.randint(3, 13, (batches, 8, 1), generator=draw)).long()
    return list(zip(ids, mask, strict=True))


def wide_teacher(body: str) -> EncoderClassifier:
    """A tiny teacher whose hidden states differ from layer to layer, as a trained one's do."""
    teacher = tiny_classifier(body)
    with torch.no_grad():
        for layer in layers_of(teacher.encoder):
            for parameter in layer.parameters():
                if parameter.ndim == 2:
                    parameter.mul_(8)
    return teacher


def share_explained(student: EncoderClassifier, teacher: EncoderClassifier) -> float:
    """1 - squared error over variance of the student's logits as a guess at the teacher's, centred by label."""
    with torch.no_grad():
        ours, theirs = (torch.cat([model(*texts) for texts in some_texts(9)[4:]]) for model in (student, teacher))
    ours, theirs = ours - ours.mean(dim=0), theirs - theirs.mean(dim=0)
    return float(1 - (ours - theirs).square().sum() / theirs.square().sum())


@pytest.mark.parametrize("body", BODIES)
def test_a_projected_student_starts_near_its_teacher(body: str) -> None:
    teacher = wide_teacher(body)
    settings = {"pooling": Pooling.MEAN, "dropout": 0.0, "seed": 3}
    full = compact_student(teacher, Shape(3, 32, 4), texts=some_texts(), **settings).eval()
    assert share_explained(full, teacher) > 0.7, "nothing but one of 32 directions in each norm was lost"
    half = compact_student(teacher, Shape(3, 16, 4), texts=some_texts(), **settings).eval()
    tables = compact_student(teacher, Shape(3, 16, 4), texts=None, **settings).eval()
    assert share_explained(half, teacher) > max(share_explained(tables, teacher), 0.1)


def test_more_heads_and_neurons_than_the_teachers_begin_silent() -> None:
    teacher = wide_teacher("bert")
    student = compact_student(
        teacher, Shape(1, 32, 8), texts=some_texts(), pooling=Pooling.MEAN, dropout=0.0, seed=1
    )
    parts = parts_of(student.encoder, layers_of(student.encoder)[0])
    assert not parts.ffn_output.weight[:, 64:].any()
    assert not parts.attention_output.weight[:, 16:].any()
    assert parts.attention_output.weight[:, :16].any()


def test_low_rank_is_the_closest_product_of_that_rank() -> None:
    draw = torch.Generator().manual_seed(0)
    first, second = (torch.randn(*shape, generator=draw, dtype=torch.float64) for shape in ((9, 5), (5, 7)))
    product = first @ second
    for rank in (1, 3, 5):
        left, right = low_rank(first, second, rank)
        assert (left.shape, right.shape) == ((9, rank), (rank, 7))
        lost = torch.linalg.svdvals(product)[rank:].square().sum()
        assert torch.allclose((product - left @ right).square().sum(), lost, atol=1e-10)


def test_a_start_reads_the_teacher_once_and_says_how_far_it_is() -> None:
    teacher, read, done, texts = tiny_classifier(), [], [], some_texts(3)
    teacher.encoder.register_forward_pre_hook(lambda *_: read.append(1))

    @contextmanager
    def bar(title: str, total: int) -> Iterator[Callable[[int], None]]:
        yield done.append
        assert (title, sum(done)) == ("project the teacher", total)

    settings = {"pooling": Pooling.MEAN, "dropout": 0.0, "seed": 5}
    compact_student(teacher, Shape(2, 16, 2), texts=texts, bar=bar, **settings)
    assert len(read) == len(texts)
    assert len(done) == len(texts) + 2


def test_the_residual_basis_keeps_the_strongest_directions_and_shares_them_out() -> None:
    draw = torch.Generator().manual_seed(0)
    states = torch.randn(5000, 12, generator=draw, dtype=torch.float64) * torch.arange(12, 0, -1)
    basis = residual_basis([states, states], 4, seed=1)
    assert torch.allclose(basis.T @ basis, torch.eye(4, dtype=torch.float64), atol=1e-10)
    assert basis[4:].abs().max() < 0.1
    spread = (states @ basis).std(dim=0)
    assert spread.max() / spread.min() < 1.6, "before the turn they differ by 12 to 9"


@pytest.mark.parametrize(("available", "wanted", "expected"), [(6, 2, [2, 5]), (6, 3, [1, 3, 5]), (12, 1, [11])])
def test_layers_to_start_from_are_evenly_spaced(available: int, wanted: int, expected: list[int]) -> None:
    assert evenly_spaced(available, wanted) == expected
    assert evenly_spaced(available, available) == list(range(available))
    with pytest.raises(InputError, match="only"):
        evenly_spaced(available, available + 1)


@pytest.mark.parametrize("texts", [None, some_texts(2)], ids=["embeddings", "matrices"])
@pytest.mark.parametrize("body", BODIES)
def test_compact_has_its_own_shape_and_the_same_bytes_every_time(body: str, texts: Any) -> None:
    teacher = tiny_classifier(body)
    made = [
        compact_student(teacher, Shape(2, 16, 2), texts=texts, pooling=Pooling.MEAN, dropout=0.0, seed=5).eval()
        for _ in range(2)
    ]
    assert made[0](IDS, MASK).shape == (2, 3)
    assert made[0].config.hidden_size == 16
    for name, tensor in made[0].state_dict().items():
        assert torch.equal(tensor, made[1].state_dict()[name]), name


def test_principal_basis_is_the_svds() -> None:
    table = torch.randn(200, 12, generator=torch.Generator().manual_seed(0)) * torch.arange(1, 13)
    basis = principal_basis(table, 4).numpy()
    centred = table.numpy() - table.numpy().mean(axis=0)
    _, _, directions = np.linalg.svd(centred, full_matrices=False)
    np.testing.assert_allclose(np.abs((directions[:4] * basis.T).sum(axis=1)), 1.0, atol=1e-4)
    np.testing.assert_allclose(basis.T @ basis, np.eye(4), atol=1e-5)


def test_compact_starts_its_words_from_the_teachers_principal_components() -> None:
    teacher = tiny_classifier()
    student = compact_student(teacher, Shape(1, 8, 2), texts=None, pooling=Pooling.MEAN, dropout=0.0, seed=1)
    words = embeddings_of(teacher.encoder).word_embeddings.weight.detach()
    expected = words @ principal_basis(words, 8)
    assert torch.allclose(embeddings_of(student.encoder).word_embeddings.weight, expected)


@pytest.mark.parametrize(("width", "heads", "message"), [(10, 4, "multiple"), (64, 4, "at most")])
def test_impossible_shapes_are_refused(width: int, heads: int, message: str) -> None:
    with pytest.raises(InputError, match=message):
        compact_student(
            tiny_classifier(), Shape(1, width, heads), texts=None, pooling=Pooling.MEAN, dropout=0.0, seed=1
        )


def test_other_bodies_are_refused_by_name() -> None:
    class Config:
        model_type = "electra"

    with pytest.raises(InputError, match=r"electra body.* bert, roberta or distilbert"):
        require_supported(Config())


@pytest.mark.parametrize("make", [bert_tokenizer, roberta_tokenizer])
def test_trimming_keeps_no_piece_that_too_few_groups_contain(make) -> None:  # type: ignore[no-untyped-def]
    tokenizer = make()
    groups = [str(row % 6) for row in range(len(TEXTS))]
    trimmed = trim(tokenizer, zip(TEXTS, groups, strict=True), min_groups=2)
    counts = count_pieces(tokenizer, zip(TEXTS, groups, strict=True), up_to=2).groups
    names = {index: piece for piece, index in tokenizer.get_vocab().items()}
    for piece, index in trimmed.tokenizer.get_vocab().items():
        single = len(piece.removeprefix("##")) == 1
        if single or piece in tokenizer.all_special_tokens:
            continue
        (old,) = trimmed.sources[index]
        assert names[old] == piece
        if make is bert_tokenizer:
            assert counts.get(old, 0) >= 2, piece
        else:  # a BPE part is kept for what is made from it too, so it must stand in the texts of two groups
            written = piece.replace("\u0120", " ")
            assert len({group for group, text in zip(groups, TEXTS, strict=True) if written in text}) >= 2, piece
    assert len(trimmed.sources) < len(tokenizer)


def test_a_rare_name_is_gone_but_can_still_be_read() -> None:
    tokenizer = bert_tokenizer()
    assert "zanzibar" in tokenizer.get_vocab()
    trimmed = trim(tokenizer, EACH_ALONE, min_groups=2)
    assert "zanzibar" not in trimmed.tokenizer.get_vocab()
    assert trimmed.tokenizer.unk_token_id not in trimmed.tokenizer("zanzibar").input_ids


@settings(max_examples=60, deadline=None)
@given(st.text(alphabet="abcdefghiklmnoprstuvwyz .,!é日", max_size=30))
def test_no_text_becomes_unknown_that_the_full_tokenizer_could_read(text: str) -> None:
    for make in (bert_tokenizer, roberta_tokenizer):
        full = make()
        small = trim(full, EACH_ALONE, min_groups=3).tokenizer
        readable = full(text).input_ids.count(full.unk_token_id)
        assert small(text).input_ids.count(small.unk_token_id) <= readable


@pytest.mark.parametrize(("body", "make"), [("bert", bert_tokenizer), ("roberta", roberta_tokenizer)])
def test_a_trimmed_model_reads_kept_pieces_as_before(body, make, tmp_path) -> None:  # type: ignore[no-untyped-def]
    tokenizer = make()
    model = tiny_classifier(body, vocabulary=len(tokenizer))
    full = tokenizer(TEXTS[:6], padding=True, return_tensors="pt")
    before = model(full.input_ids, full.attention_mask)
    trimmed = trim(tokenizer, EACH_ALONE, min_groups=1)
    model = apply_trim(model, trimmed)
    small = trimmed.tokenizer(TEXTS[:6], padding=True, return_tensors="pt")
    assert torch.allclose(model(small.input_ids, small.attention_mask), before, atol=1e-6)
    save_classifier(model, trimmed.tokenizer, tmp_path)
    again = load_classifier(tmp_path, multi_label_task()).eval()
    ids = load_tokenizer(tmp_path)(TEXTS[:6], padding=True, return_tensors="pt")
    torch.testing.assert_close(
        again(ids.input_ids, ids.attention_mask), model(small.input_ids, small.attention_mask), rtol=0, atol=1e-6
    )


def test_a_token_that_was_added_beside_the_vocabulary_stays_itself() -> None:
    tokenizer = bert_tokenizer()
    tokenizer.add_tokens(["[THERAPIST]"])
    trimmed = trim(tokenizer, EACH_ALONE, min_groups=3)
    marked = trimmed.tokenizer("[THERAPIST] i feel sad", add_special_tokens=False)["input_ids"]
    old = tokenizer("[THERAPIST] i feel sad", add_special_tokens=False)["input_ids"]
    assert trimmed.tokenizer.convert_ids_to_tokens(marked)[0] == "[THERAPIST]"
    assert trimmed.sources[marked[0]] == (old[0],)
    assert len(trimmed.sources) == len(trimmed.tokenizer)


@pytest.mark.parametrize("with_transfer", [False, True])
def test_one_persons_word_is_not_kept_however_often_it_is_said(with_transfer: bool) -> None:
    """A transfer set without groups must not make a client's turns count one by one."""
    task = multi_label_task()
    turns = [f"zanzibar was mine {turn}" for turn in range(6)]
    groups = np.zeros(6, dtype=np.int64)
    train = Split(turns, np.zeros((6, 3), dtype=np.uint8), groups)
    other = Split(["so happy"], np.zeros((1, 3), dtype=np.uint8), np.array([1]))
    transfer = Split(["the form asks for my address"] * 6, None) if with_transfer else None
    rows = texts_and_groups(Corpus(task, train, other, other, transfer))
    trimmed = trim(bert_tokenizer(), rows, min_groups=2)
    assert "zanzibar" in bert_tokenizer().get_vocab()
    assert "zanzibar" not in trimmed.tokenizer.get_vocab()
    assert "address" not in trimmed.tokenizer.get_vocab()  # one text, six times


def test_a_student_that_cannot_be_is_refused_before_anything_is_trained() -> None:
    config = tiny_classifier().config
    for override, said in (
        ("student.layers=[0,9]", "layers 0 to 2"),
        ("corpus.max_tokens=65", "at most 64"),
    ):
        with pytest.raises(InputError, match=said):
            recipe = load_recipe("quickstart", ["student.kind=layers", "student.layers=[0]", override])
            check_models(recipe, config)
    with pytest.raises(InputError, match="at most the teacher's, 32"):
        check_models(load_recipe("smoke"), config)
