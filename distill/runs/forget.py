"""Forgetting: every copy of a corpus that a run made is removed; models, bundle and report stay.

Needs nothing of what trained the run, and reads of its recipe only where the corpus came from.
"""

import difflib
import os
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from distill.export.runtime.errors import InputError
from distill.files.atomic import remove

RECIPE_FILE = "recipe.toml"

# splits and quarantine, and what was made out of them; NAME.partial and the like are what a killed run leaves
CORPUS = ("corpus", "augmented")


@dataclass(frozen=True)
class Copies:
    """What there is of a corpus in a run: the folders, and how many files and bytes they hold."""

    paths: tuple[Path, ...]
    files: int
    bytes: int


def find_copies(run: Path) -> Copies:
    """Every copy of the corpus in a run.

    Raises:
        InputError: it is no run, or cannot be read.
    """
    _read_recipe(run)
    found = tuple(path for path in sorted(run.iterdir()) if path.name.partition(".")[0] in CORPUS)
    files = [file for path in found for file in _files_under(path)]
    return Copies(found, len(files), sum(file.lstat().st_size for file in files))


def remove_copies(copies: Copies) -> None:
    """Remove them; what was removed before an error stays removed, and the rest is found again.

    Raises:
        InputError: one cannot be removed.
    """
    for path in copies.paths:
        try:
            remove(path)  # a link's target is not the run's: it is named among what is left
        except OSError as error:
            raise InputError(
                f"{error.filename or path}: cannot be removed ({error.strerror}); check its rights and try again"
            ) from error


def left_outside(run: Path, copies: Copies) -> list[str]:
    """What holds the corpus and is not the run's to remove, each as a sentence that says where and how."""
    recipe = _read_recipe(run)
    corpus = recipe.get("corpus")
    corpus = corpus if isinstance(corpus, dict) else {}
    found = [f"{path} was a link; what it points to stays: {path.readlink()}" for path in _links(copies)]
    source = str(corpus.get("source", "sample"))
    if source.startswith("hub:"):
        found += _hub_caches(source)
    elif source != "sample":
        found.append(f"the source stays where it is: {os.path.expanduser(source)}")
    if corpus.get("transfer"):
        found.append(f"the transfer file stays where it is: {corpus['transfer']}")
    return found


def _links(copies: Copies) -> list[Path]:
    return [path for path in copies.paths if path.is_symlink()]


def _files_under(path: Path) -> list[Path]:
    if path.is_symlink() or not path.is_dir():
        return [path]
    return [file for file in path.rglob("*") if file.is_symlink() or not file.is_dir()]


def _hub_caches(source: str) -> list[str]:
    """The caches of huggingface_hub and datasets that hold a data set, with the command that removes them."""
    identifier = source.removeprefix("hub:").partition("@")[0].partition(":")[0]
    base = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser()
    home = Path(os.environ.get("HF_HOME") or base / "huggingface").expanduser()
    hub = Path(os.environ.get("HF_HUB_CACHE") or home / "hub").expanduser()
    data = Path(os.environ.get("HF_DATASETS_CACHE") or home / "datasets").expanduser()
    places = [hub / f"datasets--{identifier.replace('/', '--')}", data / identifier.replace("/", "___")]
    found = [f"the cache of {identifier} stays: rm -r '{place}'" for place in places if place.exists()]
    return found or [f"{identifier} is in no cache under {home}; look where else it was downloaded to"]


def _read_recipe(run: Path) -> dict[str, Any]:
    """The recipe that a run left, of which nothing but names of places is wanted."""
    try:
        data = (run / RECIPE_FILE).read_bytes()
    except OSError:
        near = _near(run)
        raise InputError(
            f"{run}: is no run (it has no {RECIPE_FILE}); "
            + (f"did you mean {near}?" if near else "give its folder")
        ) from None
    try:
        return tomllib.loads(data.decode())
    except (ValueError, RecursionError):
        return {}  # damaged; what stands in the run's folder is removed all the same


def _near(folder: Path) -> Path | None:
    """A run that may have been meant: the one that a folder stands in, or one of a like name."""
    path = Path(os.path.abspath(folder))
    for parent in path.parents[:2]:
        if (parent / RECIPE_FILE).is_file():
            return parent
    for home in (Path("runs"), folder.parent):
        runs = [found.parent.name for found in home.glob(f"*/{RECIPE_FILE}")]
        if near := difflib.get_close_matches(path.name, runs, n=1):
            return home / near[0]
    return None
