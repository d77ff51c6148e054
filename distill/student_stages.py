"""The stages from the student on: its layers, student and twin, int8, the bundle, the report.

Heavy packages are imported by the stage that needs them, so that a run with nothing to do ends at once.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from distill.atomic import discard, partial_of
from distill.budget_stages import check_budget
from distill.chosen_layers import read_ranking
from distill.fingerprints import calibrated_by, portable_recipe, recipe_hash, student_inputs
from distill.frozen_choices import CHOICES, recall_choices
from distill.job import Job, numbered
from distill.members import members_of
from distill.precision_stages import choose_precision
from distill.run_stages import Run, averaging, judge
from distill.stages import EXPORT_PACKAGES, package_versions
from distill.variants import choose_branch, choose_variant, exported, form_of, qat_forms
from export.runtime.bench import available_threads, cpu_info

REPORT_FILES = ("report.json", "report.html")


def choose_layers(under_way: Run) -> None:
    """Where the recipe leaves the layers open: rank candidates, and go on with the recipe that names the best."""
    job, recipe = under_way.job, under_way.job.recipe
    if recipe.student.kind != "layers" or recipe.student.layers != "auto":
        return
    members = members_of(recipe)
    labels = [
        f"{numbered('labels', member.index)}/{split}" for member in members for split in ("train", "validation")
    ]
    inputs = {
        **under_way.digest("corpus", "teacher", *labels),
        "student": student_inputs(recipe.student, exclude=("epochs", "layers")),
        "layer_search": recipe.layer_search.model_dump(mode="json"),
        "objective": (recipe.objective.temperature, recipe.objective.soft_weight),
        "terms": recipe.objective.terms(),
        "averaging": averaging(recipe),
        "pooling": recipe.teacher.pooling,
        "max_tokens": recipe.corpus.max_tokens,
        "seed": recipe.seed,
    }

    def work(folder: Path) -> None:
        from distill.layer_search import rank_layers

        rank_layers(job, folder)

    under_way.stage("layers", job.layers, inputs, work, resumable=True)
    best = read_ranking(job.layers)[0]["layers"]
    job.reporter.say(f"  layers {' '.join(map(str, best))} are the best of those tried")
    under_way.go_on_with({"student.layers": best})


def train_stages(under_way: Run) -> None:
    """Student and twin, and the student's last phases as int8 forms; of every seed."""
    for job in under_way.job.branches():
        _train_one(under_way, job)


def _train_one(under_way: Run, job: Job) -> None:
    recipe, objective = job.recipe, job.recipe.objective
    start = {
        **under_way.digest("corpus", "teacher"),
        "student": student_inputs(recipe.student),
        "pooling": recipe.teacher.pooling,
        "max_tokens": recipe.corpus.max_tokens,
        "seed": job.seed,
    }
    labels = [name for name in under_way.records if name.startswith("labels")]
    mix = (objective.temperature, objective.soft_weight)
    distilled = {**start, **under_way.digest(*labels), "objective": mix}
    if len(members_of(recipe)) > 1 or recipe.teacher.fit_temperature:
        distilled["averaging"] = averaging(recipe)
    terms = objective.terms()
    _train(under_way, job, "student", {**distilled, "terms": terms} if terms else distilled)
    if objective.compare:
        # as many steps as the student's, so it depends on how many texts were made, and on no label of any teacher
        made = [name for name in ("augmented",) if name in under_way.records]
        _train(under_way, job, "twin", {**start, **under_way.digest(*made)})
    for form in qat_forms(recipe):
        _train_quantized(under_way, job, form, {**distilled, "terms": terms})


def _train(under_way: Run, job: Job, name: str, inputs: Mapping[str, Any]) -> None:
    def work(folder: Path) -> None:
        from distill.learning import study

        study(job, folder, distilled=name == "student")

    folder = job.student if name == "student" else job.twin
    under_way.stage(f"{job.prefix}{name}", folder, inputs, work, resumable=True)
    judge(under_way, job, name, folder)


def _train_quantized(under_way: Run, job: Job, form: str, shared: Mapping[str, Any]) -> None:
    """The student's last phase as what an int8 form computes."""
    name = f"qat/{form}"
    inputs = {
        **shared,
        **under_way.digest(f"{job.prefix}student"),
        "qat": job.recipe.qat.model_dump(mode="json"),
        "form": form,
        # the scales of activations are fitted on a graph
        "versions": package_versions(EXPORT_PACKAGES),
        **calibrated_by(job.recipe, form),
    }

    def work(folder: Path) -> None:
        from distill.qat import study_quantized

        study_quantized(job, folder, form)

    under_way.stage(f"{job.prefix}{name}", job.qat(form), inputs, work, resumable=True)
    judge(under_way, job, name, job.qat(form))


