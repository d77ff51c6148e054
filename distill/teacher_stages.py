"""The stages up to the soft labels: the corpus, the teachers, their average, made texts, labels.

Heavy packages are imported by the stage that needs them, so that a run with nothing to do ends at once.
"""

from pathlib import Path
from typing import Any

from corpora.corpus import label_matrix, load_corpus, part_of, save_corpus
from corpora.rows import QUARANTINE_FILE
from corpora.sources import CorpusSpec, read_corpus
from corpora.task import TaskKind
from distill.fingerprints import corpus_inputs
from distill.job import numbered
from distill.members import Member, members_of
from distill.recipe_sources import CorpusRecipe
from distill.run_stages import Run, averaging, judge


def corpus_spec(recipe: CorpusRecipe) -> CorpusSpec:
    """The recipe's [corpus] as what the readers take."""
    values = recipe.model_dump(exclude={"max_tokens", "licence", "rows"})
    values["task"] = TaskKind(recipe.task)
    values["text"] = (recipe.text,) if isinstance(recipe.text, str) else tuple(recipe.text)
    for key in ("columns", "row_id", "label_names"):
        if isinstance(values[key], list):
            values[key] = tuple(values[key])
    return CorpusSpec(**values)


def corpus_stage(under_way: Run) -> None:
    """The corpus's splits."""
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


def teach_stages(under_way: Run) -> None:
    """Every teacher, and of several their average."""
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
        from distill.augmenting import augmentation_means
        from distill.checking import check_models, check_vocabulary
        from distill.learning import teach
        from teachers.classifier import load_config, load_tokenizer

        if under_way.trains_student and member.index == 0:  # before hours are spent
            config = load_config(base.folder)
            check_models(recipe, config)
            check_vocabulary(recipe, config, load_tokenizer(base.folder), load_corpus(job.corpus))
        if member.index == 0:
            augmentation_means(recipe, load_tokenizer(base.folder))
        teach(job, folder, base, member)

    name = numbered("teacher", member.index)
    under_way.stage(name, job.member(member.index), inputs, work, resumable=True)
    judge(under_way, job, name, job.member(member.index))


def _average(under_way: Run, members: tuple[Member, ...]) -> None:
    job, recipe = under_way.job, under_way.job.recipe
    names = [numbered("teacher", member.index) for member in members]
    inputs = {**under_way.digest("corpus", *names), **averaging(recipe)}

    def work(folder: Path) -> None:
        from distill.labelling import average_members

        average_members(job, folder)

    under_way.stage("ensemble", job.ensemble, inputs, work)
    judge(under_way, job, "ensemble", job.ensemble)


def make_texts(under_way: Run) -> None:
    """Texts made out of the train rows, where the recipe wants some."""
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
        inputs["max_tokens"] = recipe.corpus.max_tokens  # words behind them are not substituted

    def work(folder: Path) -> None:
        from distill.augmenting import make_augmented

        make_augmented(job, folder)

    under_way.stage("augmented", job.augmented, inputs, work)


def label_stages(under_way: Run) -> None:
    """Made texts where the recipe wants some, and every teacher's labels of every split."""
    make_texts(under_way)
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
