"""What a search among the teacher's layers left, and the recipe that it ends in."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from distill.job import Job
from distill.json_files import read_json
from distill.recipe import with_values

RANKING_FILE = "ranking.json"


def read_ranking(folder: Path) -> list[dict[str, Any]]:
    """The candidates, best first: `layers`, and on validation `divergence` from the teacher and `macro_f1`."""
    return list(read_json(folder / RANKING_FILE)["ranking"])


def with_layers(job: Job, layers: Sequence[int]) -> Job:
    """The same job, whose student has these layers."""
    return replace(job, recipe=with_values(job.recipe, {"student.layers": list(layers)}, job.recipe.name))
