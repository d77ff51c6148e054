"""The models of a finished run as functions of texts, for an audit that sets them beside its bundle."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from distill.export.runtime import Classifier, InputError
from distill.runs.layout import RECIPE_FILE, RunLayout

if TYPE_CHECKING:
    from distill.bundles.audit import Scorer
    from distill.evaluation.decision import Decision

TEACHER = "teacher"

BATCH = 64


def scorers_of_run(folder: Path, shipped: Classifier) -> "dict[str, Scorer]":
    """Return teacher, twin, student and the variants of the run that made a bundle, each with its own decisions.

    Args:
        folder: of the run.
        shipped: its bundle.

    Raises:
        InputError: there is no finished run, or it is of other labels.
    """
    from distill.artifacts.quality import read_quality
    from distill.bundles.audit import scorer_of
    from distill.recipe.load import load_recipe
    from distill.teachers.checkpoints import load_classifier

    if not (folder / RECIPE_FILE).is_file():
        raise InputError(f"{folder}: This is not a run's folder. Give the one that `distill run` wrote.")
    recipe = load_recipe(str(folder / RECIPE_FILE), [])
    layout, task = RunLayout(folder), shipped.task
    if recipe.seeds:
        layout = layout.of_seed(int(shipped.manifest.provenance["seed"]))
    trained: dict[str, tuple[Path, Callable[..., Any]]] = {}
    if (layout.teacher() / "config.json").is_file():  # a teacher that is an encoder
        trained[TEACHER] = layout.teacher(), load_classifier
    if recipe.objective.compare:
        trained["twin"] = layout.twin, recipe.student.family.load
    trained["student"] = layout.student, recipe.student.family.load
    found: dict[str, Scorer] = {}
    for name, (place, load) in trained.items():
        decision = read_quality(layout.quality(name)).decision
        if len(decision.scale) != task.num_outputs:
            raise InputError(f"{folder}: The run is of other labels than the bundle. Give the run that made it.")
        found[name] = _torch_scorer(place, load, decision, shipped)
    for name, classifier in _variants(layout, recipe, shipped).items():
        found[name] = scorer_of(classifier)
    return found


def _variants(layout: RunLayout, recipe: Any, shipped: Classifier) -> dict[str, Classifier]:
    """Return the exported variants, each in the place of the bundle's graph."""
    from distill.artifacts.quality import read_quality
    from distill.artifacts.variant import MODEL_FILE
    from distill.export.precision import exported
    from distill.export.runtime.classifier import open_bundle

    if shipped.origin is None:
        raise TypeError("a loaded bundle has an origin")
    manifest, opened = shipped.manifest, {}
    tokenizer = (shipped.origin.folder / manifest.tokenizer_file).read_bytes()
    for variant in exported(recipe.export.shippable):
        place = layout.variant(variant.name)
        if (place / MODEL_FILE).is_file():
            decision = read_quality(place).decision
            deciding = manifest.deciding_by(decision.policy, decision.objects_beside(manifest.objects))
            opened[variant.name] = open_bundle(deciding, (place / MODEL_FILE).read_bytes(), tokenizer, where=place)
    return opened


def _torch_scorer(folder: Path, load: Callable[..., Any], decision: "Decision", shipped: Classifier) -> "Scorer":
    import numpy as np
    import torch

    from distill.teachers.encoding import encode, pad_batch
    from distill.teachers.tokenizers import load_tokenizer

    task, reads, most = shipped.task, shipped.input, shipped.manifest.max_tokens
    model, tokenizer = load(folder, task).eval(), load_tokenizer(folder)

    def score(texts: list[str]) -> Any:
        raw = []
        for start in range(0, len(texts), BATCH):
            rows = encode(tokenizer, texts[start : start + BATCH], most, reads=reads)
            with torch.inference_mode():
                raw.append(model(*pad_batch(rows, tokenizer.pad_token_id)).float().numpy())
        logits = np.concatenate(raw)
        return decision.scores(logits, task), decision.decide(logits, task)

    return score
