"""The quality stage: calibration, thresholds and metrics of a trained model."""

from pathlib import Path

from distill.pipeline.state import Run
from distill.runs.layout import RunLayout


def quality_stage(run: Run, layout: RunLayout, name: str, source: Path) -> None:
    """Evaluate a trained model: quick, and done again when the recipe's decisions change.

    Args:
        run: the run.
        layout: of the student that the model belongs to.
        name: of the model, such as `teacher-2`, `student` or `qat/int8-static`.
        source: the folder that its training left.

    Raises:
        CheckFailedError: it is the student, and validation does not keep a floor of the recipe.
    """
    prefix = layout.stage_prefix(name)
    inputs = {
        **run.digest("corpus", f"{prefix}{name}"),
        "decisions": run.recipe.decisions.counted(),
    }

    def work(folder: Path) -> None:
        from distill.artifacts.logits import BEFORE_TUNING_FILE, read_logits_file
        from distill.artifacts.quality import record_of
        from distill.artifacts.training import read_training
        from distill.evaluation.floors import require_floors
        from distill.evaluation.quality import quality_of

        corpus, policy = run.corpus, run.recipe.decisions
        quality, before = quality_of(read_logits_file(source), corpus, policy), None
        if name == "student":  # a floor that it misses is missed by every variant of it
            require_floors(quality.floors)
        if (source / BEFORE_TUNING_FILE).is_file():
            before = quality_of(read_logits_file(source, BEFORE_TUNING_FILE), corpus, policy)
        record_of(quality, read_training(source), before).write(folder)

    run.stage(f"{prefix}quality/{name}", layout.quality(name), inputs, work)
