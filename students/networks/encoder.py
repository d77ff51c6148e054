"""Parts shared by the students that are encoders: trimmed embeddings, the graph, the configuration."""

import json
from pathlib import Path
from typing import Any

from distill.export.graph.from_torch import export_fused
from distill.students.networks.positions import cut_positions
from distill.students.vocabulary import Trimmed, apply_trim
from distill.teachers.encoder import EncoderClassifier


def trim_embeddings(model: EncoderClassifier, trimmed: Trimmed | None) -> EncoderClassifier:
    """Return the model with the embedding table of the trimmed vocabulary; None leaves it as it is."""
    return model if trimmed is None else apply_trim(model, trimmed)


def export_encoder(model: EncoderClassifier, path: Path, max_tokens: int) -> dict[str, int]:
    """Write the fused graph with positions for `max_tokens` alone; return its operators and their counts.

    Raises:
        InputError, CheckFailedError: as `export_fused` does.
    """
    short = cut_positions(model, max_tokens)
    return export_fused(short, short.config, path)


def saved_config(folder: Path) -> dict[str, Any]:
    """Return the transformers configuration that a saved encoder has."""
    config: dict[str, Any] = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    return config
