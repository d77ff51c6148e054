"""Starting a narrow body from a wide one: every matrix projected, every head and feed-forward block shortened.

The residual stream is projected onto the directions in which the teacher's hidden states vary most (their second
moment, over some texts), turned at random inside that space so that all coordinates carry alike: a norm over them
then scales as the wide one does. Each attention head keeps the best low-rank form of its two products (query times
key, value times output; singular value decomposition), each feed-forward block its most active neurons, whose
outputs are fitted anew by least squares. Norms are fitted coordinate by coordinate. Block by block, on the narrow
body's own states, so that a later block makes good for what an earlier one lost.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from distill.teachers.bodies import LayerParts, embeddings_of, layers_of, parts_of, shape_keys


def principal_basis(table: Tensor, width: int) -> Tensor:
    """The `width` directions in which a table varies most: ``(V, H) -> (H, W)``, orthonormal columns.

    Computed in float64 from the covariance; each column's sign is fixed by its largest entry, so that the same
    table gives the same basis whatever the solver prefers.
    """
    centred = table.double() - table.double().mean(dim=0)
    _, vectors = torch.linalg.eigh(centred.T @ centred)  # ascending
    basis = vectors.flip(1)[:, :width]
    largest = basis.abs().argmax(dim=0)
    signs = basis[largest, torch.arange(width)].sign()
    signed: Tensor = basis * signs
    return signed.to(table.dtype)


Batches = Sequence[tuple[Tensor, Tensor]]  # ids and mask, each (B, T)

# pulls the refitted feed-forward outputs towards the projected ones, as a share of the mean square activation
RIDGE = 1e-2

SMALLEST_VARIANCE = 1e-8


@torch.no_grad()
def project(teacher: Any, student: Any, layers: Sequence[int], batches: Batches, seed: int) -> Tensor:
    """Start the narrow body `student` from the wide one; gives the projection ``(H, W)``, float64, orthonormal.

    Args:
        teacher: a supported body of width H.
        student: one of the same architecture and width W, at most H, with one layer for each of `layers`.
        layers: of the teacher, 0-based, ascending.
        batches: some texts as the teacher's ids and masks.
        seed: of the random turn.
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
    for own, chosen in zip(layers_of(student), layers, strict=True):
        ours, theirs = parts_of(student, own), parts_of(teacher, layers_of(teacher)[chosen])
        _project_attention(theirs, ours, basis, heads)
        targets = _outputs(teacher, (theirs.attention_norm, theirs.ffn_output, theirs.ffn_norm), batches)
        _fit_norm(student, ours.attention_norm, targets[0] @ basis, batches)
        _project_ffn((teacher, student), (theirs, ours), targets[1] @ basis, basis, batches)
        _fit_norm(student, ours.ffn_norm, targets[2] @ basis, batches)
    return basis


def residual_basis(states: Sequence[Tensor], width: int, seed: int) -> Tensor:
    """The `width` strongest directions of hidden states ``(N, H)``, randomly turned: ``(H, W)``, orthonormal."""
    moment = sum(((state.T @ state) / len(state) for state in states), torch.zeros(()).double())
    _, vectors = torch.linalg.eigh(moment)  # ascending
    strongest = vectors.flip(1)[:, :width]
    draw = torch.Generator().manual_seed(seed)
    turn, _ = torch.linalg.qr(torch.randn(width, width, generator=draw, dtype=torch.float64))
    turned: Tensor = strongest @ turn
    return turned


def low_rank(product: Tensor, rank: int) -> tuple[Tensor, Tensor]:
    """``(A, B)``, ``(N, R)`` and ``(R, M)``, whose product is the closest of that rank to ``(N, M)``."""
    left, values, right = torch.linalg.svd(product, full_matrices=False)
    root = values[:rank].sqrt()
    return left[:, :rank] * root, root[:, None] * right[:rank]


