"""The stages that make what a student learns from: augmented texts and soft labels."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from distill.corpora.corpus import label_matrix
from distill.export.runtime.reading.inputs import Row
from distill.pipeline.llm import LanguageTeacher, Texts
from distill.pipeline.state import Run
from distill.recipe.ensemble import Member, members_of
from distill.runs.fingerprints import cut_inputs
from distill.runs.layout import numbered

if TYPE_CHECKING:
    from distill.evaluation.decision import Logits
    from distill.teachers.store import LabelIdentity

AUGMENTED = "augmented"


@dataclass(frozen=True)
class LearningMaterial:
    """The texts that a student of a run learns from, and its teachers' logits of them."""

    run: Run

    def texts(self, split: str) -> Sequence[Row]:
        """Return the texts of a split of the corpus, or those made from its train rows."""
        if split != AUGMENTED:
            return dict(self.run.corpus.splits())[split].texts
        from distill.corpora.storage.parquet import load_texts
        from distill.labelling.augmentation import AUGMENTED_FILE

        return load_texts(self.run.layout.augmented / AUGMENTED_FILE, self.run.reads)

    def unlabelled(self) -> Mapping[str, Sequence[Row]]:
        """Return texts without labels by split: the transfer set, and those made from train rows."""
        splits = ["transfer"] if self.run.corpus.transfer is not None else []
        if self.run.recipe.augmentation.rows:
            splits.append(AUGMENTED)
        return {split: self.texts(split) for split in splits}

    def labelled_splits(self) -> list[str]:
        """Return the splits that the teachers label.

        Validation is labelled only for ranking layers; otherwise its logits are in the teacher's folder.
        """
        run = self.run
        splits = ["train"]
        if run.recipe.student.family.is_open:
            splits.append("validation")
        if (run.layout.corpus / "transfer.parquet").is_file():
            splits.append("transfer")
        if run.recipe.augmentation.rows:
            splits.append(AUGMENTED)
        return splits

    def identity(self, member: Member, split: str) -> "LabelIdentity":
        """Return the identity of a teacher's logits of a split, from the records of the stages that made both."""
        from distill.labelling.soft_labels import label_identity

        run = self.run
        return label_identity(
            run.records[numbered("teacher", member.index)].outputs,
            fingerprint=self.fingerprint(split),
            split=split,
            labels=run.corpus.task.labels,
            max_tokens=run.recipe.corpus.max_tokens,
            reads=run.tokens.reads,
        )

    def fingerprint(self, split: str) -> str:
        """Return the hash of the texts of a split, from the record of the stage that made them."""
        from distill.labelling.augmentation import AUGMENTED_FILE

        if split == AUGMENTED:
            return self.run.records[AUGMENTED].outputs[AUGMENTED_FILE]
        return self.run.corpus.fingerprint

    def temperatures(self) -> list[float]:
        """Return what each teacher's logits are divided by: 1, or the temperature fitted on validation."""
        from distill.artifacts.logits import read_logits_file
        from distill.evaluation.evaluators import evaluator_of

        run = self.run
        members = members_of(run.recipe)
        if not run.recipe.teacher.fit_temperature:
            return [1.0] * len(members)
        gold = label_matrix(run.corpus.validation, run.corpus.task)
        fit = evaluator_of(run.corpus.task).fit_temperature
        return [fit(read_logits_file(run.layout.teacher(member.index))["validation"], gold) for member in members]

    def soft_labels(self, split: str) -> "Logits":
        """Return the logits ``(N, C)`` that the student learns: the teacher's, or the ensemble's average.

        Raises:
            InputError: stored logits are unreadable, or belong to another teacher or corpus.
        """
        from distill.evaluation.evaluators import evaluator_of
        from distill.labelling.ensemble import average_logits
        from distill.teachers.store import read_logits

        run = self.run
        rows = len(self.texts(split))
        members = [
            read_logits(run.layout.labels(split, member.index), rows, self.identity(member, split))
            for member in members_of(run.recipe)
        ]
        return average_logits(
            members, self.temperatures(), evaluator_of(run.corpus.task), run.recipe.teacher.average
        )


def label_stages(run: Run) -> None:
    """Make texts if the recipe asks for some, and label every split that a student learns from."""
    if run.recipe.augmentation.rows:
        augment_stage(run)
    material = LearningMaterial(run)
    for member in members_of(run.recipe):
        for split in material.labelled_splits():
            _label(material, member, split)


