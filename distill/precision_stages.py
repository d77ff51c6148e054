"""What `export.precision = "auto"` adds to a run: the forms measured, and the recipe that names the best."""

from pathlib import Path
from typing import Any

from distill.json_files import read_json
from distill.precision_choice import forms_of, preferred, reason
from distill.run_stages import Run
from distill.stages import EXPORT_PACKAGES, package_versions
from distill.variants import choose_variant, may_ship
from export.runtime.bench import cpu_info

MEASURED_FILE = "precision.json"
THREADS = 1


def read_measured(folder: Path) -> dict[str, Any]:
    """What the measurement left."""
    return read_json(folder / MEASURED_FILE)


def choose_precision(under_way: Run) -> None:
    """Where the recipe leaves the precision open: measure the first student's forms, and go on with the best.

    Raises:
        CheckFailedError: no form may ship.
    """
    job = under_way.job
    if job.recipe.export.precision != "auto":
        return
    first = job.branches()[0]
    choose_variant(first)  # or there is nothing to measure
    inputs = {
        **under_way.digest("corpus", *(f"{first.prefix}export/{name}" for name in may_ship(job.recipe))),
        "texts": job.recipe.bench.texts,
        "threads": THREADS,
        # not how many cores: one is used
        "cpu": {key: cpu_info()[key] for key in ("model", "flags")},
        "versions": package_versions(EXPORT_PACKAGES),
    }

    def work(folder: Path) -> None:
        from distill.precision_measure import measure_forms

        measure_forms(first, folder)

    under_way.stage("precision", job.precision, inputs, work)
    measured = read_measured(job.precision)
    best = preferred(forms_of(measured), job.recipe.budget)
    why = reason(best[0], measured)
    job.reporter.say(f"  {why}")
    names = [one.name for one in best]
    under_way.go_on_with({"export.precision": names}, f"# export.precision was measured; {why}\n")
