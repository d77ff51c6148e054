"""The quality stage: calibration, thresholds and metrics of a trained model."""

from pathlib import Path

from distill.pipeline.state import Run
from distill.runs.context import Job


def quality_stage(under_way: Run, job: Job, name: str, source: Path) -> None:
    """The quality of a model that training left in `source`: quick, and anew when the policy changes."""
    prefix = job.prefix_of(name)
    inputs = {
        **under_way.digest("corpus", f"{prefix}{name}"),
        "decisions": job.recipe.decisions.model_dump(mode="json"),
    }
    under_way.stage(
        f"{prefix}quality/{name}", job.quality(name), inputs, lambda folder: _evaluate_model(job, source, folder)
    )


def _evaluate_model(job: Job, source: Path, folder: Path) -> None:
    """Write the `quality.json` of a model that a training stage left in `source`.

    Raises:
        CheckFailedError: it is the student, and validation does not keep a floor of the recipe.
    """
    from distill.artifacts.logits import BEFORE_TUNING_FILE, read_logits_file
    from distill.artifacts.quality import QUALITY_FILE
    from distill.artifacts.training import TRAINING_FILE
    from distill.corpora.storage.parquet import load_corpus
    from distill.evaluation.floors import require_floors
    from distill.evaluation.quality import quality_of
    from distill.files.json_files import read_json, write_json

    corpus, policy = load_corpus(job.corpus), job.recipe.decisions
    quality = {**read_json(source / TRAINING_FILE), **quality_of(read_logits_file(source), corpus, policy)}
    if source == job.student:  # what it cannot keep no variant of it can
        require_floors(quality["floors"])
    before = source / BEFORE_TUNING_FILE
    if before.is_file():
        quality["before_tuning"] = quality_of(read_logits_file(source, BEFORE_TUNING_FILE), corpus, policy)
    write_json(quality, folder / QUALITY_FILE)
