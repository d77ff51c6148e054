"""A trained static student on disk: its folder, its graph, and the configuration that a bundle ships."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from distill.export.graph.static import ContextWeights, StaticWeights, Window, write_static_graph
from distill.export.runtime.deciding.task import Task
from distill.export.runtime.errors import InputError
from distill.students.networks.static import EDGE, HASH_FACTORS, WINDOW, StaticClassifier, StaticConfig
from distill.students.shape import STATIC_TYPE

WEIGHTS_FILE, CONFIG_FILE = "model.safetensors", "config.json"


def save_static(model: StaticClassifier, tokenizer: Any, folder: Path) -> None:
    """Write the folder that `load_static` reads: weights, configuration and tokenizer.

    A model that learned with rounded token vectors has them rounded for good first.
    """
    model.round_for_good()
    weights = {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}
    save_file(weights, folder / WEIGHTS_FILE)
    tokenizer.save_pretrained(folder)
    shape = asdict(model.config)
    if not model.config.segments:  # the file of a student that reads no context is as it always was
        del shape["segments"]
    data = {"model_type": STATIC_TYPE, "labels": list(model.task.labels), **shape}
    (folder / CONFIG_FILE).write_text(json.dumps(data, indent=2) + "\n", encoding="utf-8")


def load_static(folder: Path, task: Task) -> StaticClassifier:
    """Return the static student in a folder.

    Raises:
        InputError: its files are broken, or its labels are not the task's.
    """
    try:
        data = json.loads((folder / CONFIG_FILE).read_text(encoding="utf-8"))
        shape = {"segments": 0, **data}
        config = StaticConfig(**{name: int(shape[name]) for name in StaticConfig.__dataclass_fields__})
        labels = data["labels"]
        model = StaticClassifier(config, task)
        weights = load_file(folder / WEIGHTS_FILE)
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, RecursionError, SafetensorError) as error:
        raise InputError(
            f"{folder}: This is not a complete static student ({type(error).__name__}). Train it again."
        ) from error
    if labels != list(task.labels):
        raise InputError(
            f"{folder}: The student's labels are not the corpus's, or in another order. Train it again."
        )
    expected = {name: tensor.shape for name, tensor in model.state_dict().items()}
    if {name: tensor.shape for name, tensor in weights.items()} != expected:
        raise InputError(
            f"{folder / WEIGHTS_FILE}: The student's weights do not fit {CONFIG_FILE}. Train it again."
        )
    model.load_state_dict(weights)
    return model


def export_static(model: StaticClassifier, path: Path) -> dict[str, int]:
    """Write the fp32 graph with raw logits; return its operators and their counts."""
    return write_static_graph(_weights(model), path)


def published_config(folder: Path) -> dict[str, Any]:
    """Return the transformers configuration that a bundle of the student in this folder ships.

    Optimum and Transformers.js refuse a model type that they do not know, and read only the labels and the names
    of the inputs from the configuration. So a static student is published as a DistilBERT without layers, whose
    inputs are ids and mask alone; one that reads turns as a BERT without layers, which has token types too.
    """
    config = json.loads((folder / CONFIG_FILE).read_text(encoding="utf-8"))
    if config.get("segments"):
        return {
            "model_type": "bert",
            "vocab_size": config["vocabulary"],
            "hidden_size": config["width"],
            "intermediate_size": config["hidden"],
            "num_hidden_layers": 0,
            "type_vocab_size": config["segments"],
        }
    return {
        "model_type": "distilbert",
        "vocab_size": config["vocabulary"],
        "dim": config["width"],
        "hidden_dim": config["hidden"],
        "n_layers": 0,
    }


def _weights(model: StaticClassifier) -> StaticWeights:
    """Return the weights as plain arrays, with matrices as a graph multiplies them: ``(in, out)``."""
    state = {name: tensor.detach().cpu().float().numpy() for name, tensor in model.state_dict().items()}
    window = None
    if model.window is not None:
        window = Window(WINDOW, state["window.weight"].T.copy(), state["window.bias"])
    context = None
    if model.config.contexts:
        context = ContextWeights(state["context_weights"], state["distances"], model.config.contexts)
    return StaticWeights(
        context=context,
        edge=EDGE,
        vectors=state["vectors.weight"],
        weights=state["weights"],
        ngrams=tuple(state[f"ngrams.{index}.weight"] for index in range(len(model.config.lengths))),
        factors=HASH_FACTORS,
        window=window,
        norm=(state["norm.weight"], state["norm.bias"], model.norm.eps),
        up=(state["up.weight"].T.copy(), state["up.bias"]),
        head=(state["head.weight"].T.copy(), state["head.bias"]),
    )
