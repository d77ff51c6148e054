"""The stages that make what a student learns from: augmented texts and soft labels."""

from pathlib import Path
from typing import Any

from distill.pipeline.state import Run
from distill.recipe.ensemble import members_of
from distill.runs.context import numbered


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
        from distill.teachers.sources import resolve_model

        inputs["masked_model"] = resolve_model(recipe.augmentation.masked_model).sha256
        inputs["max_tokens"] = recipe.corpus.max_tokens  # words behind them are not substituted

    def work(folder: Path) -> None:
        from distill.labelling.augmentation import make_augmented

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
                from distill.labelling.soft_labels import label

                label(job, folder, split, index)

            name, folder = f"{numbered('labels', member.index)}/{split}", job.labels(split, member.index)
            under_way.stage(name, folder, inputs, work, resumable=True)
