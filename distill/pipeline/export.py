"""The export stages: every variant with its gate, then the bundle of the chosen one."""

from pathlib import Path

from distill.export.measure.cpu import cpu_info
from distill.files.atomic import discard, partial_of
from distill.pipeline.choices import choose_precision
from distill.pipeline.report import REPORT_FILES
from distill.pipeline.state import Run
from distill.runs.context import Job
from distill.runs.fingerprints import calibrated_by, recipe_hash
from distill.runs.stage import EXPORT_PACKAGES, package_versions
from distill.variants.select import choose_branch, choose_variant
from distill.variants.variant import exported, form_of


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
        from distill.variants.bundle import make_bundle

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
            from distill.variants.export import export_variant

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
