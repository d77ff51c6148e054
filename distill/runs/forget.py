"""Forget a corpus: remove every copy that a run made of it; models, bundle and report stay.

This needs none of the packages that trained the run, and reads only the corpus's source from its recipe.
"""

import difflib
import os
import tomllib
from dataclasses import dataclass
from pathlib import Path

from distill.export.runtime.errors import InputError
from distill.files.atomic import remove
from distill.runs.layout import FOLDS, RECIPE_FILE

# splits and quarantine, texts made from them, and a server's answers about them; a killed run leaves them as
# NAME.partial and similar
CORPUS = ("corpus", "augmented", "answers", "review", "written")


@dataclass(frozen=True)
class Copies:
    """Copies of a corpus in a run: their folders, and the number of their files and bytes."""

    paths: tuple[Path, ...]
    files: int
    bytes: int


def find_copies(run: Path) -> Copies:
    """Return every copy of the corpus in a run.

    Raises:
        InputError: the folder is not a run, or cannot be read.
    """
    _read_recipe(run)
    parts = [run, *sorted(path for path in run.glob(f"{FOLDS}/*") if path.is_dir())]
    inside = (path for part in parts for path in sorted(part.iterdir()))
    folders = tuple(path for path in inside if path.name.partition(".")[0] in CORPUS)
    files = [file for path in folders for file in _files_under(path)]
    return Copies(folders, len(files), sum(file.lstat().st_size for file in files))


def remove_copies(copies: Copies) -> None:
    """Remove copies; after an error those that are left can be found again.

    Raises:
        InputError: one of them cannot be removed.
    """
    for path in copies.paths:
        try:
            remove(path)  # the target of a link does not belong to the run: `left_outside` names it
        except OSError as error:
            raise InputError(
                f"{error.filename or path}: The file cannot be removed ({error.strerror}). Check its permissions "
                "and try again."
            ) from error


def left_outside(run: Path, copies: Copies) -> list[str]:
    """Return a sentence on each place that holds the corpus and that is not the run's to remove."""
    recipe = _read_recipe(run)
    corpus = recipe.get("corpus")
    corpus = corpus if isinstance(corpus, dict) else {}
    sentences = [f"{path} was a link; its target stays: {path.readlink()}" for path in _links(copies)]
    source = str(corpus.get("source", "sample"))
    if source.startswith("hub:"):
        sentences += _hub_caches(source)
    elif source != "sample":
        sentences.append(f"the source stays where it is: {os.path.expanduser(source)}")
    if corpus.get("transfer"):
        sentences.append(f"the transfer file stays where it is: {corpus['transfer']}")
    return sentences


def _links(copies: Copies) -> list[Path]:
    return [path for path in copies.paths if path.is_symlink()]


def _files_under(path: Path) -> list[Path]:
    if path.is_symlink() or not path.is_dir():
        return [path]
    return [file for file in path.rglob("*") if file.is_symlink() or not file.is_dir()]


def _hub_caches(source: str) -> list[str]:
    """Return a sentence on each cache of huggingface_hub and datasets with a data set, and how to remove it."""
    identifier = source.removeprefix("hub:").partition("@")[0].partition(":")[0]
    base = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser()
    home = Path(os.environ.get("HF_HOME") or base / "huggingface").expanduser()
    hub = Path(os.environ.get("HF_HUB_CACHE") or home / "hub").expanduser()
    data = Path(os.environ.get("HF_DATASETS_CACHE") or home / "datasets").expanduser()
    places = [hub / f"datasets--{identifier.replace('/', '--')}", data / identifier.replace("/", "___")]
    sentences = [f"the cache of {identifier} stays: rm -r '{place}'" for place in places if place.exists()]
    return sentences or [f"{identifier} is in no cache under {home}; check where else it was downloaded"]


def _read_recipe(run: Path) -> dict[str, object]:
    """Return the recipe that a run left; only the names of places in it matter here."""
    try:
        data = (run / RECIPE_FILE).read_bytes()
    except OSError:
        near = _near(run)
        raise InputError(
            f"{run}: This is not a run (it has no {RECIPE_FILE}). "
            + (f"Did you mean {near}?" if near else "Give the folder of one.")
        ) from None
    try:
        return tomllib.loads(data.decode())
    except (ValueError, RecursionError):
        return {}  # damaged; the copies in the run's folder are removed all the same


def _near(folder: Path) -> Path | None:
    """Return a run that may have been meant: one that contains the folder, or one of a similar name."""
    path = Path(os.path.abspath(folder))
    for parent in path.parents[:2]:
        if (parent / RECIPE_FILE).is_file():
            return parent
    for home in (Path("runs"), folder.parent):
        runs = [recipe.parent.name for recipe in home.glob(f"*/{RECIPE_FILE}")]
        if near := difflib.get_close_matches(path.name, runs, n=1):
            return home / near[0]
    return None
