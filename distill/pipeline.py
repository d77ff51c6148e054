"""The stages in order: what each depends on, and which function does its work.

Heavy packages are imported by the stage that needs them, so that a run with nothing to do ends at once.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from corpora.corpus import part_of, save_corpus
from corpora.rows import QUARANTINE_FILE
from corpora.sources import CorpusSpec, read_corpus
from corpora.task import TaskKind
from distill.atomic import discard, partial_of, remove_leftovers, write_text
from distill.chosen_layers import read_ranking, with_layers
from distill.fingerprints import corpus_inputs, portable_recipe, recipe_hash
from distill.interrupts import Interrupted
from distill.job import Job
from distill.lock import exclusive
from distill.recipe import CorpusRecipe
from distill.resources import stage_shortage
from distill.stages import EXPORT_PACKAGES, Stage, StageRecord, execute, package_versions
from distill.variants import choose_variant, exported, form_of, qat_forms
from export.runtime.bench import available_threads, cpu_info
from export.runtime.errors import CheckFailedError, InputError

REPORT_FILES = ("report.json", "report.html")
# raised when a stage's code comes to give other results
VERSIONS = {
    "corpus": 2,
    "teacher": 3,
    "quality": 1,
    "labels": 2,
    "layers": 1,
    "student": 2,
    "twin": 2,
    "qat": 1,
    "export": 1,
    "bundle": 2,
    "bench": 2,
    "report": 4,
}


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
        version = VERSIONS[name.split("/")[0]]
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


def _teach(under_way: Run) -> None:
    from teachers.sources import resolve_model

    job, recipe = under_way.job, under_way.job.recipe
    base = resolve_model(recipe.teacher.checkpoint or recipe.teacher.model, recipe.teacher.sha256)
    keys = recipe.teacher.model_dump(mode="json", exclude={"model", "checkpoint", "sha256"})
    inputs = {
        **under_way.digest("corpus"),
        "teacher": keys,
        "weights": base.sha256,
        "max_tokens": recipe.corpus.max_tokens,
        "seed": recipe.seed,
    }
    if recipe.teacher.checkpoint is not None:
        inputs["taken_as_it_is"] = True

    def work(folder: Path) -> None:
        from distill.checking import check_models
        from distill.learning import teach
        from teachers.classifier import load_config

        if under_way.trains_student:
            check_models(recipe, load_config(base.folder))  # before hours are spent
        teach(job, folder, base)

    under_way.stage("teacher", job.teacher, inputs, work, resumable=True)
    _judge(under_way, "teacher", job.teacher)


def _judge(under_way: Run, name: str, source: Path) -> None:
    """The quality of a model that training left in `source`: quick, and anew when the policy changes."""
    job = under_way.job
    inputs = {
        **under_way.digest("corpus", name),
        "threshold_shrink": job.recipe.export.threshold_shrink,
    }

    def work(folder: Path) -> None:
        from distill.quality import judge_model

        judge_model(job, source, folder)

    under_way.stage(f"quality/{name}", job.quality(name), inputs, work)


def _label(under_way: Run) -> None:
    job, recipe = under_way.job, under_way.job.recipe
    splits = ["train", "validation", "test"]
    if (job.corpus / "transfer.parquet").is_file():
        splits.append("transfer")
    for split in splits:
        inputs = {**under_way.digest("corpus", "teacher"), "max_tokens": recipe.corpus.max_tokens}

        def work(folder: Path, split: str = split) -> None:
            from distill.learning import label

            label(job, folder, split)

        under_way.stage(f"labels/{split}", job.labels(split), inputs, work, resumable=True)


def _choose_layers(under_way: Run) -> None:
    """Where the recipe leaves the layers open: rank candidates, and go on with the recipe that names the best."""
    job, recipe = under_way.job, under_way.job.recipe
    if recipe.student.kind != "layers" or recipe.student.layers != "auto":
        return
    inputs = {
        **under_way.digest("corpus", "teacher", "labels/train", "labels/validation"),
        "student": recipe.student.model_dump(mode="json", exclude={"epochs", "layers"}),
        "layer_search": recipe.layer_search.model_dump(mode="json"),
        "objective": (recipe.objective.temperature, recipe.objective.soft_weight),
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
    under_way.job = with_layers(job, best)
    write_text(job.folder / "recipe.toml", under_way.job.recipe.to_toml())


def _train(under_way: Run) -> None:
    _choose_layers(under_way)
    job, recipe = under_way.job, under_way.job.recipe
    labels = [name for name in under_way.records if name.startswith("labels/")]
    shared = {
        **under_way.digest("corpus", "teacher", *labels),
        "student": recipe.student.model_dump(mode="json"),
        "pooling": recipe.teacher.pooling,
        "max_tokens": recipe.corpus.max_tokens,
        "seed": recipe.seed,
    }
    objective = recipe.objective
    mixes = {"student": (objective.temperature, objective.soft_weight), "twin": (1.0, 0.0)}
    for name, folder in (("student", job.student), ("twin", job.twin)):
        if name == "twin" and not objective.compare:
            continue

        def work(folder: Path, distilled: bool = name == "student") -> None:
            from distill.learning import study

            study(job, folder, distilled=distilled)

        under_way.stage(name, folder, {**shared, "objective": mixes[name]}, work, resumable=True)
        _judge(under_way, name, folder)
    for form in qat_forms(recipe):
        _train_quantized(under_way, form, {**shared, "objective": mixes["student"]})


def _train_quantized(under_way: Run, form: str, shared: Mapping[str, Any]) -> None:
    """The student's last phase as what an int8 form computes."""
    job, name = under_way.job, f"qat/{form}"
    inputs = {
        **shared,
        **under_way.digest("student"),
        "qat": job.recipe.qat.model_dump(mode="json"),
        "form": form,
        # the scales of activations are fitted on a graph
        "versions": package_versions(EXPORT_PACKAGES),
    }

    def work(folder: Path) -> None:
        from distill.qat import study_quantized

        study_quantized(job, folder, form)

    under_way.stage(name, job.qat(form), inputs, work, resumable=True)
    _judge(under_way, name, job.qat(form))


