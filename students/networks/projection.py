"""Start a narrow body from a wide one: project every matrix, shorten every head and feed-forward block.

The residual stream is projected onto the directions in which the teacher's hidden states vary most (their second
moment, over some texts), rotated at random inside that space so that all coordinates have a similar variance: a
norm over them then scales as the wide one does. Each attention head keeps the best low-rank form of its two
products (query times key, value times output; singular value decomposition), each feed-forward block its most
active neurons, whose outputs are fitted again by least squares. Norms are fitted coordinate by coordinate. All of
it is done block by block on the narrow body's own states, so that a later block compensates for the losses of an
earlier one.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from distill.teachers.bodies import LayerParts, embeddings_of, inputs_for, layers_of, parts_of, shape_keys
from distill.teachers.encoding import Batch


def principal_basis(table: Tensor, width: int) -> Tensor:
    """Return the `width` directions in which a table varies most: ``(V, H) -> (H, W)``, orthonormal columns.

    They are computed in float64 from the covariance; each column's sign is fixed by its largest entry, so that
    the same table has the same basis whatever sign the solver prefers.
    """
    centred = table.double() - table.double().mean(dim=0)
    _, vectors = torch.linalg.eigh(centred.T @ centred)  # ascending
    basis = vectors.flip(1)[:, :width]
    largest = basis.abs().argmax(dim=0)
    signs = basis[largest, torch.arange(width)].sign()
    signed: Tensor = basis * signs
    return signed.to(table.dtype)


Batches = Sequence[Batch]

# a module of a body, and what is kept of its inputs and outputs for the real tokens of a batch
Wanted = tuple[nn.Module, Callable[[Any, Any, Tensor], Tensor]]

# pulls the refitted feed-forward outputs towards the projected ones, as a share of the mean square activation
RIDGE = 1e-2

SMALLEST_VARIANCE = 1e-8


@dataclass(frozen=True)
class _LayerStates:
    """States of one layer for all real tokens: after each norm and before the second, float32 ``(N, H)`` each.

    `strength` is the root mean square of each neuron of the feed-forward block, float64 ``(I,)``.
    """

    attention: Tensor
    ffn: Tensor
    output: Tensor
    strength: Tensor


@torch.no_grad()
def project(
    teacher: Any,
    student: Any,
    layers: Sequence[int],
    batches: Batches,
    seed: int,
    advance: Callable[[int], None] = lambda _: None,
) -> Tensor:
    """Start the narrow body `student` from the wide one; return the projection ``(H, W)``, float64, orthonormal.

    Args:
        teacher: a supported body of width H.
        student: one of the same architecture and width W, at most H, with one layer for each of `layers`.
        layers: layers of the teacher, 0-based, ascending.
        batches: some texts as the teacher's batches.
        seed: seed of the random rotation.
        advance: is called with 1 after each batch of the teacher's and each layer of the student's.
    """
    keys = shape_keys(teacher.config)
    heads = int(getattr(teacher.config, keys["heads"])), int(getattr(student.config, keys["heads"]))
    embedded, states = _read_teacher(teacher, layers, batches, advance)
    width = int(getattr(student.config, keys["width"]))
    basis = residual_basis([embedded, *(state.output for state in states)], width, seed)  # (H, W)
    wide = dict(embeddings_of(teacher).named_parameters())
    for name, table in embeddings_of(student).named_parameters():
        if name.endswith("embeddings.weight"):
            table.copy_(wide[name].double() @ basis)
    _fit_norm(student, embeddings_of(student).LayerNorm, embedded.double() @ basis, batches)
    for layer, chosen, state in zip(layers_of(student), layers, states, strict=True):
        student_parts, teacher_parts = parts_of(student, layer), parts_of(teacher, layers_of(teacher)[chosen])
        _project_attention(teacher_parts, student_parts, basis, heads)
        _fit_norm(student, student_parts.attention_norm, state.attention.double() @ basis, batches)
        _project_ffn(student, (teacher_parts, student_parts), state, basis, batches)
        _fit_norm(student, student_parts.ffn_norm, state.output.double() @ basis, batches)
        advance(1)
    return basis


@torch.no_grad()
def shorten_feed_forward(
    wide: Any, narrow: Any, batches: Batches, advance: Callable[[int], None] = lambda _: None
) -> None:
    """Start feed-forward blocks from the neurons of a wider body's that write most, and fit what they write.

    Args:
        wide: a supported body.
        narrow: the same with fewer neurons in each block, whose other weights are the wide one's already.
        batches: some texts as batches.
        advance: is called with 1 after each batch and each layer.
    """
    layers = range(len(layers_of(wide)))
    _, states = _read_teacher(wide, layers, batches, advance)
    same = torch.eye(int(getattr(wide.config, shape_keys(wide.config)["width"])), dtype=torch.float64)
    for source, target, state in zip(layers_of(wide), layers_of(narrow), states, strict=True):
        _project_ffn(narrow, (parts_of(wide, source), parts_of(narrow, target)), state, same, batches)
        advance(1)


def residual_basis(states: Sequence[Tensor], width: int, seed: int) -> Tensor:
    """Return the `width` strongest directions of states ``(N, H)``, randomly rotated: ``(H, W)``, orthonormal."""
    doubles = (state.double() for state in states)
    moment = sum(((state.T @ state) / len(state) for state in doubles), torch.zeros(()).double())
    _, vectors = torch.linalg.eigh(moment)  # ascending
    strongest = vectors.flip(1)[:, :width]
    draw = torch.Generator().manual_seed(seed)
    turn, _ = torch.linalg.qr(torch.randn(width, width, generator=draw, dtype=torch.float64))
    turned: Tensor = strongest @ turn
    return turned


def low_rank(first: Tensor, second: Tensor, rank: int) -> tuple[Tensor, Tensor]:
    """Return ``(A, B)``, ``(N, R)`` and ``(R, M)``, with the product of that rank that is closest to two factors'.

    Args:
        first: ``(N, S)``; S is small, so that what is decomposed has only S rows and columns.
        second: ``(S, M)``.
        rank: R.
    """
    outer, inner = torch.linalg.qr(first)
    outer_second, inner_second = torch.linalg.qr(second.T)
    left, values, right = torch.linalg.svd(inner @ inner_second.T, full_matrices=False)
    root = values[:rank].sqrt()
    return outer @ left[:, :rank] * root, root[:, None] * right[:rank] @ outer_second.T


def _project_attention(
    teacher_parts: LayerParts, student_parts: LayerParts, basis: Tensor, heads: tuple[int, int]
) -> None:
    """Start each of the student's heads from one of the teacher's, taking those with the largest outputs."""
    query, key, value = (
        _with_bias(linear, basis) for linear in (teacher_parts.query, teacher_parts.key, teacher_parts.value)
    )
    output = teacher_parts.attention_output.weight.double().T @ basis  # (H, W)
    size, own_size = (
        part.query.out_features // count for part, count in zip((teacher_parts, student_parts), heads, strict=True)
    )
    # A part without a counterpart in the teacher outputs zero until it is trained.
    student_parts.attention_output.weight.zero_()
    blocks = [slice(head * size, (head + 1) * size) for head in range(heads[0])]
    writes = torch.stack([(value[:, block] @ output[block]).norm() for block in blocks])
    chosen = sorted(writes.argsort(descending=True, stable=True)[: heads[1]].tolist())
    for head, source in enumerate(blocks[index] for index in chosen):
        place = slice(head * own_size, (head + 1) * own_size)
        # attention divides by the root of the head's size, which differs here
        scale = (own_size / size) ** 0.5
        left, right = low_rank(query[:, source] * scale, key[:, source].T, min(own_size, size))
        _put(student_parts.query, place, left)
        _put(student_parts.key, place, right.T)
        left, right = low_rank(value[:, source], output[source], min(own_size, size))
        _put(student_parts.value, place, left)
        student_parts.attention_output.weight[:, place.start : place.start + len(right)] = right.T.float()
    student_parts.attention_output.bias.copy_(teacher_parts.attention_output.bias.double() @ basis)


def _project_ffn(
    student: Any, parts: tuple[LayerParts, LayerParts], state: _LayerStates, basis: Tensor, batches: Batches
) -> None:
    """Keep the neurons with the largest outputs, and fit the output matrix to the teacher's."""
    teacher_parts, student_parts = parts
    target = state.ffn.double() @ basis  # (N, W)
    down = teacher_parts.ffn_output.weight.double().T @ basis  # (I, W)
    strength = state.strength * down.norm(dim=1)
    kept = strength.argsort(descending=True, stable=True)[: student_parts.ffn_up.out_features].sort().values
    _put(student_parts.ffn_up, slice(0, len(kept)), _with_bias(teacher_parts.ffn_up, basis)[:, kept])
    (read,) = _record(student, [(student_parts.ffn_output, _given)], batches)
    activations = read.double()
    ones = torch.ones(len(activations), 1).double()
    design = torch.cat([activations[:, : len(kept)], ones], dim=1)  # (N, I' + 1)
    prior = torch.cat([down[kept], (teacher_parts.ffn_output.bias.double() @ basis)[None]])  # (I' + 1, W)
    gram = design.T @ design
    penalty = RIDGE * gram.diagonal().mean() * torch.eye(len(gram), dtype=torch.float64)
    solved = prior + torch.linalg.solve(gram + penalty, design.T @ (target - design @ prior))
    student_parts.ffn_output.weight.zero_()
    student_parts.ffn_output.weight[:, : len(kept)] = solved[:-1].T.float()
    student_parts.ffn_output.bias.copy_(solved[-1])


