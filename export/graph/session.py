"""ONNX graphs run on ids and mask, for quantization, gate and bench, before there is a bundle."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt
import onnxruntime

Ints = npt.NDArray[np.int64]

Floats = npt.NDArray[np.float32]


@runtime_checkable
class Typed(Protocol):
    """Rows of token ids that may have token types."""

    def types_of(self, row: int) -> Sequence[int] | None:
        """Return the types of one row's tokens; None where there are none."""


class GraphRunner:
    """One onnxruntime session; thread spinning is off, so that cores stay free for other work."""

    def __init__(self, path: Path, *, threads: int = 1) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = 4
        self.session: Any = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        self.inputs = [value.name for value in self.session.get_inputs()]

    def __call__(self, ids: Ints, mask: Ints, types: Ints | None = None) -> Floats:
        """Return logits ``(B, C)`` for ids, mask and token types ``(B, T)``; types are 0 where none are given."""
        logits: Floats = self.session.run(["logits"], self.feed(ids, mask, types))[0]
        return logits

    def feed(self, ids: Ints, mask: Ints, types: Ints | None = None) -> dict[str, Ints]:
        """Return the graph's inputs for ids, mask and token types ``(B, T)``."""
        types = np.zeros_like(ids) if types is None else types
        values = {"input_ids": ids, "attention_mask": mask, "token_type_ids": types}
        return {name: values[name] for name in self.inputs}

    def row_feed(self, row: Sequence[int], types: Sequence[int] | None = None) -> dict[str, Ints]:
        """Return the graph's inputs for the token ids, and the token types, of one text alone."""
        ids = np.array([row], dtype=np.int64)  # (1, T)
        return self.feed(ids, np.ones_like(ids), None if types is None else np.array([types], dtype=np.int64))

    def run_rows(self, rows: Sequence[Sequence[int]], progress: Callable[[int], None] | None = None) -> Floats:
        """Return logits ``(N, C)``; every row runs alone, so that none depends on another."""
        logits: list[Floats] = []
        for place, row in enumerate(rows):
            logits.append(self.session.run(["logits"], self.row_feed(row, types_of(rows, place)))[0])
            if progress is not None:
                progress(1)
        return np.concatenate(logits)


def types_of(rows: Sequence[Sequence[int]], row: int) -> Sequence[int] | None:
    """Return the token types of one of several rows of token ids; None where they have none."""
    return rows.types_of(row) if isinstance(rows, Typed) else None