def _project_attention(theirs: LayerParts, ours: LayerParts, basis: Tensor, heads: tuple[int, int]) -> None:
    """Each of our heads from one of theirs, the ones that write most."""
    query, key, value = (_with_bias(linear, basis) for linear in (theirs.query, theirs.key, theirs.value))
    output = theirs.attention_output.weight.double().T @ basis  # (H, W)
    size, own_size = (part.query.out_features // count for part, count in zip((theirs, ours), heads, strict=True))
    # what has no counterpart in the teacher writes nothing until it has learnt something
    ours.attention_output.weight.zero_()
    blocks = [slice(head * size, (head + 1) * size) for head in range(heads[0])]
    writes = torch.stack([(value[:, block] @ output[block]).norm() for block in blocks])
    chosen = sorted(writes.argsort(descending=True, stable=True)[: heads[1]].tolist())
    for head, source in enumerate(blocks[index] for index in chosen):
        place = slice(head * own_size, (head + 1) * own_size)
        # attention divides by the root of the head's size, which is another now
        scores = query[:, source] @ key[:, source].T * (own_size / size) ** 0.5
        left, right = low_rank(scores, min(own_size, size))
        _put(ours.query, place, left)
        _put(ours.key, place, right.T)
        left, right = low_rank(value[:, source] @ output[source], min(own_size, size))
        _put(ours.value, place, left)
        ours.attention_output.weight[:, place.start : place.start + len(right)] = right.T.float()
    ours.attention_output.bias.copy_(theirs.attention_output.bias.double() @ basis)


def _project_ffn(
    bodies: tuple[Any, Any], parts: tuple[LayerParts, LayerParts], target: Tensor, basis: Tensor, batches: Batches
) -> None:
    """The neurons that write most, and outputs that give ``target`` (N, W) as closely as they can."""
    (teacher, student), (theirs, ours) = bodies, parts
    (active,) = _inputs(teacher, (theirs.ffn_output,), batches)  # (N, I)
    down = theirs.ffn_output.weight.double().T @ basis  # (I, W)
    strength = active.square().mean(dim=0).sqrt() * down.norm(dim=1)
    kept = strength.argsort(descending=True, stable=True)[: ours.ffn_up.out_features].sort().values
    _put(ours.ffn_up, slice(0, len(kept)), _with_bias(theirs.ffn_up, basis)[:, kept])
    (own,) = _inputs(student, (ours.ffn_output,), batches)
    design = torch.cat([own[:, : len(kept)], torch.ones(len(own), 1).double()], dim=1)  # (N, I' + 1)
    prior = torch.cat([down[kept], (theirs.ffn_output.bias.double() @ basis)[None]])  # (I' + 1, W)
    gram = design.T @ design
    penalty = RIDGE * gram.diagonal().mean() * torch.eye(len(gram), dtype=torch.float64)
    solved = prior + torch.linalg.solve(gram + penalty, design.T @ (target - design @ prior))
    ours.ffn_output.weight.zero_()
    ours.ffn_output.weight[:, : len(kept)] = solved[:-1].T.float()
    ours.ffn_output.bias.copy_(solved[-1])


def _fit_norm(student: Any, norm: nn.LayerNorm, target: Tensor, batches: Batches) -> None:
    """Scale and shift of each coordinate that bring the norm's output closest to ``target`` (N, W)."""
    norm.weight.fill_(1.0)
    norm.bias.zero_()
    (plain,) = _outputs(student, (norm,), batches)
    centred, aim = plain - plain.mean(dim=0), target - target.mean(dim=0)
    scale = (centred * aim).mean(dim=0) / centred.square().mean(dim=0).clamp(min=SMALLEST_VARIANCE)
    norm.weight.copy_(scale)
    norm.bias.copy_(target.mean(dim=0) - scale * plain.mean(dim=0))


def _with_bias(linear: nn.Linear, basis: Tensor) -> Tensor:
    """A layer's weight for projected inputs with its bias as the last row: ``(W + 1, out)``."""
    return torch.cat([basis.T @ linear.weight.double().T, linear.bias.double()[None]])


def _put(linear: nn.Linear, place: slice, values: Tensor) -> None:
    """Weight and bias ``(in + 1, n)`` as the outputs from `place` on."""
    end = place.start + values.shape[1]
    linear.weight[place.start : end] = values[:-1].T.float()
    linear.bias[place.start : end] = values[-1].float()


def _hidden_states(body: Any, batches: Batches) -> list[Tensor]:
    """Embeddings and every layer's output of all real tokens, each ``(N, H)``, float64."""
    found: list[list[Tensor]] = []
    for ids, mask in batches:
        states = body(input_ids=ids, attention_mask=mask, output_hidden_states=True).hidden_states
        found.append([state[mask.bool()].double() for state in states])
    return [torch.cat(parts) for parts in zip(*found, strict=True)]


def _outputs(body: Any, modules: Sequence[nn.Module], batches: Batches) -> list[Tensor]:
    """What some modules give for all real tokens, each ``(N, .)``, float64."""
    return _watch(body, modules, batches, lambda _inputs, output: output)


def _inputs(body: Any, modules: Sequence[nn.Module], batches: Batches) -> list[Tensor]:
    """What some modules get for all real tokens, each ``(N, .)``, float64."""
    return _watch(body, modules, batches, lambda inputs, _output: inputs[0])


def _watch(body: Any, modules: Sequence[nn.Module], batches: Batches, choose: Any) -> list[Tensor]:
    seen: list[list[Tensor]] = [[] for _ in modules]
    real = torch.empty(0)

    def hook(place: int) -> Any:
        return lambda _module, inputs, output: seen[place].append(choose(inputs, output)[real].double())

    handles = [module.register_forward_hook(hook(place)) for place, module in enumerate(modules)]
    for ids, mask in batches:
        real = mask.bool()
        body(input_ids=ids, attention_mask=mask)
    for handle in handles:
        handle.remove()
    return [torch.cat(parts) for parts in seen]
