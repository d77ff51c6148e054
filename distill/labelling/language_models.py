"""Language models as teachers: what a stage needs to know of one, whether it runs here or behind a server."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, final

from distill.export.runtime.reading.inputs import Row
from distill.labelling.codebook import Codebook
from distill.labelling.endpoint.address import address_of
from distill.labelling.endpoint.labeller import endpoint_identity
from distill.labelling.endpoint.open import endpoint_of, estimate, label_rows, open_endpoint
from distill.labelling.endpoint.questions import questions_of
from distill.recipe.llm import EndpointRecipe
from distill.recipe.recipe import Recipe
from distill.runs.progress import Reporter
from distill.teachers.sources import ModelSource, resolve_teacher
from distill.teachers.store import LabelIdentity, label_split


class LanguageModel(Protocol):
    """A language model that scores labels."""

    @property
    def inputs(self) -> Mapping[str, object]:
        """Everything of the model that scores depend on, for a stage's fingerprint."""
        ...

    @property
    def source(self) -> Mapping[str, object]:
        """The record of the model that a run keeps: at least its name and a sha256."""
        ...

    def identity(self, book: Codebook) -> str:
        """Return the sha256 of everything that scores depend on."""
        ...

    def check(self, book: Codebook, rows: Sequence[Row]) -> str:
        """Check what can be known without reading a row, and return a sentence on the work that rows are.

        Raises:
            InputError: the model cannot be used.
        """
        ...

    def label(
        self, folder: Path, book: Codebook, rows: Sequence[Row], identity: LabelIdentity, reporter: Reporter
    ) -> None:
        """Write the raw scores of rows into a folder; an interrupted execution resumes.

        Raises:
            InputError: the model cannot be used, or fails.
        """
        ...


@final
@dataclass(frozen=True)
class EndpointModel:
    """A model behind a server; `answers` is the folder that keeps what it answered."""

    recipe: EndpointRecipe
    answers: Path

    @property
    def inputs(self) -> Mapping[str, object]:
        """See `LanguageModel.inputs`."""
        return {"endpoint": self.recipe.asked()}

    @property
    def source(self) -> Mapping[str, object]:
        """See `LanguageModel.source`; the server's weights cannot be hashed."""
        return {"name": self.recipe.model, "origin": "endpoint", "sha256": None, "remote": self._is_remote}

    @property
    def _is_remote(self) -> bool:
        return not address_of(self.recipe.url, allow_remote=self.recipe.allow_remote).is_local

    def identity(self, book: Codebook) -> str:
        """See `LanguageModel.identity`."""
        return endpoint_identity(book, self.recipe.model, self.recipe.samples, scrubs=self._is_remote)

    def check(self, book: Codebook, rows: Sequence[Row]) -> str:
        """See `LanguageModel.check`; nothing is sent."""
        where = "this machine" if endpoint_of(self.recipe).is_local else "another machine, personal data masked"
        work = estimate(book, rows, len(questions_of(book)))
        return f"endpoint: {work} to {where}, if the server gives log-probabilities"

    def label(
        self, folder: Path, book: Codebook, rows: Sequence[Row], identity: LabelIdentity, reporter: Reporter
    ) -> None:
        """See `LanguageModel.label`."""
        with open_endpoint(self.recipe, book, self.answers) as labeller:
            label_rows(labeller, folder, rows, identity, reporter)


@final
@dataclass(frozen=True)
class LocalModel:
    """A causal language model in a folder or in one GGUF file, which runs here."""

    name: str
    pin: str | None

    @property
    def inputs(self) -> Mapping[str, object]:
        """See `LanguageModel.inputs`."""
        return {"weights": self._model.sha256}

    @property
    def source(self) -> Mapping[str, object]:
        """See `LanguageModel.source`."""
        return self._model.to_dict()

    @property
    def _model(self) -> ModelSource:
        return resolve_teacher(self.name, self.pin)

    def identity(self, book: Codebook) -> str:
        """See `LanguageModel.identity`."""
        from distill.labelling.verbaliser import verbaliser_identity

        return verbaliser_identity(book, self._model.sha256)

    def check(self, book: Codebook, rows: Sequence[Row]) -> str:
        """See `LanguageModel.check`; the model is loaded, and its words are read."""
        from distill.labelling.verbaliser import VerbaliserLabeller
        from distill.teachers.causal import load_causal

        model = self._model
        labeller = VerbaliserLabeller(book, load_causal(model.path), model.sha256)
        head = f"{labeller.head_tokens:,} token(s), which are read once"
        return f"verbaliser: {len(rows):,} rows behind a prompt that begins with {head}"

    def label(
        self, folder: Path, book: Codebook, rows: Sequence[Row], identity: LabelIdentity, reporter: Reporter
    ) -> None:
        """See `LanguageModel.label`."""
        from distill.labelling.verbaliser import VerbaliserLabeller
        from distill.teachers.causal import load_causal

        model = self._model
        with reporter.status("load the language model"):
            language = load_causal(model.path)
        with reporter.bar(f"read {identity.split}", len(rows)) as advance:
            labeller = VerbaliserLabeller(book, language, model.sha256, advance)
            label_split(folder, rows, labeller.label, identity)


def language_model_of(recipe: Recipe, answers: Path) -> LanguageModel:
    """Return the language model of a recipe whose teacher is one.

    Args:
        recipe: of the run.
        answers: folder of what a server answered.
    """
    if recipe.endpoint is not None and recipe.teacher.kind == "endpoint":
        return EndpointModel(recipe.endpoint, answers)
    pin = recipe.teacher.sha256 if isinstance(recipe.teacher.sha256, str) else None
    return LocalModel(recipe.teacher.model, pin)
