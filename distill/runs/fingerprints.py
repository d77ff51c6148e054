"""Inputs of stages, by content and never by place."""

import hashlib
import json
from collections.abc import Collection
from dataclasses import asdict
from pathlib import Path
from typing import Any

from distill.corpora.reading.places.locate import data_files
from distill.corpora.reading.places.source import SAMPLE, beside_source, read_paths
from distill.export.precision import Precision
from distill.export.runtime.errors import InputError
from distill.export.runtime.manifest.records import file_record
from distill.export.runtime.reading.inputs import Truncate
from distill.recipe.recipe import Recipe
from distill.recipe.sources import OF_NO_ROW, CorpusRecipe, corpus_spec
from distill.recipe.student import StudentRecipe

# keys that say where something is, not what it is
PLACES = (
    ("corpus", "source"),
    ("corpus", "transfer"),
    ("corpus", "label_names"),
    ("teacher", "checkpoint"),
    ("teacher", "model"),
    ("augmentation", "masked_model"),
    ("student", "base"),
    ("decisions", "hand_over_words"),
)

# tables that most recipes do not have
OPTIONAL = ("verbaliser", "endpoint")


def calibrated_by(recipe: Recipe, precision: Precision) -> dict[str, object]:
    """Return the keys that the activation ranges of a precision depend on."""
    return recipe.export.unusual("calibrator") if precision.has_fixed_scales else {}


def content_hash(source: str, key: str) -> str:
    """Return the sha256 of the names and bytes of a source's files; a hub id is returned as it is.

    Args:
        source: hub id, file, folder or "sample".
        key: the recipe key, for messages.

    Raises:
        InputError: there is no such file or folder, or it cannot be read.
    """
    if source.startswith("hub:"):
        return source
    path = SAMPLE if source == "sample" else Path(source).expanduser()
    if not path.exists():
        raise InputError(f"{source}: There is no such file or folder. Correct {key}.")
    digest = hashlib.sha256()
    try:
        for file in sorted(path.iterdir()) if path.is_dir() else [path]:
            if file.is_file():
                # a lone file's name carries no information; in a folder it names the split
                digest.update(f"{file.name if path.is_dir() else file.suffix}\n".encode())
                digest.update(bytes.fromhex(file_record(file).sha256))
    except OSError as error:
        raise InputError(
            f"{error.filename}: The file cannot be read ({error.strerror}). Check its permissions."
        ) from error
    return digest.hexdigest()


def corpus_inputs(recipe: CorpusRecipe, seed: int) -> dict[str, object]:
    """Return everything that the normalised splits depend on."""
    keys = recipe.counted({*OF_NO_ROW, "source", "transfer", "max_tokens", "truncate", "rows"})
    if isinstance(recipe.label_names, str):
        keys["label_names"] = _beside_hash(recipe, recipe.label_names, "corpus.label_names")
    inputs: dict[str, object] = {
        "corpus": keys,
        "source": content_hash(recipe.source, "corpus.source"),
        "transfer": _beside_hash(recipe, recipe.transfer, "corpus.transfer") if recipe.transfer else None,
        "seed": seed,
    }
    if recipe.group is not None and recipe.group_scope == "split" and _may_be_published_in_splits(recipe):
        inputs["group_scope"] = "split"  # before this key existed, ids were compared over the whole source
    below = _files_below(recipe.source)
    if below:
        inputs["source_below"] = below
    return inputs if recipe.rows is None else {**inputs, "rows": recipe.rows}


def _may_be_published_in_splits(recipe: CorpusRecipe) -> bool:
    """Return whether a source can have splits of its own: not a single file without a column that names them."""
    path = SAMPLE if recipe.source == "sample" else Path(recipe.source).expanduser()
    return isinstance(recipe.split, str) or recipe.source.startswith("hub:") or path.is_dir()


def _files_below(source: str) -> dict[str, str]:
    """Return the sha256 of each data file in a subfolder of the source's folder."""
    path = SAMPLE if source == "sample" else Path(source).expanduser()
    if source.startswith("hub:") or not path.is_dir():
        return {}
    paths = [file for file in read_paths(data_files(path)[0]) if file.parent != path]
    return {file.relative_to(path).as_posix(): file_record(file).sha256 for file in paths}


def cut_inputs(recipe: CorpusRecipe) -> dict[str, object]:
    """Return the keys that decide which tokens of a row are read."""
    inputs: dict[str, object] = {"max_tokens": recipe.max_tokens}
    if recipe.context is not None:
        inputs["newest_turn"] = "cut"  # before, a newest turn that did not fit was left out with all others
    cut = corpus_spec(recipe).truncate
    return inputs if cut is None or cut == Truncate() else {**inputs, "truncate": asdict(cut)}


def student_inputs(recipe: StudentRecipe, exclude: Collection[str] = ()) -> dict[str, object]:
    """Return the keys of [student] that a stage depends on, without those in `exclude`.

    Keys that are not set are left out: one that was added later, and is not used, makes no finished run stale.
    `base` is one too: the weights that it names are counted.
    """
    return recipe.model_dump(mode="json", exclude_none=True, exclude={*exclude, "base"})


def portable_recipe(recipe: Recipe) -> dict[str, object]:
    """Return the recipe without what changes no result: places, saving, processes, search, trackers, pin."""
    harmless: Any = dict.fromkeys(("checkpoint_minutes", "training", "label", "search", "budget", "track"), True)
    data = recipe.model_dump(mode="json", exclude=harmless) | {"student": student_inputs(recipe.student)}
    if recipe.student.base is not None:
        data["student"]["base"] = recipe.student.base
    for table in OPTIONAL:
        if data[table] is None:
            del data[table]
    if recipe.endpoint is not None:  # neither where the server is nor how often it is asked changes an answer
        data["endpoint"] = recipe.endpoint.asked()
    data |= {"corpus": recipe.corpus.counted(), "decisions": recipe.decisions.counted()}
    data["teacher"] = recipe.teacher.counted({"sha256", "max_unknown"})
    data["export"] = recipe.export.counted({"allow_worse_than_baseline"})
    for table, key in PLACES:
        value = data[table].get(key)
        if table == "teacher" and isinstance(value, list):
            data[table][key] = [_without_place(item, Path(item).expanduser()) for item in value]
        elif isinstance(value, str) and value != "sample" and not value.startswith("hub:"):
            beside = table == "corpus" and key != "source"
            path = beside_source(recipe.corpus.source, value) if beside else Path(value).expanduser()
            data[table][key] = _without_place(value, path)
    return data


def _without_place(value: str, path: Path) -> str:
    """Return only the name of what is on this machine, and anything else as it is."""
    return path.name if path.exists() else value


def recipe_hash(recipe: Recipe) -> str:
    """Return the sha256 of the portable recipe."""
    return hashlib.sha256(json.dumps(portable_recipe(recipe), sort_keys=True).encode()).hexdigest()


def words_inputs(words: str | None) -> dict[str, str]:
    """Return the content hash of the user's list of words that flag a text, where the recipe names one."""
    if words is None or not Path(words).expanduser().is_file():
        return {}
    return {"hand_over_words": content_hash(words, "decisions.hand_over_words")}


def _beside_hash(recipe: CorpusRecipe, name: str, key: str) -> str:
    """Return the content hash of a file that may be beside the source."""
    return content_hash(str(beside_source(recipe.source, name)), key)