def _fit_norm(student: Any, norm: nn.LayerNorm, target: Tensor, batches: Batches) -> None:
    """Set the norm's scale and shift per coordinate to bring its output closest to ``target`` (N, W)."""
    norm.weight.fill_(1.0)
    norm.bias.zero_()
    (recorded,) = _record(student, [(norm, _returned)], batches)
    plain = recorded.double()
    centred, aim = plain - plain.mean(dim=0), target - target.mean(dim=0)
    scale = (centred * aim).mean(dim=0) / centred.square().mean(dim=0).clamp(min=SMALLEST_VARIANCE)
    norm.weight.copy_(scale)
    norm.bias.copy_(target.mean(dim=0) - scale * plain.mean(dim=0))


def _with_bias(linear: nn.Linear, basis: Tensor) -> Tensor:
    """Return a layer's weight for projected inputs with its bias as the last row: ``(W + 1, out)``."""
    return torch.cat([basis.T @ linear.weight.double().T, linear.bias.double()[None]])


def _put(linear: nn.Linear, place: slice, values: Tensor) -> None:
    """Write weight and bias ``(in + 1, n)`` to the layer's outputs that begin at `place`."""
    end = place.start + values.shape[1]
    linear.weight[place.start : end] = values[:-1].T.float()
    linear.bias[place.start : end] = values[-1].float()


