"""The encoder that a student starts from: checked early, and stored where it is not the teacher."""

from dataclasses import dataclass
from pathlib import Path

from distill.pipeline.state import Run


@dataclass(frozen=True)
class StudentStart:
    """The start of a run's students."""

    run: Run

    def store(self, name: str) -> None:
        """Store the encoder that the student starts from, with a fresh head."""
        from distill.teachers.sources import resolve_model

        run, base = self.run, resolve_model(name)
        recipe = run.recipe
        inputs = {
            **run.digest("corpus"),
            "weights": base.sha256,
            "pooling": recipe.teacher.pooling,
            "seed": recipe.seed,
        }

        def work(folder: Path) -> None:
            from distill.training.teacher import store_base

            self.check(base.folder)
            store_base(folder, base, recipe.teacher, run.corpus.task, seed=recipe.seed)

        run.stage("base", run.layout.base, inputs, work)

    def check(self, folder: Path) -> None:
        """Check that the student can start from an encoder, before hours are spent."""
        from distill.corpora.token_warnings import require_known
        from distill.labelling.augmentation import build_augmenter
        from distill.teachers.checkpoints import load_config
        from distill.teachers.tokenizers import load_tokenizer
        from distill.training.preflight import check_models, check_vocabulary

        run = self.run
        recipe, tokenizer, config = run.recipe, load_tokenizer(folder), load_config(folder)
        if run.trains_student:
            check_models(recipe, config)
        require_known(run.sample.read(tokenizer), recipe.teacher.max_unknown)
        if run.trains_student:
            check_vocabulary(recipe, config, tokenizer, run.corpus)
        build_augmenter(recipe.augmentation, tokenizer, recipe.corpus.max_tokens)
