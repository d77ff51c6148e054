"""The stages in order: what each depends on, and which function does its work.

Heavy packages are imported by the stage that needs them, so that a run with nothing to do ends at once.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from corpora.corpus import label_matrix, load_corpus, part_of, save_corpus
from corpora.rows import QUARANTINE_FILE
from corpora.sources import CorpusSpec, read_corpus
from corpora.task import TaskKind
from distill.atomic import discard, partial_of, remove_leftovers, write_text
from distill.fingerprints import corpus_inputs, portable_recipe, recipe_hash
from distill.interrupts import Interrupted
from distill.job import Job, numbered
from distill.lock import exclusive
from distill.members import Member, members_of
from distill.recipe import CorpusRecipe, Recipe
from distill.resources import stage_shortage
from distill.stages import EXPORT_PACKAGES, Stage, StageRecord, execute, package_versions
from distill.variants import choose_branch, choose_variant
from export.runtime.bench import available_threads, cpu_info
from export.runtime.errors import CheckFailedError, InputError

REPORT_FILES = ("report.json", "report.html")
# raised when a stage's code comes to give other results
VERSIONS = {
    "corpus": 2,
    "augmented": 1,
    "teacher": 3,
    "ensemble": 1,
    "quality": 2,
    "labels": 2,
    "student": 2,
    "twin": 2,
    "export": 2,
    "bundle": 3,
    "bench": 3,
    "report": 5,
}

# of one of several: a student's seed before a stage's name, a teacher's number behind it
_STAGE_NAME = re.compile(r"^seeds/\d+/|-\d+(?=/|$)")


@dataclass
class Run:
    """A job under way: the records of the stages so far, by stage name."""

    job: Job
    trains_student: bool
    records: dict[str, StageRecord] = field(default_factory=dict)

    def stage(
        self,
        name: str,
        folder: Path,
        inputs: Mapping[str, Any],
        work: Callable[[Path], None],
        *,
        resumable: bool = False,
        also: tuple[Path, ...] = (),
        edited: tuple[Path, ...] = (),
    ) -> None:
        """Execute one stage, or find it done, and say so.

        Raises:
            Interrupted: somebody stopped it.
            ResourceError: disk or memory did not suffice.
        """
        version = VERSIONS[_STAGE_NAME.sub("", name).split("/")[0]]
        stage = Stage(name, folder, inputs, version, work, resumable=resumable, also=also, edited=edited)
        try:
            record = execute(stage)
        except KeyboardInterrupt:
            raise Interrupted(name) from None
        except Exception as error:
            if self.job.stop.asked:  # a library made an error of its own of the interrupt
                raise Interrupted(name) from error
            short = stage_shortage(error, name, self.job.folder)
            if short is not None:
                raise short from error
            raise
        self.job.stop.check()  # a library may have swallowed the interrupt
        self.records[name] = record
        self.job.reporter.say(f"{name}: {'already done' if record.skipped else f'{record.seconds:.1f} s'}")

    def digest(self, *names: str) -> dict[str, str]:
        """The hashes of earlier stages' outputs, as inputs of a later one."""
        return {name: self.records[name].digest for name in names}


def run(job: Job, until: str = "report") -> Run:
    """Run all stages up to and with one (corpus, teach, label, train, export, report); skip what is done.

    Raises:
        InputError: the recipe, the corpus or a model is wrong, or another command is at work in the run's folder.
        CheckFailedError: the export failed a check; an earlier bundle and report are taken away.
        KeyboardInterrupt: somebody stopped it; the same call goes on from there.
    """
    try:
        job.folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"{job.folder}: cannot be made ({error.strerror}); choose another --runs folder"
        ) from error
    with exclusive(job.folder):
        return _run_stages(job, until)


def _run_stages(job: Job, until: str) -> Run:
    remove_leftovers(job.folder)
    write_text(job.folder / "recipe.toml", job.recipe.to_toml())
    under_way = Run(job, trains_student=until in ("train", "export", "report"))
    steps: tuple[tuple[str, Callable[[Run], None]], ...] = (
        ("corpus", _corpus),
        ("teach", _teach),
        ("label", _label),
        ("train", _train),
        ("export", _export),
        ("report", _report),
    )
    for name, step in steps:
        step(under_way)
        if name == until:
            break
    return under_way


def corpus_spec(recipe: CorpusRecipe) -> CorpusSpec:
    """The recipe's [corpus] as what the readers take."""
    values = recipe.model_dump(exclude={"max_tokens", "licence", "rows"})
    values["task"] = TaskKind(recipe.task)
    values["text"] = (recipe.text,) if isinstance(recipe.text, str) else tuple(recipe.text)
    for key in ("columns", "row_id", "label_names"):
        if isinstance(values[key], list):
            values[key] = tuple(values[key])
    return CorpusSpec(**values)


