"""The gate: checks that a variant must pass before it is bundled. It takes arrays and callables, no files.

Checks of the graph are here; those of decisions depend on the kind of task (`distill/evaluation/disagreement.py`).
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from distill.export.graph.session import types_of
from distill.export.runtime.errors import CheckFailedError

Floats = npt.NDArray[np.float32]

Ints = npt.NDArray[np.int64]

# ids, mask and, of pairs, types ``(B, T)`` to raw logits ``(B, C)``
GraphCall = Callable[..., Floats]

BATCH_SIZES = (1, 2, 7, 32)

# most rows of real text that are run again in random batches
BATCHED_ROWS = 512


@dataclass(frozen=True)
class Bounds:
    """Largest allowed differences between a variant and the PyTorch student; rates and drops in [0, 1].

    `confidence`, in [0.5, 1), is that with which validation rows must show that a rate or a drop is above its
    bound before the variant is refused.
    """

    max_label_flip_rate: float = 0.002
    max_row_flip_rate: float = 0.05
    max_macro_f1_drop: float = 0.005
    max_recall_drop: float = 0.05
    min_recall_rows: int = 50
    # logits against PyTorch's: largest difference for fp32, root mean square (quantization noise) for int8
    max_fp32_difference: float = 1e-3
    max_int8_noise: float = 0.5
    confidence: float = 0.95


@dataclass(frozen=True)
class Check:
    """One measured value with its bound, and what its rows allow.

    Attributes:
        name: of what was measured.
        value: as measured.
        bound: of the true value, from the recipe.
        allowed: the largest value that passes; above the bound by as much as chance accounts for where the value
            is a sample's. None: the bound itself.
        upper: upper confidence bound of the true value: what these rows cannot exclude.
        rows: the number of rows that it was measured on.
        reason: the measurement in words, with counts.
    """

    name: str
    value: float
    bound: float
    allowed: float | None = None
    upper: float | None = None
    rows: int | None = None
    reason: str = ""

    @property
    def passed(self) -> bool:
        """Return whether the value is allowed; NaN never is."""
        return bool(self.value <= (self.bound if self.allowed is None else self.allowed))

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON; a value that is not finite, which JSON cannot hold, becomes None."""
        value = self.value if math.isfinite(self.value) else None
        return {**asdict(self), "value": value, "passed": self.passed}


@dataclass(frozen=True)
class ShapeChecks:
    """Checks over batch sizes and lengths, and whether logits are bit-identical alone and in a batch."""

    checks: tuple[Check, ...]
    batch_invariant: bool


def check_contract(session: Any, inputs: Sequence[str], labels: int) -> None:
    """Check names, types and axes of a graph's inputs and output.

    Raises:
        CheckFailedError: one of them is not what the runtime needs.
    """
    graph_inputs = {value.name: value for value in session.get_inputs()}
    if set(graph_inputs) != set(inputs):
        raise CheckFailedError(
            f"gate: The graph's inputs are {sorted(graph_inputs)}, but must be {sorted(inputs)}."
        )
    for name, value in graph_inputs.items():
        if value.type != "tensor(int64)" or len(value.shape) != 2 or any(isinstance(d, int) for d in value.shape):
            raise CheckFailedError(
                f"gate: Input {name} must be int64 with two dynamic axes, but is {value.type} {value.shape}."
            )
    outputs = session.get_outputs()
    if [value.name for value in outputs] != ["logits"] or outputs[0].shape[-1] != labels:
        raise CheckFailedError(f"gate: The graph must have one output 'logits' with {labels} columns.")


def check_shapes(
    run: GraphCall,
    reference: GraphCall,
    stream: Ints,
    *,
    types: Ints | None = None,
    max_tokens: int,
    int8: bool,
    bounds: Bounds,
) -> ShapeChecks:
    """Compare logits over batch sizes 1, 2, 7, 32 and lengths from 1 token to the maximum.

    Args:
        run: the variant, ids, mask and token types ``(B, T)`` to raw logits ``(B, C)``.
        reference: PyTorch's model, likewise.
        stream: token ids of real text, concatenated, ``(S,)``.
        types: their types ``(S,)`` where rows are pairs or turns; those of a made row are put in order.
        max_tokens: length of the longest row.
        int8: whether to expect quantization noise and not just rounding.
        bounds: the limits.
    """
    lengths = sorted({1, 2, max_tokens // 4, max_tokens // 2, max_tokens} - {0})
    differences, varies = [], False
    for batch in BATCH_SIZES:
        places = [range(at * 5, at * 5 + lengths[at % len(lengths)]) for at in range(batch)]
        places[0] = range(lengths[batch % len(lengths)])
        # token ids; and token types where there are some
        streams = (stream,) if types is None else (stream, types)
        rows = [[np.take(values, place, mode="wrap") for values in streams] for place in places]
        for _, *of_row in rows:  # in a template each part comes after the one before it
            for one in of_row:
                one.sort()
        together = _batch(rows)
        alone = np.concatenate([run(*_batch([row])) for row in rows])
        varies |= not np.array_equal(run(*together), alone)
        differences.append((alone - reference(*together)).ravel())
    difference = np.concatenate(differences)
    if int8:
        noise = Check(
            "logit noise over batch sizes and lengths",
            float(np.sqrt((difference**2).mean())),
            bounds.max_int8_noise,
        )
    else:
        noise = Check(
            "logits over batch sizes and lengths", float(np.abs(difference).max()), bounds.max_fp32_difference
        )
    return ShapeChecks((noise,), not varies)


def same_in_batches(run: GraphCall, rows: Sequence[Sequence[int]], alone: Floats, *, seed: int) -> bool:
    """Return whether real texts have bit-identical logits alone and in shuffled, padded batches of 32.

    Args:
        run: the variant, ids, mask and token types ``(B, T)`` to raw logits ``(B, C)``.
        rows: token ids per text; at most BATCHED_ROWS random ones are run.
        alone: logits of `run` for each row alone ``(N, C)``.
        seed: seed of the order.
    """
    order = np.random.default_rng(seed).permutation(len(rows))[:BATCHED_ROWS]
    for start in range(0, len(order), BATCH_SIZES[-1]):
        picked = order[start : start + BATCH_SIZES[-1]]
        values = [(rows[row], types_of(rows, int(row))) for row in picked]
        batch = _batch([[np.asarray(part, np.int64) for part in parts if part is not None] for parts in values])
        if not np.array_equal(run(*batch), alone[picked]):
            return False
    return True


def failures(checks: Sequence[Check]) -> str:
    """Return the failed checks with value, bound and reason as a part of a sentence; empty if all passed."""
    return ", ".join(
        f"{check.name} {check.value:.4g} above {check.bound:g}{f' ({check.reason})' if check.reason else ''}"
        for check in checks
        if not check.passed
    )


def _batch(rows: Sequence[Sequence[Ints]]) -> list[Ints]:
    """Return ids and mask ``(B, T)`` of rows that are ids ``(T,)``; and types of rows that are ids and types."""
    shape = len(rows), max(len(row[0]) for row in rows)
    parts = [np.zeros(shape, dtype=np.int64) for _ in range(1 + len(rows[0]))]
    for index, (ids, *types) in enumerate(rows):
        for part, values in zip(parts, (ids, np.ones_like(ids), *types), strict=True):
            part[index, : len(values)] = values
    return parts
