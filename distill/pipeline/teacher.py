"""The teacher stages: fine-tune or load each teacher, and average an ensemble."""

from pathlib import Path

from distill.corpora.storage.parquet import load_corpus
from distill.pipeline.quality import quality_stage
from distill.pipeline.state import Run
from distill.recipe.ensemble import Member, averaging, members_of
from distill.runs.context import numbered


def teach_stages(under_way: Run) -> None:
    """Every teacher, and of several their average."""
    members = members_of(under_way.job.recipe)
    for member in members:
        _teach_one(under_way, member)
    if len(members) > 1:
        _average(under_way, members)


def _teach_one(under_way: Run, member: Member) -> None:
    from distill.teachers.sources import resolve_model

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
        from distill.labelling.augmentation import augmentation_means
        from distill.teachers.checkpoints import load_config
        from distill.teachers.tokenizers import load_tokenizer
        from distill.training.preflight import check_models, check_vocabulary
        from distill.training.teacher import teach

        if under_way.trains_student and member.index == 0:  # before hours are spent
            config = load_config(base.folder)
            check_models(recipe, config)
            check_vocabulary(recipe, config, load_tokenizer(base.folder), load_corpus(job.corpus))
        if member.index == 0:
            augmentation_means(recipe, load_tokenizer(base.folder))
        teach(job, folder, base, member)

    name = numbered("teacher", member.index)
    under_way.stage(name, job.member(member.index), inputs, work, resumable=True)
    quality_stage(under_way, job, name, job.member(member.index))


def _average(under_way: Run, members: tuple[Member, ...]) -> None:
    job, recipe = under_way.job, under_way.job.recipe
    names = [numbered("teacher", member.index) for member in members]
    inputs = {**under_way.digest("corpus", *names), **averaging(recipe)}

    def work(folder: Path) -> None:
        from distill.labelling.soft_labels import average_members

        average_members(job, folder)

    under_way.stage("ensemble", job.ensemble, inputs, work)
    quality_stage(under_way, job, "ensemble", job.ensemble)