def _corpus(under_way: Run) -> None:
    job, recipe = under_way.job, under_way.job.recipe.corpus

    def work(folder: Path) -> None:
        with job.reporter.count("read the corpus") as advance:
            spec = corpus_spec(recipe)
            corpus, bad = read_corpus(spec, seed=job.recipe.seed, folder=folder, progress=advance)
        if recipe.rows is not None:
            corpus = part_of(corpus, recipe.rows)
        save_corpus(corpus, folder)
        if bad.write(folder) is not None:
            job.reporter.say(f"  {len(bad)} rows are in quarantine: {job.corpus / QUARANTINE_FILE}")

    under_way.stage("corpus", job.corpus, corpus_inputs(recipe, job.recipe.seed), work)
    if job.recipe.decisions.has_floors:
        from distill.floors import check_floors

        corpus = load_corpus(job.corpus)  # before hours are spent
        check_floors(job.recipe.decisions, corpus.task, label_matrix(corpus.validation, corpus.task))


def _teach(under_way: Run) -> None:
    members = members_of(under_way.job.recipe)
    for member in members:
        _teach_one(under_way, member)
    if len(members) > 1:
        _average(under_way, members)


def _teach_one(under_way: Run, member: Member) -> None:
    from teachers.sources import resolve_model

    job, recipe = under_way.job, under_way.job.recipe
    base = resolve_model(member.source, member.pin)
    # what says which teachers there are and how they are averaged changes none of them
    others = {"model", "checkpoint", "sha256", "seeds", "average", "fit_temperature"}
    inputs = {
        **under_way.digest("corpus"),
        "teacher": recipe.teacher.model_dump(mode="json", exclude=others),
        "weights": base.sha256,
        "max_tokens": recipe.corpus.max_tokens,
        "seed": member.seed,
    }
    if member.tuned:
        inputs["taken_as_it_is"] = True

    def work(folder: Path) -> None:
        from distill.checking import check_alignment, check_models
        from distill.learning import teach
        from teachers.classifier import load_config, load_tokenizer

        if under_way.trains_student and member.index == 0:  # before hours are spent
            check_models(recipe, load_config(base.folder))
            check_alignment(recipe, load_tokenizer(base.folder), load_corpus(job.corpus))
        teach(job, folder, base, member)

    name = numbered("teacher", member.index)
    under_way.stage(name, job.member(member.index), inputs, work, resumable=True)
    _judge(under_way, job, name, job.member(member.index))


def _average(under_way: Run, members: tuple[Member, ...]) -> None:
    job, recipe = under_way.job, under_way.job.recipe
    names = [numbered("teacher", member.index) for member in members]
    inputs = {**under_way.digest("corpus", *names), **_averaging(recipe)}

    def work(folder: Path) -> None:
        from distill.labelling import average_members

        average_members(job, folder)

    under_way.stage("ensemble", job.ensemble, inputs, work)
    _judge(under_way, job, "ensemble", job.ensemble)


def _averaging(recipe: Recipe) -> dict[str, Any]:
    """How the teachers' logits become what the student learns."""
    return recipe.teacher.model_dump(mode="json", include={"average", "fit_temperature"})


def _judge(under_way: Run, job: Job, name: str, source: Path) -> None:
    """The quality of a model that training left in `source`: quick, and anew when the policy changes."""
    stage = f"{job.prefix}{name}" if name in ("student", "twin") else name
    inputs = {**under_way.digest("corpus", stage), "decisions": job.recipe.decisions.model_dump(mode="json")}

    def work(folder: Path) -> None:
        from distill.quality import judge_model

        judge_model(job, source, folder)

    prefix = job.prefix if stage != name else ""
    under_way.stage(f"{prefix}quality/{name}", job.quality(name), inputs, work)


def _augment(under_way: Run) -> None:
    job, recipe = under_way.job, under_way.job.recipe
    if not recipe.augmentation.rows:
        return
    inputs: dict[str, Any] = {
        **under_way.digest("corpus"),
        "augmentation": recipe.augmentation.model_dump(mode="json", exclude={"masked_model"}),
        "tokenizer": under_way.records["teacher"].outputs["tokenizer.json"],
        "seed": recipe.seed,
    }
    if recipe.augmentation.masked_model is not None and "substitute" in recipe.augmentation.ways:
        from teachers.sources import resolve_model

        inputs["masked_model"] = resolve_model(recipe.augmentation.masked_model).sha256

    def work(folder: Path) -> None:
        from distill.augmenting import make_augmented

        make_augmented(job, folder)

    under_way.stage("augmented", job.augmented, inputs, work)


