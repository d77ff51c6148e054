"""A language model beside what labelled rows would give: TF-IDF, and a fine-tuned encoder, on validation."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from distill.pipeline.state import Run
from distill.runs.fingerprints import cut_inputs

if TYPE_CHECKING:
    from distill.artifacts.comparison import Compared, Comparison
    from distill.corpora.corpus import Corpus
    from distill.evaluation.decision import Logits

TFIDF, ENCODER = "TF-IDF", "fine-tuned encoder"


@dataclass(frozen=True)
class Beside:
    """The comparison of a run whose teacher is a language model and whose corpus has labels."""

    run: Run

    def stage(self) -> None:
        """Train both on a part of the labelled rows, measure all three, and print them."""
        from distill.recipe.ensemble import start_of
        from distill.teachers.sources import resolve_model

        run = self.run
        recipe, base = run.recipe, resolve_model(*start_of(run.recipe))
        others = {"kind", "model", "checkpoint", "sha256", "seeds", "average", "fit_temperature", "max_unknown"}
        inputs = {
            **run.digest("corpus", "teacher"),
            "rows": self._rows,
            "encoder": recipe.teacher.counted(others),
            "weights": base.sha256,
            "decisions": recipe.decisions.fitted,
            **cut_inputs(recipe.corpus),
            "seed": recipe.seed,
        }

        def work(folder: Path) -> None:
            from distill.artifacts.logits import read_logits_file
            from distill.corpora.corpus import with_train_rows
            from distill.timing.tfidf import fit_tfidf
            from distill.training.teacher import train_teacher

            part = with_train_rows(run.corpus, self._rows)
            texts = list(part.validation.texts)
            tfidf = {"validation": fit_tfidf(part, recipe.seed).logits(texts)}
            encoder = folder / "encoder"
            encoder.mkdir(exist_ok=True)
            tokens = run.tokens.of_part()
            train_teacher(encoder, base, recipe.teacher, part, tokens, seed=recipe.seed, controls=run.controls())
            logits = {
                "language model": read_logits_file(run.layout.teacher()),
                TFIDF: tfidf,
                ENCODER: read_logits_file(encoder),
            }
            found = self._compare(logits, part)
            found.write(folder)
            for line in found.lines():
                run.reporter.say(line)
            if found.better:
                run.reporter.say(
                    f"warning: Better than the language model: {' and '.join(found.better)}. With teacher.kind = "
                    '"classifier" the student learns from such a teacher.'
                )

        run.stage("comparison", run.layout.comparison, inputs, work, resumable=True)

    @property
    def _rows(self) -> int:
        asked = self.run.recipe.verbaliser
        return 0 if asked is None else asked.compared_rows

    def _compare(self, logits: "Mapping[str, Mapping[str, Logits]]", part: "Corpus") -> "Comparison":
        from distill.artifacts.comparison import Comparison
        from distill.evaluation.evaluators import evaluator_of

        models = tuple(self._compared(name, found["validation"], part) for name, found in logits.items())
        return Comparison(evaluator_of(part.task).title, len(part.train), len(part.validation), models)

    def _compared(self, name: str, logits: "Logits", part: "Corpus") -> "Compared":
        import numpy as np

        from distill.artifacts.comparison import Compared
        from distill.corpora.corpus import label_matrix
        from distill.evaluation.evaluators import evaluator_of
        from distill.evaluation.metrics import label_kappas

        evaluator, gold = evaluator_of(part.task), label_matrix(part.validation, part.task)
        decision = evaluator.fit(logits, gold, self.run.recipe.decisions, part.validation.groups)
        decided = decision.decide(logits, part.task)
        kappas = label_kappas(decided, gold)
        kappa = {
            label: None if np.isnan(value) else float(value)
            for label, value in zip(part.task.labels, kappas, strict=True)
        }
        return Compared(name, evaluator.score(decided, gold), kappa)