def _read_teacher(
    teacher: Any, layers: Sequence[int], batches: Batches, advance: Callable[[int], None]
) -> tuple[Tensor, list[_LayerStates]]:
    """Return the embeddings ``(N, H)`` and the states of some layers for all real tokens, in one pass."""
    parts = [parts_of(teacher, layers_of(teacher)[layer]) for layer in layers]
    wanted: list[Wanted] = [(embeddings_of(teacher).LayerNorm, _returned)]
    for part in parts:
        wanted += [(part.attention_norm, _returned), (part.ffn_output, _returned), (part.ffn_norm, _returned)]
        wanted.append((part.ffn_output, _squares_given))
    embedded, *found = _record(teacher, wanted, batches, advance)
    states = [
        _LayerStates(attention, ffn, output, (squares.sum(dim=0) / len(embedded)).sqrt())
        for attention, ffn, output, squares in zip(*(found[place::4] for place in range(4)), strict=True)
    ]
    return embedded, states


def _returned(_inputs: Any, output: Any, real: Tensor) -> Tensor:
    kept: Tensor = output[real]
    return kept


def _given(inputs: Any, _output: Any, real: Tensor) -> Tensor:
    kept: Tensor = inputs[0][real]
    return kept


def _squares_given(inputs: Any, _output: Any, real: Tensor) -> Tensor:
    """Return the sums of the squares of a module's inputs, float64 ``(1, I)``."""
    kept: Tensor = inputs[0][real].double().square().sum(dim=0, keepdim=True)
    return kept


class _SeenAllError(Exception):
    """Everything that is wanted of a batch has been seen, and the rest of the body need not be computed."""


def _record(
    body: Any, wanted: Sequence[Wanted], batches: Batches, advance: Callable[[int], None] = lambda _: None
) -> list[Tensor]:
    """Return what is kept of each wanted module over all batches."""
    kept: list[list[Tensor]] = [[] for _ in wanted]
    real, seen = torch.empty(0), 0

    def hook(place: int, keep: Callable[[Any, Any, Tensor], Tensor]) -> Any:
        def see(_module: Any, inputs: Any, output: Any) -> None:
            nonlocal seen
            kept[place].append(keep(inputs, output, real))
            seen += 1
            if seen == len(wanted):
                raise _SeenAllError

        return see

    handles = [module.register_forward_hook(hook(place, keep)) for place, (module, keep) in enumerate(wanted)]
    try:
        for batch in batches:
            real, seen = batch[1].bool(), 0
            with suppress(_SeenAllError):
                body(**inputs_for(body, *batch))
            advance(1)
    finally:
        for handle in handles:
            handle.remove()
    return [torch.cat(parts) for parts in kept]
