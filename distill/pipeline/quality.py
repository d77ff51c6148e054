"""The quality stage: calibration, thresholds and metrics of a trained model."""

from functools import partial
from pathlib import Path

from distill.pipeline.folds import out_of_fold
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
        **run.digest(*run.gold_stages, f"{prefix}{name}"),
        "decisions": run.recipe.decisions.fitted,
        **run.fold_digest(f"{prefix}{name}", f"{prefix}quality/{name}"),
    }

    def work(folder: Path) -> None:
        from distill.artifacts.logits import BEFORE_TUNING_FILE, read_logits_file
        from distill.artifacts.quality import record_of
        from distill.artifacts.training import read_training
        from distill.evaluation.floors import require_kept
        from distill.evaluation.quality import quality_of

        corpus, policy = run.corpus, run.recipe.decisions
        pooled = partial(out_of_fold, run.layout.folder, run.fold_corpora, source, layout.quality(name))
        quality = quality_of(read_logits_file(source), corpus, policy, pooled())
        if name == "student" and not run.is_fold:  # a floor that it misses is missed by every variant of it
            require_kept(quality.floors, quality.decision)
        before = None
        if (source / BEFORE_TUNING_FILE).is_file():
            untrained = read_logits_file(source, BEFORE_TUNING_FILE)
            before = quality_of(untrained, corpus, policy, pooled(before_tuning=True))
        record_of(quality, read_training(source), before).write(folder)

    run.stage(f"{prefix}quality/{name}", layout.quality(name), inputs, work)
