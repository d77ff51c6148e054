"""Start a narrow body from a wide one: project every matrix, shorten every head and feed-forward block.

The residual stream is projected onto the directions in which the teacher's hidden states vary most (their second
moment, over some texts), rotated at random inside that space so that all coordinates have a similar variance: a
norm over them then scales as the wide one does. Each attention head keeps the best low-rank form of its two
products (query times key, value times output; singular value decomposition), each feed-forward block its most
active neurons, whose outputs are fitted again by least squares. Norms are fitted coordinate by coordinate. All of
it is done block by block on the narrow body's own states, so that a later block compensates for the losses of an
earlier one.
"""

from collections.abc import Sequence
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

# pulls the refitted feed-forward outputs towards the projected ones, as a share of the mean square activation
RIDGE = 1e-2

SMALLEST_VARIANCE = 1e-8


@torch.no_grad()
def project(teacher: Any, student: Any, layers: Sequence[int], batches: Batches, seed: int) -> Tensor:
    """Start the narrow body `student` from the wide one; return the projection ``(H, W)``, float64, orthonormal.

    Args:
        teacher: a supported body of width H.
        student: one of the same architecture and width W, at most H, with one layer for each of `layers`.
        layers: layers of the teacher, 0-based, ascending.
        batches: some texts as the teacher's batches.
        seed: seed of the random rotation.
    """
    keys = shape_keys(teacher.config)
    heads = int(getattr(teacher.config, keys["heads"])), int(getattr(student.config, keys["heads"]))
    states = _hidden_states(teacher, batches)
    used = [states[0], *(states[layer + 1] for layer in layers)]
    width = int(getattr(student.config, keys["width"]))
    basis = residual_basis(used, width, seed)  # (H, W)
    wide = dict(embeddings_of(teacher).named_parameters())
    for name, table in embeddings_of(student).named_parameters():
        if name.endswith("embeddings.weight"):
            table.copy_(wide[name].double() @ basis)
    _fit_norm(student, embeddings_of(student).LayerNorm, states[0] @ basis, batches)
    for layer, chosen in zip(layers_of(student), layers, strict=True):
        student_parts, teacher_parts = parts_of(student, layer), parts_of(teacher, layers_of(teacher)[chosen])
        _project_attention(teacher_parts, student_parts, basis, heads)
        targets = _outputs(
            teacher, (teacher_parts.attention_norm, teacher_parts.ffn_output, teacher_parts.ffn_norm), batches
        )
        _fit_norm(student, student_parts.attention_norm, targets[0] @ basis, batches)
        _project_ffn((teacher, student), (teacher_parts, student_parts), targets[1] @ basis, basis, batches)
        _fit_norm(student, student_parts.ffn_norm, targets[2] @ basis, batches)
    return basis


def residual_basis(states: Sequence[Tensor], width: int, seed: int) -> Tensor:
    """Return the `width` strongest directions of states ``(N, H)``, randomly rotated: ``(H, W)``, orthonormal."""
    moment = sum(((state.T @ state) / len(state) for state in states), torch.zeros(()).double())
    _, vectors = torch.linalg.eigh(moment)  # ascending
    strongest = vectors.flip(1)[:, :width]
    draw = torch.Generator().manual_seed(seed)
    turn, _ = torch.linalg.qr(torch.randn(width, width, generator=draw, dtype=torch.float64))
    turned: Tensor = strongest @ turn
    return turned


def low_rank(product: Tensor, rank: int) -> tuple[Tensor, Tensor]:
    """Return ``(A, B)``, ``(N, R)`` and ``(R, M)``, whose product is the closest of that rank to ``(N, M)``."""
    left, values, right = torch.linalg.svd(product, full_matrices=False)
    root = values[:rank].sqrt()
    return left[:, :rank] * root, root[:, None] * right[:rank]


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
        scores = query[:, source] @ key[:, source].T * (own_size / size) ** 0.5
        left, right = low_rank(scores, min(own_size, size))
        _put(student_parts.query, place, left)
        _put(student_parts.key, place, right.T)
        left, right = low_rank(value[:, source] @ output[source], min(own_size, size))
        _put(student_parts.value, place, left)
        student_parts.attention_output.weight[:, place.start : place.start + len(right)] = right.T.float()
    student_parts.attention_output.bias.copy_(teacher_parts.attention_output.bias.double() @ basis)


def _project_ffn(
    bodies: tuple[Any, Any], parts: tuple[LayerParts, LayerParts], target: Tensor, basis: Tensor, batches: Batches
) -> None:
    """Keep the neurons with the largest outputs, and fit the output matrix to ``target`` (N, W)."""
    (teacher, student), (teacher_parts, student_parts) = bodies, parts
    (active,) = _inputs(teacher, (teacher_parts.ffn_output,), batches)  # (N, I)
    down = teacher_parts.ffn_output.weight.double().T @ basis  # (I, W)
    strength = active.square().mean(dim=0).sqrt() * down.norm(dim=1)
    kept = strength.argsort(descending=True, stable=True)[: student_parts.ffn_up.out_features].sort().values
    _put(student_parts.ffn_up, slice(0, len(kept)), _with_bias(teacher_parts.ffn_up, basis)[:, kept])
    (activations,) = _inputs(student, (student_parts.ffn_output,), batches)
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
    (plain,) = _outputs(student, (norm,), batches)
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


def _hidden_states(body: Any, batches: Batches) -> list[Tensor]:
    """Return the embeddings and every layer's output of all real tokens, each ``(N, H)``, float64."""
    per_batch: list[list[Tensor]] = []
    for batch in batches:
        mask = batch[1]
        states = body(**inputs_for(body, *batch), output_hidden_states=True).hidden_states
        per_batch.append([state[mask.bool()].double() for state in states])
    return [torch.cat(parts) for parts in zip(*per_batch, strict=True)]


def _outputs(body: Any, modules: Sequence[nn.Module], batches: Batches) -> list[Tensor]:
    """Return the modules' outputs for all real tokens, each ``(N, .)``, float64."""
    return _record(body, modules, batches, lambda _inputs, output: output)


def _inputs(body: Any, modules: Sequence[nn.Module], batches: Batches) -> list[Tensor]:
    """Return the modules' inputs for all real tokens, each ``(N, .)``, float64."""
    return _record(body, modules, batches, lambda inputs, _output: inputs[0])


def _record(body: Any, modules: Sequence[nn.Module], batches: Batches, choose: Any) -> list[Tensor]:
    seen: list[list[Tensor]] = [[] for _ in modules]
    real = torch.empty(0)

    def hook(place: int) -> Any:
        return lambda _module, inputs, output: seen[place].append(choose(inputs, output)[real].double())

    handles = [module.register_forward_hook(hook(place)) for place, module in enumerate(modules)]
    for batch in batches:
        real = batch[1].bool()
        body(**inputs_for(body, *batch))
    for handle in handles:
        handle.remove()
    return [torch.cat(parts) for parts in seen]