def _export(under_way: Run) -> None:
    try:
        _export_and_bundle(under_way)
    except CheckFailedError:
        _withdraw(under_way.job)
        raise


def _export_and_bundle(under_way: Run) -> None:
    job, recipe = under_way.job, under_way.job.recipe
    inputs = {
        **under_way.digest("corpus", "student"),
        "bounds": recipe.export.model_dump(mode="json", exclude={"precision"}),
        "max_tokens": recipe.corpus.max_tokens,
        # int8 answers depend on the instructions that the CPU has, graphs on what made them
        "cpu": cpu_info()["flags"],
        "versions": package_versions(EXPORT_PACKAGES),
    }
    for name in exported(recipe):
        made_of = dict(inputs)
        if name != form_of(name):
            made_of |= under_way.digest("quality/student", f"qat/{form_of(name)}")
        elif name != "fp32":
            made_of |= under_way.digest("export/fp32")

        def work(folder: Path, name: str = name) -> None:
            from distill.exporting import export_variant

            export_variant(job, folder, name)

        under_way.stage(f"export/{name}", job.variant(name), made_of, work)
    chosen = choose_variant(job)
    inputs = {
        **under_way.digest("corpus", "teacher", "quality/teacher", "student", f"export/{chosen}"),
        "recipe": recipe_hash(recipe),
        "chosen": chosen,
    }

    def bundle(_folder: Path) -> None:
        from distill.exporting import make_bundle

        make_bundle(job, chosen)

    card = job.bundle / "README.md"
    under_way.stage("bundle", job.bundle_record, inputs, bundle, also=(job.bundle,), edited=(card,))


def _withdraw(job: Job) -> None:
    """Take away what an earlier recipe left: beside a failed gate it would look like this one's."""
    # the records first: a bundle without one is made again, whatever of it is left
    earlier = job.bundle.with_name("bundle.earlier")
    for folder in (job.folder / "report", job.bundle_record, job.bundle, partial_of(job.bundle), earlier):
        discard(folder)
    for name in REPORT_FILES:
        (job.folder / name).unlink(missing_ok=True)


def _report(under_way: Run) -> None:
    job, recipe = under_way.job, under_way.job.recipe
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
