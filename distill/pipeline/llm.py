"""The stages of a language model as the teacher: raw scores, the prior that is taken out of them, and labels."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING

from distill.corpora.corpus import Corpus
from distill.export.runtime.reading.inputs import Row
from distill.pipeline.beside import Beside
from distill.pipeline.quality import quality_stage
from distill.pipeline.state import Run
from distill.recipe.llm import VerbaliserRecipe
from distill.recipe.recipe import Recipe
from distill.runs.progress import Reporter

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from distill.evaluation.decision import Logits
    from distill.labelling.codebook import Codebook
    from distill.labelling.language_models import LanguageModel
    from distill.teachers.store import LabelIdentity

CONTENT_FREE = "content_free"


@dataclass(frozen=True)
class Texts:
    """Rows to be labelled, and the hash that tells them apart from others."""

    rows: Sequence[Row]
    fingerprint: str


@dataclass(frozen=True)
class LanguageTeacher:
    """The language model of a run's recipe, as stages ask it."""

    run: Run

    @property
    def verbaliser(self) -> "VerbaliserRecipe":
        """The table of questions."""
        return self.run.recipe.verbaliser or VerbaliserRecipe()

    @cached_property
    def model(self) -> "LanguageModel":
        """The model."""
        from distill.labelling.language_models import language_model_of

        return language_model_of(self.run.recipe, self.run.layout.answers)

    @cached_property
    def book(self) -> "Codebook":
        """The labels, the prompt, and the rows that it shows."""
        from distill.labelling.codebook import codebook_of

        return codebook_of(self.verbaliser, self.run.corpus.task, self.run.corpus.train, self.run.recipe.seed)

    @cached_property
    def inputs(self) -> dict[str, object]:
        """Everything but corpus and texts that raw scores depend on."""
        seed = {"seed": self.run.recipe.seed} if self.verbaliser.shots else {}
        return {"verbaliser": self.verbaliser.asked(), **self.model.inputs, **seed}

    @cached_property
    def identity(self) -> str:
        """The sha256 of everything that raw scores depend on."""
        return self.model.identity(self.book)

    def scores_identity(self, split: str, fingerprint: str) -> "LabelIdentity":
        """Return the identity of raw scores of some texts."""
        from distill.teachers.store import LabelIdentity

        return LabelIdentity(self.identity, "", fingerprint, split, self.run.corpus.task.labels, max_tokens=0)

    def scores(self, split: str, texts: Texts) -> "Logits":
        """Read the raw scores ``(N, C)`` that a stage left."""
        from distill.teachers.store import read_logits

        identity = self.scores_identity(split, texts.fingerprint)
        return read_logits(self.run.layout.scores(split), len(texts.rows), identity)

    def score_stage(self, split: str, read: Callable[[], Texts], *names: str) -> None:
        """Ask about every text of a split.

        Args:
            split: name of the texts.
            read: returns them.
            names: the stages that made them.
        """
        run = self.run

        def work(folder: Path) -> None:
            texts = read()
            identity = self.scores_identity(split, texts.fingerprint)
            self.model.label(folder, self.book, texts.rows, identity, run.reporter)

        inputs = {**run.digest(*dict.fromkeys(("corpus", *names))), **self.inputs}
        run.stage(f"scores/{split}", run.layout.scores(split), inputs, work, resumable=True)

    def of_split(self, split: str) -> Texts:
        """Return the texts of a split of the corpus, whether or not the rows have labels by now."""
        return Texts(dict(self.run.corpus.splits())[split].texts, self.run.records["corpus"].digest)

    def teach(self) -> None:
        """Ask about what is evaluated, take the prior out of the scores, and measure their quality."""
        from distill.evaluation.quality import EVALUATED

        run = self.run
        unlabelled = run.recipe.corpus.labels is False
        splits = ("train", *EVALUATED) if unlabelled else EVALUATED
        for split in splits:
            self.score_stage(split, partial(self.of_split, split))
        self._prior_stage()
        if unlabelled:
            self._label_stage(splits)
            self._review_stage(splits)
        quality_stage(run, run.layout, "teacher", run.layout.teacher())
        if not unlabelled and self.verbaliser.compared_rows and not run.is_fold:
            Beside(run).stage()

    def _prior_stage(self) -> None:
        """Fit the prior, and leave what stands for the teacher's logits."""
        from distill.evaluation.quality import EVALUATED
        from distill.labelling.prior import CONTENT_FREE_TEXTS
        from distill.labelling.soft_labels import LABELLER_FILE

        run, calibration = self.run, self.verbaliser.calibration or "none"
        needed = [f"scores/{split}" for split in EVALUATED]

        def without_content() -> Texts:
            return Texts(CONTENT_FREE_TEXTS, CONTENT_FREE)

        if calibration == CONTENT_FREE:
            self.score_stage(CONTENT_FREE, without_content)
            needed.append(f"scores/{CONTENT_FREE}")

        def work(folder: Path) -> None:
            from distill.artifacts.logits import LOGITS_FILE, write_logits_file
            from distill.artifacts.training import TrainingSummary
            from distill.corpora.corpus import label_matrix
            from distill.corpora.reading.places.provenance import SOURCE_FILE
            from distill.files.json_files import write_json
            from distill.labelling.prior import fit_prior

            corpus, task = run.corpus, run.corpus.task
            scores = {split: self.scores(split, self.of_split(split)) for split in EVALUATED}
            free = self.scores(CONTENT_FREE, without_content()) if calibration == CONTENT_FREE else None
            gold = label_matrix(corpus.validation, task) if corpus.is_labelled else None
            prior = fit_prior(calibration, scores["validation"], task, gold=gold, content_free=free)
            prior.write(folder)
            write_json({"identity": self.identity}, folder / LABELLER_FILE)
            logits = {split: prior.logits(values, task) for split, values in scores.items() if len(values)}
            write_logits_file(logits, folder / LOGITS_FILE)
            write_json(self.model.source, folder / SOURCE_FILE)
            TrainingSummary(None).write(folder)

        inputs = {**run.digest("corpus", *needed), "calibration": calibration}
        run.stage("teacher", run.layout.teacher(), inputs, work)

    def _label_stage(self, splits: Sequence[str]) -> None:
        """Label the rows of a corpus without labels by the model's own decisions, and continue with those."""
        from distill.labelling.own_labels import UNKNOWN_QUALITY

        run = self.run

        def work(folder: Path) -> None:
            from distill.labelling.own_labels import write_own_labels

            write_own_labels({split: self._decided(split)[1] for split in splits}, folder)

        inputs = run.digest("teacher", *(f"scores/{split}" for split in splits))
        run.stage("own_labels", run.layout.own_labels, inputs, work)
        run.adopt_own_labels()
        run.reporter.say(f"warning: {UNKNOWN_QUALITY}")

    def _review_stage(self, splits: Sequence[str]) -> None:
        """Write the rows that are most worth a person's label."""
        run = self.run

        def work(folder: Path) -> None:
            import numpy as np

            from distill.labelling.codebook import text_of
            from distill.labelling.review import PARTS, REVIEW_FILE, REVIEWED, most_worth, write_review

            texts = [(split, self.of_split(split).rows) for split in splits]
            decided = [self._decided(split) for split in splits]
            values, labels = (np.concatenate(parts) for parts in zip(*decided, strict=True))
            plain = [text_of(row) for _, rows in texts for row in rows]
            with run.reporter.bar("choose rows for a person", PARTS * labels.shape[1]) as advance:
                chosen = most_worth(plain, values, labels, REVIEWED, run.recipe.seed, advance)
            names = [[run.corpus.task.labels[label] for label in np.flatnonzero(row)] for row in labels]
            write_review(folder / REVIEW_FILE, texts, names, chosen)

        inputs = {**run.digest("corpus", "own_labels"), "seed": run.recipe.seed}
        run.stage("review", run.layout.review, inputs, work)

    def _decided(self, split: str) -> "tuple[NDArray[np.float64], NDArray[np.uint8]]":
        """Return the scores of a split without their prior, and the labels that they decide, each ``(N, C)``."""
        from distill.labelling.own_labels import decided_by
        from distill.labelling.prior import read_prior

        values = read_prior(self.run.layout.teacher()).values(self.scores(split, self.of_split(split)))
        return values, decided_by(values, self.run.corpus.task)

    def label(
        self, split: str, read: Callable[[], Texts], identity: Callable[[], "LabelIdentity"], *names: str
    ) -> None:
        """Ask about a split that a student learns from, and take the prior out of the scores.

        Args:
            split: name of the texts.
            read: returns the texts.
            identity: returns the identity of their labels.
            names: the stages that made the texts.
        """
        run = self.run
        if f"scores/{split}" not in run.records:  # validation has been asked about already
            self.score_stage(split, read, *names)

        def work(folder: Path) -> None:
            import numpy as np

            from distill.labelling.prior import read_prior
            from distill.teachers.store import label_split

            prior, task = read_prior(run.layout.teacher()), run.corpus.task
            scores = self.scores(split, read())
            label_split(
                folder, range(len(scores)), lambda rows: prior.logits(scores[np.array(rows)], task), identity()
            )

        inputs = run.digest("corpus", "teacher", f"scores/{split}")
        run.stage(f"labels/{split}", run.layout.labels(split), inputs, work)


def check_language_model(recipe: Recipe, corpus: Corpus, reporter: Reporter) -> None:
    """Check what can be known of a recipe's language model, if any, and say how much it will read and write.

    Raises:
        InputError: a key names a label that there is not, two labels share a word, or the model cannot be used.
    """
    if recipe.teacher.kind != "classifier":
        from distill.labelling.codebook import codebook_of
        from distill.labelling.language_models import language_model_of

        book = codebook_of(recipe.verbaliser or VerbaliserRecipe(), corpus.task, corpus.train, recipe.seed)
        rows = [text for _, split in corpus.splits() for text in split.texts]
        reporter.say(language_model_of(recipe, Path()).check(book, rows))
    if recipe.augmentation.written and recipe.endpoint is not None:
        from distill.labelling.endpoint.writing import writing_estimate

        written, count = recipe.augmentation.written, recipe.augmentation.written_rows
        estimate = writing_estimate(corpus, written, count, recipe.endpoint, seed=recipe.seed)
        reporter.say(f"endpoint: {estimate}")
