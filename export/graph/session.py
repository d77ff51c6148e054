"""ONNX graphs run on ids and mask, for quantization, gate and bench, before there is a bundle."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime

Ints = npt.NDArray[np.int64]

Floats = npt.NDArray[np.float32]


class GraphRunner:
    """One onnxruntime session; thread spinning is off, so that cores stay free for other work."""

    def __init__(self, path: Path, *, threads: int = 1) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = 4
        self.session: Any = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        self.inputs = [value.name for value in self.session.get_inputs()]

    def __call__(self, ids: Ints, mask: Ints) -> Floats:
        """Return logits ``(B, C)`` for ids and mask ``(B, T)``; token types are all 0."""
        logits: Floats = self.session.run(["logits"], self.feed(ids, mask))[0]
        return logits

    def feed(self, ids: Ints, mask: Ints) -> dict[str, Ints]:
        """Return the graph's inputs for ids and mask ``(B, T)``; token types are all 0."""
        values = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
        return {name: values[name] for name in self.inputs}

    def row_feed(self, row: Sequence[int]) -> dict[str, Ints]:
        """Return the graph's inputs for the token ids of one text alone."""
        ids = np.array([row], dtype=np.int64)  # (1, T)
        return self.feed(ids, np.ones_like(ids))

    def run_rows(self, rows: Sequence[Sequence[int]], progress: Callable[[int], None] | None = None) -> Floats:
        """Return logits ``(N, C)``; every row runs alone, so that none depends on another."""
        logits = []
        for row in rows:
            ids = np.array([row], dtype=np.int64)  # (1, T)
            logits.append(self(ids, np.ones_like(ids)))
            if progress is not None:
                progress(1)
        return np.concatenate(logits)
