"""What a run trains, whatever its kind: how it is saved, loaded, optimised and exported."""

import json
from pathlib import Path
from typing import Any

from distill.corpora.task import Task
from distill.export.graph.from_torch import export_fused
from distill.export.graph.static import StaticWeights, Window, write_static_graph
from distill.students.positions import cut_positions
from distill.students.static import EDGE, HASH_FACTORS, WINDOW, StaticClassifier, load_static, save_static
from distill.students.static import parameter_groups as static_groups
from distill.teachers.checkpoints import STATIC_MODEL_TYPE, load_classifier, model_type_of, save_classifier
from distill.teachers.encoder import EncoderClassifier, Teacher
from distill.teachers.finetune import parameter_groups

Student = EncoderClassifier | StaticClassifier

Model = Teacher | StaticClassifier


def load_student(folder: Path, task: Task) -> Model:
    """A trained student, twin or teacher.

    Raises:
        InputError: it cannot be loaded, or its labels are not the task's.
    """
    if model_type_of(folder) == STATIC_MODEL_TYPE:
        return load_static(folder, task)
    return load_classifier(folder, task)


def save_student(model: Student, tokenizer: Any, folder: Path) -> None:
    """Write the folder that `load_student` reads."""
    if isinstance(model, StaticClassifier):
        save_static(model, tokenizer, folder)
    else:
        save_classifier(model, tokenizer, folder)


def optimizer_groups(
    model: Model, *, body_learning_rate: float, head_learning_rate: float, weight_decay: float
) -> list[dict[str, Any]]:
    """Return AdamW's parameter groups of a model."""
    chosen = {
        "body_learning_rate": body_learning_rate,
        "head_learning_rate": head_learning_rate,
        "weight_decay": weight_decay,
    }
    if isinstance(model, StaticClassifier):
        return static_groups(model, **chosen)
    if not isinstance(model, EncoderClassifier):
        raise TypeError("a published model with a head of its own is not trained")
    return parameter_groups(model, **chosen)


def export_graph(model: Model, target: Path, max_tokens: int) -> dict[str, int]:
    """Write the fp32 graph with raw logits, from which int8 starts; gives how many of which operators it has.

    Args:
        model: a student.
        target: the file to write.
        max_tokens: of the longest text that the graph will get.

    Raises:
        InputError, CheckFailedError: as `export_fused` does.
    """
    if isinstance(model, StaticClassifier):
        return write_static_graph(static_weights(model), target)
    if isinstance(model, EncoderClassifier):
        model = cut_positions(model, max_tokens)
    return export_fused(model, model.config, target)


def static_weights(model: StaticClassifier) -> StaticWeights:
    """The numbers of a static student as plain arrays, matrices as a graph multiplies them."""
    state = {name: tensor.detach().cpu().float().numpy() for name, tensor in model.state_dict().items()}
    window = None
    if model.window is not None:
        window = Window(WINDOW, state["window.weight"].T.copy(), state["window.bias"])
    return StaticWeights(
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


def published_config(folder: Path) -> dict[str, Any]:
    """The transformers configuration that a bundle of the student in this folder ships.

    Optimum and Transformers.js refuse a model type that they do not know, and take from the configuration no more
    than labels and the names of the inputs. So a static student passes for a DistilBERT without layers, whose
    inputs are ids and mask alone.
    """
    config: dict[str, Any] = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    if config["model_type"] != STATIC_MODEL_TYPE:
        return config
    return {
        "model_type": "distilbert",
        "vocab_size": config["vocabulary"],
        "dim": config["width"],
        "hidden_dim": config["hidden"],
        "n_layers": 0,
    }
