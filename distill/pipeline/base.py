"""The encoder that a student starts from: checked early, and stored where it is not the teacher."""

from dataclasses import dataclass
from pathlib import Path

from distill.pipeline.state import Run
from distill.recipe.ensemble import members_of, reader_of
from distill.recipe.load import with_values
from distill.recipe.recipe import Recipe
from distill.runs.progress import Reporter


def with_start(recipe: Recipe, reporter: Reporter) -> Recipe:
    """Return a recipe that names what a student starts from where it can copy no layer of its teacher.

    Raises:
        InputError: the teacher's model does not exist, or the objective needs its hidden states.
    """
    if recipe.teacher.kind != "classifier" or recipe.student.base is not None:
        return recipe
    from distill.students.shape import STATIC_TYPE
    from distill.teachers.bodies import SUPPORTED
    from distill.teachers.sources import MINILM, folder_of_teacher, model_type_of

    folder = folder_of_teacher(members_of(recipe)[0].source)
    kind = "gguf" if folder is None else model_type_of(folder)
    # a static student will be refused as a teacher, so nothing is said of what its students would start from
    if kind is None or kind in (*SUPPORTED, STATIC_TYPE):
        return recipe
    reporter.say(f"student.base: {MINILM}, because a student can copy no layer of a {kind} teacher")
    return with_values(recipe, {"student.base": MINILM}, recipe.name)


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
            "pooling": recipe.teacher.start_pooling,
            "seed": recipe.seed,
        }

        def work(folder: Path) -> None:
            from distill.training.teacher import store_base

            self.check(base.folder)
            store_base(folder, base, recipe.teacher, run.corpus.task, run.reads, seed=recipe.seed)

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
        require_known(run.sample.read(tokenizer), recipe.teacher.max_unknown, reader_of(recipe))
        if run.trains_student:
            check_vocabulary(recipe, config, tokenizer, run.corpus)
        build_augmenter(recipe.augmentation, tokenizer, recipe.corpus.max_tokens, folder)