def _label_by_scores(material: LearningMaterial, member: Member, split: str) -> None:
    teacher = LanguageTeacher(material.run)

    def read() -> Texts:
        if split == AUGMENTED:
            return Texts(material.texts(split), material.fingerprint(split))
        return teacher.of_split(split)

    names = (AUGMENTED,) if split == AUGMENTED else ()
    teacher.label(split, read, partial(material.identity, member, split), *names)


def augment_stage(run: Run) -> None:
    """Make texts from train rows."""
    recipe = run.recipe.augmentation
    inputs: dict[str, object] = {
        **run.digest("corpus"),
        "augmentation": recipe.model_dump(mode="json", exclude={"masked_model"}),
        "tokenizer": run.records[run.start_stage].outputs["tokenizer.json"],
        "seed": run.recipe.seed,
    }
    if recipe.masked_model is not None and "substitute" in recipe.ways:
        from distill.teachers.sources import resolve_model

        inputs["masked_model"] = resolve_model(recipe.masked_model).sha256
        inputs["max_tokens"] = run.recipe.corpus.max_tokens  # words behind them are not substituted

    if "near" in recipe.ways:
        inputs |= run.digest(run.start_stage)  # its table says which words are near

    if recipe.written:
        asked = run.recipe.endpoint

        def write(folder: Path) -> None:
            from distill.labelling.endpoint.writing import write_texts

            if asked is not None:
                ways, count, seed = recipe.written, recipe.written_rows, run.recipe.seed
                write_texts(folder, run.corpus, ways, count, asked, seed=seed, reporter=run.reporter)

        needed = {
            **run.digest(*run.gold_stages),
            "ways": list(recipe.written),
            "rows": recipe.written_rows,
            "endpoint": None if asked is None else asked.asked(),
            "seed": run.recipe.seed,
        }
        run.stage("written", run.layout.written, needed, write, resumable=True)
        inputs |= run.digest("written")

    def work(folder: Path) -> None:
        from distill.labelling.augmentation import build_augmenter, write_augmented
        from distill.labelling.endpoint.writing import written_texts
        from distill.teachers.tokenizers import load_tokenizer

        tokenizer = load_tokenizer(run.start)
        length, rows = run.recipe.corpus.max_tokens, run.corpus.train.texts
        augmenter = build_augmenter(recipe, tokenizer, length, run.start, rows)
        texts = written_texts(run.layout.written) if recipe.written else ()
        seed = run.recipe.seed
        write_augmented(folder, run.corpus, recipe, augmenter, written=texts, seed=seed, reporter=run.reporter)

    run.stage(AUGMENTED, run.layout.augmented, inputs, work)


def _label(material: LearningMaterial, member: Member, split: str) -> None:
    run = material.run
    if run.recipe.teacher.kind != "classifier":
        _label_by_scores(material, member, split)
        return
    teacher = numbered("teacher", member.index)
    texts = ("corpus", AUGMENTED) if split == AUGMENTED else ("corpus",)
    inputs = {**run.digest(*texts, teacher), **cut_inputs(run.recipe.corpus)}

    def work(folder: Path) -> None:
        from distill.labelling.soft_labels import label
        from distill.teachers.tokenizers import load_tokenizer, pad_id_of

        place = run.layout.teacher(member.index)
        if run.recipe.label.engine == "ray":
            _label_on_ray(material, folder, place, material.identity(member, split))
            return
        tokenizer = load_tokenizer(place)
        rows = run.tokens.rows(tokenizer, split, material.texts(split))
        label(
            folder,
            place,
            run.corpus.task,
            rows,
            material.identity(member, split),
            pad_id=pad_id_of(tokenizer),
            reporter=run.reporter,
        )

    folder = run.layout.labels(split, member.index)
    run.stage(f"{numbered('labels', member.index)}/{split}", folder, inputs, work, resumable=True)


def _label_on_ray(material: LearningMaterial, folder: Path, teacher: Path, identity: "LabelIdentity") -> None:
    from distill.labelling.augmentation import AUGMENTED_FILE
    from distill.labelling.on_ray import LabelWork, RaySettings, label_on_ray

    run, recipe, split = material.run, material.run.recipe.label, identity.split
    own = run.layout.augmented / AUGMENTED_FILE if split == AUGMENTED else None
    work = LabelWork(
        folder=folder.resolve(),
        teacher=teacher.resolve(),
        corpus=run.layout.corpus.resolve(),
        texts=None if own is None else own.resolve(),
        reads=run.tokens.reads,
        identity=identity,
    )
    label_on_ray(work, len(material.texts(split)), RaySettings(recipe.actors, recipe.address), run.reporter)