def _label(under_way: Run) -> None:
    _augment(under_way)
    job, recipe = under_way.job, under_way.job.recipe
    splits = ["train", "validation", "test"]
    if (job.corpus / "transfer.parquet").is_file():
        splits.append("transfer")
    if recipe.augmentation.rows:
        splits.append("augmented")
    for member in members_of(recipe):
        for split in splits:
            teacher = numbered("teacher", member.index)
            texts = ("corpus", "augmented") if split == "augmented" else ("corpus",)
            inputs = {**under_way.digest(*texts, teacher), "max_tokens": recipe.corpus.max_tokens}

            def work(folder: Path, split: str = split, index: int = member.index) -> None:
                from distill.labelling import label

                label(job, folder, split, index)

            name, folder = f"{numbered('labels', member.index)}/{split}", job.labels(split, member.index)
            under_way.stage(name, folder, inputs, work, resumable=True)


def _train(under_way: Run) -> None:
    for job in under_way.job.branches():
        _train_one(under_way, job)


def _train_one(under_way: Run, job: Job) -> None:
    recipe = job.recipe
    labels = [name for name in under_way.records if name.startswith("labels")]
    shared = {
        **under_way.digest("corpus", "teacher", *labels),
        "student": recipe.student.model_dump(mode="json"),
        "pooling": recipe.teacher.pooling,
        "max_tokens": recipe.corpus.max_tokens,
        "seed": job.seed,
    }
    if len(members_of(recipe)) > 1 or recipe.teacher.fit_temperature:
        shared["averaging"] = _averaging(recipe)
    objective = recipe.objective
    mixes = {"student": (objective.temperature, objective.soft_weight), "twin": (1.0, 0.0)}
    terms = {"student": objective.terms(), "twin": {}}
    for name, folder in (("student", job.student), ("twin", job.twin)):
        if name == "twin" and not objective.compare:
            continue

        def work(folder: Path, distilled: bool = name == "student") -> None:
            from distill.learning import study

            study(job, folder, distilled=distilled)

        inputs = {**shared, "objective": mixes[name]}
        if terms[name]:
            inputs["terms"] = terms[name]
        under_way.stage(f"{job.prefix}{name}", folder, inputs, work, resumable=True)
        _judge(under_way, job, name, folder)


def _export(under_way: Run) -> None:
    try:
        _export_and_bundle(under_way)
    except CheckFailedError:
        _withdraw(under_way.job)
        raise


def _export_and_bundle(under_way: Run) -> None:
    for job in under_way.job.branches():
        _export_one(under_way, job)
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
        from distill.exporting import make_bundle

        make_bundle(job, chosen)

    card = job.bundle / "README.md"
    under_way.stage("bundle", job.bundle_record, inputs, bundle, also=(job.bundle,), edited=(card,))


def _export_one(under_way: Run, job: Job) -> None:
    recipe, fp32 = job.recipe, f"{job.prefix}export/fp32"
    inputs = {
        **under_way.digest("corpus", f"{job.prefix}student"),
        "bounds": recipe.export.model_dump(mode="json", exclude={"precision"}),
        "decisions": recipe.decisions.model_dump(mode="json"),
        "max_tokens": recipe.corpus.max_tokens,
        # int8 answers depend on the instructions that the CPU has, graphs on what made them
        "cpu": cpu_info()["flags"],
        "versions": package_versions(EXPORT_PACKAGES),
    }
    for name in dict.fromkeys(["fp32", *recipe.export.precision]):
        if name != "fp32":
            inputs = {**inputs, **under_way.digest(fp32)}

        def work(folder: Path, name: str = name) -> None:
            from distill.exporting import export_variant

            export_variant(job, folder, name)

        under_way.stage(f"{job.prefix}export/{name}", job.variant(name), inputs, work)


def _withdraw(job: Job) -> None:
    """Take away what an earlier recipe left: beside a failed gate it would look like this one's."""
    # the records first: a bundle without one is made again, whatever of it is left
    earlier = job.bundle.with_name("bundle.earlier")
    for folder in (job.folder / "report", job.bundle_record, job.bundle, partial_of(job.bundle), earlier):
        discard(folder)
    for name in REPORT_FILES:
        (job.folder / name).unlink(missing_ok=True)


def _report(under_way: Run) -> None:
    job, recipe = choose_branch(under_way.job), under_way.job.recipe
    inputs = {
        **{name: record.digest for name, record in under_way.records.items()},
        "bench": recipe.bench.model_dump(mode="json"),
        "cpu": cpu_info()["model"],
        "threads": available_threads(),
    }

    def bench(folder: Path) -> None:
        from distill.benching import bench_run

        bench_run(job, folder)

    under_way.stage("bench", job.bench, inputs, bench)
    seconds = {name: record.seconds for name, record in under_way.records.items()}

    def report(folder: Path) -> None:
        from distill.report import write_report

        write_report(job, seconds)

    files = tuple(job.folder / name for name in REPORT_FILES)
    inputs = {**under_way.digest(*under_way.records), "recipe": portable_recipe(recipe), "seconds": seconds}
    under_way.stage("report", job.folder / "report", inputs, report, also=files)