def export_stages(under_way: Run) -> None:
    """Every variant of every seed, and the bundle of the best."""
    for job in under_way.job.branches():
        _export_one(under_way, job)
    choose_precision(under_way)
    job = choose_branch(under_way.job)
    chosen = choose_variant(job)
    inputs = {
        **under_way.digest(
            "corpus",
            "teacher",
            f"quality/{job.reference}",
            *(f"{job.prefix}{name}" for name in ("student", f"export/{chosen}")),
        ),
        "recipe": recipe_hash(job.recipe),
        "chosen": chosen,
    }

    def bundle(_folder: Path) -> None:
        from distill.bundling import make_bundle

        make_bundle(job, chosen)

    card = job.bundle / "README.md"
    under_way.stage("bundle", job.bundle_record, inputs, bundle, also=(job.bundle,), edited=(card,))


def _export_one(under_way: Run, job: Job) -> None:
    recipe, prefix = job.recipe, job.prefix
    inputs = {
        **under_way.digest("corpus", f"{prefix}student"),
        "bounds": recipe.export.bounds,
        "decisions": recipe.decisions.model_dump(mode="json"),
        "max_tokens": recipe.corpus.max_tokens,
        # int8 answers depend on the instructions that the CPU has, graphs on what made them
        "cpu": cpu_info()["flags"],
        "versions": package_versions(EXPORT_PACKAGES),
    }
    for name in exported(recipe):
        made_of = dict(inputs)
        if name != form_of(name):
            made_of |= under_way.digest(f"{prefix}quality/student", f"{prefix}qat/{form_of(name)}")
        elif name != "fp32":
            made_of |= under_way.digest(f"{prefix}export/fp32")
            made_of |= calibrated_by(recipe, name)
        if name != "fp32":
            made_of |= recipe.export.unusual("table_bits")

        def work(folder: Path, name: str = name) -> None:
            from distill.exporting import export_variant

            export_variant(job, folder, name)

        under_way.stage(f"{prefix}export/{name}", job.variant(name), made_of, work)


def withdraw(job: Job) -> None:
    """Take away what an earlier recipe left: beside a failed check it would look like this one's."""
    # the records first: a bundle without one is made again, whatever of it is left
    earlier = job.bundle.with_name("bundle.earlier")
    for folder in (job.folder / "report", job.bundle_record, job.bundle, partial_of(job.bundle), earlier):
        discard(folder)
    for name in REPORT_FILES:
        (job.folder / name).unlink(missing_ok=True)


def _benched(under_way: Run) -> list[str]:
    """The stages that the bench depends on: no choice, and no form that was made for one and not chosen."""
    job = under_way.job
    made = {f"{one.prefix}export/{name}" for one in job.branches() for name in exported(job.recipe)}
    exports = tuple(f"{one.prefix}export/" for one in job.branches())
    return [
        name
        for name in under_way.records
        if name not in CHOICES and (name in made or not name.startswith(exports))
    ]


def report_stages(under_way: Run) -> None:
    """Bench, the budget, report."""
    job, recipe = choose_branch(under_way.job), under_way.job.recipe
    recall_choices(under_way)
    inputs = {
        **under_way.digest(*_benched(under_way)),
        "bench": recipe.bench.model_dump(mode="json"),
        "cpu": cpu_info()["model"],
        "threads": available_threads(),
    }
    if recipe.budget.asked and recipe.budget.threads > 1:
        inputs["budget_threads"] = recipe.budget.threads

    def bench(folder: Path) -> None:
        from distill.benching import bench_run

        bench_run(job, folder)

    under_way.stage("bench", job.bench, inputs, bench)
    check_budget(under_way)
    seconds = {name: record.seconds for name, record in under_way.records.items()}

    def report(folder: Path) -> None:
        from distill.report import write_report

        write_report(job, seconds)

    files = tuple(job.folder / name for name in REPORT_FILES)
    inputs = {**under_way.digest(*under_way.records), "recipe": portable_recipe(recipe), "seconds": seconds}
    if recipe.budget.asked:
        inputs["budget"] = recipe.budget.model_dump(mode="json")
    under_way.stage("report", job.folder / "report", inputs, report, also=files)
